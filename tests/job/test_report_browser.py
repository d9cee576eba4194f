"""`report.html` in a real browser, without a network: what a reader sees, points at, clicks and types."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fruits.store import Store

from tests.job.browsing import Opened, numbers, open_page
from tests.job.reporting import HOSTILE, Pictures, clusters, page_of
from tests.job.test_report import hostile_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.costly


@pytest.fixture(scope="module")
def drawn_page(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn sample's page, as a run composes it; its scores are made up, and no network takes part."""
    keys = [path.relative_to(drawn).as_posix() for path in sorted(drawn.rglob("*.jpg"))]
    page = tmp_path_factory.mktemp("drawn-page") / "report.html"
    page.write_text(page_of([key.partition("/")[0] for key in keys], Store(str(drawn)), keys=keys))
    return page


@pytest.fixture(scope="module")
def left_open(browser: Browser, drawn_page: Path) -> Iterator[tuple[Page, list[str], dict[str, Any]]]:
    """The drawn sample's page, what it complained of, and what its figures held at first."""
    complaints: list[str] = []
    page = open_page(browser, drawn_page, complaints)
    yield page, complaints, numbers(page)
    page.context.close()


@pytest.fixture
def shared_page(left_open: tuple[Page, list[str], dict[str, Any]]) -> Iterator[Page]:
    """The drawn sample's page as if it were opened anew, which takes seconds: put back as it was after each test."""
    page, complaints, first = left_open
    yield page
    assert complaints == []
    page.mouse.move(5, 5)
    page.locator("#class-search").fill("")
    for button in ("#all", "#zoom-reset"):
        page.locator(button).click()
    page.locator("#axis-x").select_option("0")
    page.locator("#map").focus()
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur(), scrollTo(0, 0)")
    assert numbers(page) == first


@pytest.fixture(scope="module")
def strange_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("strange") / "a page #1, 100%.html"
    path.write_text(hostile_page())
    return path


PLACE = """(i) => {
  const { map, view } = window.fruits, data = map.renderers.find((r) => r.name === "images").data_source.data;
  const corner = view.el.getBoundingClientRect(), frame = view.frame.bbox;
  const share = (value, range) => (value - range.start) / (range.end - range.start);
  return [corner.left + frame.left + frame.width * share(data.x[i], map.x_range),
          corner.top + frame.bottom - frame.height * share(data.y[i], map.y_range)];
}"""
"""Where on the screen an image's point lies."""


DRAWN = """() => { const { x, y } = window.fruits.map.renderers.find((r) => r.name === "images").data_source.data;
  return [...x].map((_, i) => [x[i], y[i]]); }"""
"""Where the map draws each image."""


def data_of(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.locator("#data").text_content() or "")
    return found


def lonely(page: Page) -> int:
    """An image whose point is the farthest from all others': pointing at it cannot hit another."""
    data = page.evaluate("""() => {
      const { x, y } = window.fruits.map.renderers.find((r) => r.name === "images").data_source.data;
      const apart = (i, j) => (i === j ? Infinity : Math.hypot(x[i] - x[j], y[i] - y[j]));
      const nearest = [...x].map((_, i) => Math.min(...[...x].map((_, j) => apart(i, j))));
      return nearest.indexOf(Math.max(...nearest));
    }""")
    return int(data)


def test_the_map_holds_as_many_points_as_the_page_says(shared_page: Page) -> None:
    page = shared_page
    said = re.search(r"Shown: all (\d+) images", page.locator("#map-shown").inner_text())
    assert said is not None
    found = numbers(page)
    assert found["points"] == found["shown"] == int(said[1]) == 200
    assert page.locator("#legend button").count() == 8
    assert page.locator("#map canvas").count() >= 1
    assert page.locator("#scree canvas").count() >= 1


def test_the_photograph_is_under_the_pointer(shared_page: Page) -> None:
    page = shared_page
    page.locator("#map").scroll_into_view_if_needed()
    i = lonely(page)
    x, y = page.evaluate(PLACE, i)
    assert page.locator("#tip").is_hidden()
    page.mouse.move(x - 5, y)
    page.mouse.move(x, y)
    page.wait_for_selector("#tip", state="visible")
    data = data_of(page)
    label = data["labels"][data["images"]["label"][i]]
    assert page.locator("#tip b").inner_text() == label
    assert page.locator("#tip span").inner_text() == data["images"]["path"][i].rpartition("/")[2]
    assert page.locator("#tip img").evaluate("(image) => image.complete && image.naturalWidth") == 96
    box = page.locator("#tip").bounding_box()
    assert box is not None
    assert abs(box["x"] - x) < 60
    page.mouse.move(5, 5)
    page.wait_for_selector("#tip", state="hidden")


def test_a_click_shows_the_nearest_neighbours_and_their_clicks_go_on(shared_page: Page) -> None:
    page = shared_page
    page.locator("#map").scroll_into_view_if_needed()
    i = lonely(page)
    page.mouse.click(*page.evaluate(PLACE, i))
    page.wait_for_selector("#near button")
    data = data_of(page)
    near = data["images"]["near"][i]
    assert numbers(page)["chosen"] == i
    assert len(near) == 15
    assert numbers(page)["rings"] == 9
    assert page.locator("#near button").count() == 8
    assert data["images"]["path"][i] in page.locator("#chosen").inner_text()
    page.locator("#near button").nth(2).click()
    assert numbers(page)["chosen"] == near[2]
    shown = page.locator("#chosen img").get_attribute("src")
    assert shown == "data:image/jpeg;base64," + data["images"]["picture"][near[2]]


def test_it_zooms_by_wheel_by_button_and_back(shared_page: Page) -> None:
    page = shared_page
    page.locator("#map").scroll_into_view_if_needed()
    whole = numbers(page)["width"]
    box = page.locator("#map").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -300)
    for _ in range(50):  # the page's policy forbids the eval behind wait_for_function
        if numbers(page)["width"] < whole:
            break
        page.wait_for_timeout(50)
    by_wheel = numbers(page)["width"]
    assert by_wheel < whole
    page.keyboard.press("Escape")  # no image is chosen: zooming keeps the middle
    page.locator("#zoom-in").click()
    assert numbers(page)["width"] == pytest.approx(by_wheel / 1.5)
    page.locator("#zoom-reset").click()
    assert numbers(page)["width"] == pytest.approx(whole)


def test_the_wheel_scrolls_the_page_until_the_map_is_clicked(shared_page: Page) -> None:
    page = shared_page
    page.locator("#map").scroll_into_view_if_needed()
    whole, box = numbers(page)["width"], page.locator("#map").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    before = page.evaluate("scrollY")
    page.mouse.wheel(0, 200)
    for _ in range(50):
        if page.evaluate("scrollY") > before:
            break
        page.wait_for_timeout(50)
    assert page.evaluate("scrollY") > before
    assert numbers(page)["width"] == whole
    assert page.evaluate("window.fruits.view.canvas_view.events_el.style.touchAction") == "pan-y"


def test_zooming_has_an_end_on_both_sides_and_takes_the_tooltip_away(shared_page: Page) -> None:
    page = shared_page
    page.locator("#map").scroll_into_view_if_needed()
    whole = numbers(page)["width"]
    x, y = page.evaluate(PLACE, lonely(page))
    page.mouse.move(x - 5, y)
    page.mouse.move(x, y)
    page.wait_for_selector("#tip", state="visible")
    page.locator("#map").focus()
    page.keyboard.press("+")
    page.wait_for_selector("#tip", state="hidden")
    for key, limit in (("-", 2 * whole), ("+", whole / 1000)):
        for _ in range(40):
            page.keyboard.press(key)
        assert numbers(page)["width"] == pytest.approx(limit)


def test_classes_are_found_by_name_and_shown_alone(shared_page: Page) -> None:
    page = shared_page
    legend, first_map = page.locator("#legend"), page.locator("#map").bounding_box()
    place = legend.bounding_box()
    assert place is not None
    assert first_map is not None
    assert place["y"] + place["height"] <= first_map["y"]  # in sight with the map
    names = data_of(page)["labels"]
    wanted = [name for name in names if "a" in name.lower()]
    assert 0 < len(wanted) < len(names)
    page.locator("#class-search").fill("A")
    assert legend.locator("button:visible").all_text_contents() == wanted
    page.locator("#only").click()
    assert numbers(page)["shown"] == 25 * len(wanted)
    page.locator("#all").click()
    assert numbers(page)["shown"] == 200
    assert legend.locator("button:visible").count() == 8
    legend.locator("button").nth(3).dblclick()
    page.mouse.move(0, 0)
    assert numbers(page)["shown"] == 25


def test_a_selection_is_saved_as_csv(opened: Opened, drawn_page: Path) -> None:
    page = opened(drawn_page)
    data = data_of(page)
    assert page.locator("#save").is_disabled()
    page.evaluate("window.fruits.selectWithin({x0: 0, x1: 1e9, y0: -1e9, y1: 1e9})")
    inside = [i for i, x in enumerate(data["images"]["scores"][0]) if x >= 0]
    assert 0 < len(inside) < 200
    assert page.locator("#save").inner_text() == f"save {len(inside)} selected as CSV"
    with page.expect_download() as download:
        page.locator("#save").click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
    assert [row["path"] for row in rows] == [data["images"]["path"][i] for i in inside]
    assert [float(row["pc2"]) for row in rows] == [data["images"]["scores"][1][i] for i in inside]


def test_names_that_are_formulas_are_harmless_in_the_csv(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page_of(["=1+1"] * 3 + ["@SUM(A1)"] * 3 + ['a "b", c'] * 3, Pictures()))
    page = opened(path)
    page.evaluate("window.fruits.selectWithin({x0: -1e9, x1: 1e9, y0: -1e9, y1: 1e9})")
    rows = list(csv.reader(page.evaluate("window.fruits.csv()").splitlines()))
    assert [row[1] for row in rows[1:]] == ["'=1+1"] * 3 + ["'@SUM(A1)"] * 3 + ['a "b", c'] * 3
    assert not any(row[0].startswith(("=", "+", "-", "@")) for row in rows[1:])


def test_a_finding_leads_to_its_images(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page_of(["Apple"] * 12 + ["Pear"] * 12, Pictures(), twins=((3, 15),)))
    page = opened(path)
    button = page.locator("#findings-title + p + div .findings button").first
    assert button.locator("img").count() == 2
    assert "0.00 × the usual distance between neighbours" in button.inner_text()
    page.locator("#legend button").last.click()  # Pear is hidden, and shown again by the finding
    button.click()
    assert data_of(page)["images"]["path"][numbers(page)["chosen"]] == "Apple/3_100.jpg"
    assert numbers(page)["rings"] == 2
    assert numbers(page)["shown"] == 24


def test_colours_can_stand_for_folders_and_for_agreement(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page_of(["farm/Apple"] * 10 + ["shop/Apple"] * 10 + ["shop/Pear"] * 10, Pictures()))
    page = opened(path)
    colours = '[...window.fruits.map.renderers.find((r) => r.name === "images").data_source.data.colour]'
    page.locator("#colour-by").select_option(label="folder 1")
    drawn = page.evaluate(colours)
    assert len(set(drawn[:10])) == len(set(drawn[10:])) == 1
    assert drawn[0] != drawn[-1]
    key = page.locator("#key li")
    assert key.all_text_contents() == ["farm (10)", "shop (20)"]
    page.locator("#colour-by").select_option(label="neighbours of the same class")
    assert key.all_text_contents() == ["100% (30)"]
    page.locator("#colour-by").select_option(label="cluster (k-means)")
    assert key.all_text_contents() == ["cluster 1 (10)", "cluster 2 (10)", "cluster 3 (10)"]
    drawn = page.evaluate(colours)
    assert len({*drawn[:10]}) == len({*drawn[10:20]}) == len({*drawn[20:]}) == 1
    page.locator("#colour-by").select_option(label="class")
    assert page.locator("#key").is_hidden()


def test_colours_can_stand_for_the_reasons_of_rejects(opened: Opened, tmp_path: Path) -> None:
    rejects = [
        {"path": f"/images/{label}/bad{i}.jpg", "label": label, "size": 9, "reason": reason}
        for i, (label, reason) in enumerate([("Apple", "cut"), ("Apple", "cut"), ("Apple", "empty"), ("Pear", "empty")])
    ]
    path = tmp_path / "report.html"
    path.write_text(page_of(["Apple"] * 4 + ["Pear"] * 5 + ["Plum"] * 6, Pictures(), rejects=rejects))
    page = opened(path)
    page.locator("#colour-by").select_option(label="why images of the class were rejected")
    assert page.locator("#key li").all_text_contents() == ["none rejected (6)", "cut (4)", "empty (5)"]


def test_a_confusion_leads_to_its_pictures(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    labels = ["Apple"] * 20 + ["Pear"] * 20
    path.write_text(page_of(labels, Pictures(), twins=((3, 25), (4, 27), (30, 2))))
    page = opened(path)
    row = page.locator("#confusions tbody tr", has=page.locator("button[data-is=Pear]"))
    assert [int(text) for text in row.locator("td.n").all_text_contents()] == [2]
    row.locator("button").click()
    assert page.locator("#confused-title").inner_text() == "Pear taken for Apple: 2 of the images shown"
    pictures = page.locator("#confused li button")
    assert [item.get_attribute("title") for item in pictures.all()] == ["Pear/25_100.jpg", "Pear/27_100.jpg"]
    pictures.nth(1).click()
    assert data_of(page)["images"]["path"][numbers(page)["chosen"]] == "Pear/27_100.jpg"
    page.locator(".matrix tbody button[data-is=Apple]").click()
    assert page.locator("#confused-title").inner_text() == "Apple taken for another class: 1 of the images shown"
    page.locator("#colour-by").select_option(label="what the classifier says")
    assert page.locator("#key li").all_text_contents() == ["right (37)", "another class (3)"]


def test_the_map_of_neighbours_keeps_them_better_than_two_components_do(opened: Opened, tmp_path: Path) -> None:
    from sklearn.manifold import trustworthiness

    labels = [f"Fruit {k}" for k in range(12) for _ in range(12)]
    path = tmp_path / "report.html"
    path.write_text(page_of(labels, Pictures(default=b"")))
    places = []
    for _ in range(2):
        page = opened(path)
        page.locator("#layout").select_option("neighbours")
        page.wait_for_selector("html[data-layout=neighbours]", state="attached", timeout=300_000)
        places.append(np.array(page.evaluate(DRAWN)))
    assert (places[0] == places[1]).all()  # the same page, the same map
    assert page.locator("#axis-x").is_disabled()
    order = [labels.index(label) + i % 12 for i, label in enumerate(sorted(labels))]
    scores = clusters(labels)[order]
    kept = trustworthiness(scores, places[0], n_neighbors=8)
    by_components = trustworthiness(scores, np.array(data_of(page)["images"]["scores"][:2]).T, n_neighbors=8)
    assert kept > 0.97 > by_components
    page.evaluate("window.fruits.choose(3)")  # clicks, zoom and selection go by what is drawn
    page.mouse.click(*page.evaluate(PLACE, 40))
    assert numbers(page)["chosen"] == 40
    page.locator("#layout").select_option("components")
    page.wait_for_selector("html[data-layout=components]", state="attached")
    assert page.evaluate(DRAWN)[5] == [data_of(page)["images"]["scores"][j][5] for j in (0, 1)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_readers_scheme_which_the_page_follows_also_while_open(
    opened: Opened, drawn_page: Path, strange_page: Path, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    def colours(page: Page) -> tuple[str, str]:
        body = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return body, page.evaluate("window.fruits.map.xaxes[0].major_label_text_color")

    wanted = {"light": ("rgb(251, 251, 247)", "#1d2a1f"), "dark": ("rgb(18, 22, 19)", "#e8ece5")}
    for path in (drawn_page, strange_page):
        page = opened(path, scheme=scheme)
        assert colours(page) == wanted[scheme]
        page.evaluate("window.fruits.choose(0)")
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
    other = "dark" if scheme == "light" else "light"
    page.emulate_media(color_scheme=other)  # type: ignore[arg-type]
    for _ in range(50):  # the page hears of it a moment later
        if colours(page) == wanted[other]:
            break
        page.wait_for_timeout(50)
    assert colours(page) == wanted[other]


def test_every_stop_of_the_tab_key_has_a_name(opened: Opened, drawn_page: Path) -> None:
    page = opened(drawn_page)
    page.keyboard.press("Tab")
    stops = 0
    while page.evaluate("document.activeElement !== document.body"):
        named = page.evaluate(
            """() => { const e = document.activeElement;
                 const name = e.getAttribute("aria-label") || e.textContent || (e.labels && e.labels.length);
                 return name ? "" : e.outerHTML.slice(0, 200); }"""
        )
        assert named == ""
        stops += 1
        assert stops < 400
        page.keyboard.press("Tab")
    assert stops > 30


def test_a_class_can_be_hidden_and_another_component_shown(shared_page: Page) -> None:
    page = shared_page
    button = page.locator("#legend button").first
    button.click()
    page.mouse.move(0, 0)
    assert button.get_attribute("aria-pressed") == "false"
    assert numbers(page)["shown"] == 175
    button.click()
    assert numbers(page)["shown"] == 200
    page.locator("#axis-x").select_option("2")
    data = data_of(page)
    drawn = page.evaluate('[...window.fruits.map.renderers.find((r) => r.name === "images").data_source.data.x]')
    assert drawn == pytest.approx(data["images"]["scores"][2])


def test_the_keyboard_reaches_every_image_and_its_neighbours(opened: Opened, drawn_page: Path) -> None:
    page = opened(drawn_page)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "map":
            break
    assert page.evaluate("document.activeElement.id") == "map"
    seen = []
    for _ in range(20):
        page.keyboard.press("n")
        seen.append(page.evaluate("window.fruits.chosen()"))
    page.evaluate("window.fruits.choose(180)")
    for _ in range(19):
        page.keyboard.press("n")
        seen.append(page.evaluate("window.fruits.chosen()"))
    assert seen == [*range(20), *range(181, 200)]
    page.keyboard.press("p")
    assert numbers(page)["chosen"] == 198
    x, y = page.evaluate(PLACE, 198)
    moved = 0
    for key, ahead in (("ArrowLeft", (-1, 0)), ("ArrowRight", (1, 0)), ("ArrowUp", (0, -1)), ("ArrowDown", (0, 1))):
        page.evaluate("window.fruits.choose(198)")
        page.keyboard.press(key)
        now = numbers(page)["chosen"]
        if now != 198:  # at the rim there may be none
            moved += 1
            u, v = page.evaluate(PLACE, now)
            assert (u - x) * ahead[0] + (v - y) * ahead[1] > 0
    assert moved >= 2
    page.keyboard.press("Enter")
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused.startswith("neighbour 1: ")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "map"
    page.keyboard.press("Escape")
    assert numbers(page)["chosen"] == -1


@pytest.mark.parametrize("widths", [(360, 768), pytest.param((768, 360), marks=pytest.mark.slow)])
def test_narrow_screens_scroll_down_and_never_sideways(
    opened: Opened, drawn_page: Path, strange_page: Path, widths: tuple[int, int]
) -> None:
    """Opened so, and turned while it is open."""

    def fits(page: Page, width: int) -> bool:
        drawn = page.locator("#map").bounding_box()
        assert drawn is not None
        sideways = page.evaluate("document.documentElement.scrollWidth")
        return sideways == width and 0.85 * width - 20 * (width > 500) < drawn["width"] <= width

    for path in (drawn_page, strange_page):
        page = opened(path, width=widths[0], height=740)
        page.evaluate("window.fruits.choose(0)")
        assert fits(page, widths[0])
        page.set_viewport_size({"width": widths[1], "height": 740})
        for _ in range(50):
            if fits(page, widths[1]):
                break
            page.wait_for_timeout(50)
        assert fits(page, widths[1])


def test_hostile_names_are_text(opened: Opened, strange_page: Path) -> None:
    page = opened(strange_page)
    assert page.title().startswith("Fruits! ")
    assert page.locator("#legend button").all_text_contents() == sorted(HOSTILE)
    for i in range(0, 24, 4):
        page.evaluate("(i) => window.fruits.choose(i)", i)
        x, y = page.evaluate(PLACE, i)
        page.mouse.move(x, y)
        page.mouse.move(x + 1, y)
    assert page.title().startswith("Fruits! ")
    assert page.locator("script").count() == 5
    assert page.locator("img[onerror]").count() == 0
    assert "{{ 7 * 7 }}" in page.locator("#legend").inner_text()


def test_pictures_are_optional(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page_of(["Apple"] * 3 + ["Pear"] * 3, Pictures(default=b"")))
    page = opened(path)
    page.evaluate("window.fruits.choose(0)")
    assert page.locator("#chosen .none").get_attribute("aria-label") == "Apple, 0_100.jpg (no picture)"
