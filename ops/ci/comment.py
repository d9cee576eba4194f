"""The verdict on a change and the comment that says it: pure functions on what ``terraform show -json`` gives.

The comment's first line says whether a cluster would be replaced and which attribute does it; then what is destroyed
and what an hour costs before and after; then why the check fails, if it does; everything else is folded.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal, Self

from ops.plan import policies, pricing
from ops.plan.changes import (
    CLUSTERS,
    KEEPERS,
    Change,
    cut_value,
    find_secrets,
    list_changes,
    parse_document,
    render_lines,
)
from ops.plan.masking import mask_text
from ops.prices import table as prices

LIMIT = 65_000  # GitHub takes 65,536 characters; counted in bytes here, which are never fewer
MOST_NAMED = 15
MOST_REASONS = 6
LABEL = "allow-replace"

FailureCause = Literal["refused", "policy", "price", "replace", "destroy", "unknown"]
KINDS = ("replace", "destroy", "update", "create", "forget")


def make_marker(env: str) -> str:
    """What a comment about an environment is found again by.

    >>> make_marker("dev")
    '<!-- fruits-plan-report dev -->'
    """
    return f"<!-- fruits-plan-report {env} -->"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is reported on.

    Attributes
    ----------
    env, region : of the plans
    compared : by stack, the head planned against a state in which the base stands
    base, head : by stack, both planned against no state: what prices and rules are read from
    live : by stack, the head planned against what is deployed in the account
    incomparable : by stack, why there is no comparison
    unseen : why there is no plan against the account; "" where there is one
    refused : by stack, Terraform's reasons to refuse the head
    ceiling : dollars an hour that the cluster may cost on demand; None does not look
    allowed : whether the label `LABEL` is on the pull request
    accounts : account ids to be masked wherever they stand
    """

    env: str
    region: str
    compared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    base: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    head: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    live: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    incomparable: Mapping[str, str] = field(default_factory=dict)
    unseen: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    ceiling: float | None = None
    allowed: bool = False
    accounts: Sequence[str] = ()

    @cached_property
    def changes(self) -> list[Change]:
        """Of every stack, against the base and against the account, each resource once, the gravest first."""
        by_address: dict[str, Change] = {}
        for plans in (self.compared, self.live):
            for plan in plans.values():
                for change in list_changes(plan):
                    earlier = by_address.get(change.address)
                    if earlier is None or KINDS.index(change.kind) < KINDS.index(earlier.kind):
                        by_address[change.address] = change
        return list(by_address.values())

    @cached_property
    def secrets(self) -> set[str]:
        """What any of the plans calls sensitive."""
        every = [*self.compared.values(), *self.base.values(), *self.head.values(), *self.live.values()]
        return {secret for plan in every for secret in find_secrets(plan)}

    def hide(self, text: str) -> str:
        """A text that may be read by everybody."""
        return mask_text(text, secrets=self.secrets, accounts=self.accounts)


@dataclass(frozen=True)
class Failure:
    """A reason not to merge."""

    cause: FailureCause
    message: str


def price_hours(subject: Subject) -> tuple[prices.Hourly | None, prices.Hourly | None, str]:
    """What an hour costs by the base's plan and by the head's (None without a cluster), and what is not known of it."""
    before, after = subject.base.get("cluster"), subject.head.get("cluster")
    try:
        hour_before = pricing.price_plan(before, subject.region) if before else None
        return hour_before, pricing.price_plan(after, subject.region) if after else None, ""
    except prices.UnknownPriceError as error:
        return None, None, str(error)


def list_failures(subject: Subject) -> list[Failure]:
    """Every reason not to merge."""
    reasons = [
        Failure("refused", f"the {stack} stack cannot be planned: {reason}")
        for stack, reason in subject.refused.items()
    ]
    for plan in [*subject.head.values(), *subject.live.values()]:
        for violation in policies.check_plan(plan, ceiling=subject.ceiling, region=subject.region):
            cause: FailureCause = "price" if violation.policy == "hourly-price" else "policy"
            if (failure := Failure(cause, str(violation))) not in reasons:
                reasons.append(failure)
    if not subject.allowed:
        for change in subject.changes:
            if change.type in CLUSTERS and change.kind == "replace":
                reasons.append(
                    Failure("replace", f"{change.address} would be replaced, because of {name_causes(change)}")
                )
            elif change.type in KEEPERS and change.kind in ("replace", "destroy"):
                outcome = {"replace": "replaced", "destroy": "destroyed"}[change.kind]
                reasons.append(Failure("destroy", f"{change.address}, which holds data, would be {outcome}"))
        reasons += [
            Failure("unknown", f"the {stack} stack's base and head could not be compared: {reason}")
            for stack, reason in subject.incomparable.items()
        ]
    return reasons


def name_causes(change: Change) -> str:
    """Which attributes make the provider replace a resource, for a sentence."""
    if change.because:
        return ", ".join(change.because)
    return "a resource that it is triggered by" if change.triggered else "another resource"


def quote_code(text: str) -> str:
    """A code span that nothing in the text can end.

    >>> quote_code("a`b"), quote_code("x")
    ('``a`b``', '`x`')
    """
    flat = " ".join(text.split())
    fence = "`" * (max((len(run) for run in re.findall("`+", flat)), default=0) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def quote_block(text: str, language: str = "") -> str:
    """A code block that nothing in the text can end."""
    fence = "`" * max(3, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def write_first_line(subject: Subject) -> str:
    """Whether a cluster would be replaced, and which attribute does it."""
    clusters = [change for change in subject.changes if change.type in CLUSTERS]
    replaced = [change for change in clusters if change.kind == "replace"]
    if replaced:
        texts = []
        for change in replaced:
            why = list_forcing(change) or [name_trigger(change, subject)]
            more = f" and {len(why) - MOST_REASONS} more" if len(why) > MOST_REASONS else ""
            texts.append(f"{quote_code(change.address)}, because of {', '.join(why[:MOST_REASONS])}{more}")
        return f"**This change would replace the cluster** {'; '.join(texts)}."
    if ended := [change for change in clusters if change.kind == "destroy"]:
        return f"**This change would destroy the cluster** {', '.join(quote_code(change.address) for change in ended)}."
    if subject.refused:
        return "**Terraform refuses this change**, so nothing can be said about the cluster."
    if subject.incomparable:
        return "**Whether this change would replace a cluster is not known**: base and head could not be compared."
    return "**No cluster would be replaced.**"


def list_forcing(change: Change) -> list[str]:
    """The attributes that make the provider replace a resource: simple ones with their values, then blocks by name."""
    simple, blocks = [], []
    for attribute in (attribute for attribute in change.attributes if attribute.forces):
        top = attribute.path.partition(".")[0]
        if top == attribute.path and not (parse_document(attribute.before) and parse_document(attribute.after)):
            before, after = (quote_code(cut_value(value) or "null") for value in (attribute.before, attribute.after))
            simple.append(f"{quote_code(top)} ({before} → {after})")
        elif quote_code(top) not in blocks:
            blocks.append(quote_code(top))
    return simple + blocks


def name_trigger(change: Change, subject: Subject) -> str:
    """What a replacement is triggered by, where no attribute of the resource itself forces it."""
    beside = [
        other
        for other in subject.changes
        if other.type == "terraform_data" and other.module == change.module and other.attributes
    ]
    if not beside:
        return name_causes(change)
    attribute = next(
        (attribute for attribute in beside[0].attributes if attribute.path == "input"), beside[0].attributes[0]
    )
    before, after = (quote_code(text or "null") for text in different_words(attribute.before, attribute.after))
    return f"{quote_code(f'{beside[0].address}.{attribute.path}')} ({before} → {after})"


def different_words(before: str, after: str) -> tuple[str, str]:
    """Two texts without the words that both begin and end with.

    >>> different_words('"fixed a.sh x y"', '"fixed b.sh x y"')
    ('a.sh', 'b.sh')
    """
    old, new = before.strip('"').split(), after.strip('"').split()
    while old and new and old[0] == new[0]:
        old, new = old[1:], new[1:]
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    return cut_value(" ".join(old)), cut_value(" ".join(new))


def list_addresses(addresses: Iterable[str]) -> str:
    """Addresses for a sentence; of many, the first."""
    every = list(addresses)
    more = f" and {len(every) - MOST_NAMED} more" if len(every) > MOST_NAMED else ""
    return ", ".join(quote_code(address) for address in every[:MOST_NAMED]) + more


def write_destroyed_line(subject: Subject) -> str:
    """What the change would destroy, and what it would replace."""
    changes = subject.changes
    destroyed = [change.address for change in changes if change.kind == "destroy"]
    replaced = [change.address for change in changes if change.kind == "replace" and change.type not in CLUSTERS]
    sentences = [f"Destroys {len(destroyed)}: {list_addresses(destroyed)}." if destroyed else "Destroys nothing."]
    if replaced:
        sentences.append(f"Replaces {len(replaced)}: {list_addresses(replaced)}.")
    return " ".join(sentences)


def write_price_line(subject: Subject) -> str:
    """What an hour costs, before and after."""
    before, after, unknown = price_hours(subject)
    if unknown:
        return f"What an hour costs is not known: {unknown}."
    if before is None and after is None:
        return "No cluster in these plans has a price."

    def dollars(amount: Callable[[prices.Hourly], Decimal]) -> str:
        return " → ".join("no cluster" if hour is None else f"{amount(hour):.2f}" for hour in (before, after))

    together, on_demand = dollars(lambda hour: hour.total), dollars(lambda hour: hour.total_on_demand)
    line = f"An hour of the cluster costs at most **{together} USD**"
    line += f" ({on_demand} without Spot capacity)" if on_demand != together else ""
    allowed = "" if subject.ceiling is None else f"; {subject.ceiling:.2f} are allowed"
    old = prices.say_age()
    return f"{line}, before tax{allowed}." + (f" {old[0].upper()}{old[1:]}" if old else "")


def count_changes(changes: Sequence[Change]) -> str:
    """How much a plan does.

    >>> count_changes([])
    'no change'
    """
    counts = Counter(change.kind for change in changes)
    words = {"replace": "to replace", "destroy": "to destroy", "update": "to change", "create": "to create"}
    parts = [f"{counts[kind]} {word}" for kind, word in words.items() if counts[kind]]  # type: ignore[index]
    parts += [f"{counts['forget']} to forget"] if counts["forget"] else []
    return ", ".join(parts) or "no change"


def fold_details(title: str, parts: Sequence[str], room: int, *, language: str = "diff") -> str:
    """Text behind a title; whole parts are left out, with a count, where there is no room for all."""

    def fold(count: int) -> str:
        omitted = len(parts) - count
        remark = [f"# {omitted:,} more left out here; make plan-report writes them all"] if omitted else []
        body = quote_block("\n".join([*parts[:count], *remark]), language)
        return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"

    used, count = len(fold(0).encode()) + 80, 0
    for part in parts:
        used += len(part.encode()) + 1
        if used > room:
            break
        count += 1
    return fold(count)


@dataclass(frozen=True)
class Section:
    """Details that can be folded away: what stands above them, and parts, of which the last are left out first."""

    title: str
    parts: Sequence[str]
    language: str = "diff"

    def hidden(self, hide: Callable[[str], str]) -> Self:
        """The section without what must not be read by everybody."""
        return replace(self, title=hide(self.title), parts=[hide(part) for part in self.parts])

    @property
    def bytes(self) -> int:
        """That all parts take."""
        return sum(len(part.encode()) + 1 for part in self.parts)


def write_opening(subject: Subject) -> list[str]:
    """What stands above the details: the verdict, what would be lost, the price, and why the check fails."""
    broken = list_failures(subject)
    head = [write_first_line(subject), "", write_destroyed_line(subject), write_price_line(subject), ""]
    if broken:
        head += ["**The check fails:**", ""]
        head += [f"- {quote_code(cut_value(failure.message))}" for failure in broken[:MOST_NAMED]]
        if len(broken) > MOST_NAMED:
            head.append(f"- and {len(broken) - MOST_NAMED} more")
        head.append("")
    if any(failure.cause in ("replace", "destroy", "unknown") for failure in broken):
        head += [f"If that is intended, the label {quote_code(LABEL)} allows it.", ""]
    if subject.allowed:
        head += [f"The label {quote_code(LABEL)} is set: replacements are allowed.", ""]
    return head


def list_details(subject: Subject) -> tuple[list[str], list[Section]]:
    """A line for each plan that changes nothing, and a section for every other."""
    unchanged: list[str] = []
    sections = [
        Section(f"{stack}: {what}", reason.splitlines(), "text")
        for what, reasons in (
            ("refused by Terraform", subject.refused),
            ("not compared with the base", subject.incomparable),
        )
        for stack, reason in reasons.items()
    ]
    titles = {
        "against the base, as if it were applied": subject.compared,
        f"against what is deployed in {subject.env}": subject.live,
    }
    for against, plans in titles.items():
        for stack, plan in plans.items():
            if changes := list_changes(plan):
                parts = ["\n".join(render_lines(change)) for change in changes]
                sections.append(Section(f"{stack}, {against}: {count_changes(changes)}", parts))
            else:
                unchanged.append(f"{stack}, {against}: no change  ")
    return unchanged, sections


def fit_sections(sections: Sequence[Section], room: int) -> list[str]:
    """The sections in so many bytes: short ones get all that they need, long ones share the rest."""
    bodies: dict[int, str] = {}
    for done, number in enumerate(sorted(range(len(sections)), key=lambda number: sections[number].bytes)):
        section = sections[number]
        bodies[number] = fold_details(
            section.title, section.parts, room // (len(sections) - done), language=section.language
        )
        room -= len(bodies[number].encode()) + 2
    return [bodies[number] for number in range(len(sections))]


def render_comment(subject: Subject, *, limit: int = LIMIT) -> str:
    """The comment: at most ``limit`` bytes, its marker last.

    What is cut first are the details, the longest and least grave ones before the others.
    """
    unchanged, sections = list_details(subject)
    head = [*write_opening(subject), *unchanged]
    if subject.unseen:
        head.append(f"Not compared with what is deployed in {subject.env}: {subject.hide(subject.unseen)}")
    text, end = subject.hide("\n".join(head)), make_marker(subject.env)
    room = limit - len(text.encode()) - len(end.encode()) - 3
    bodies = fit_sections([section.hidden(subject.hide) for section in sections], room)
    return "\n".join([text, "", *(body + "\n" for body in bodies), end]) + "\n"


def summarize_report(subject: Subject) -> dict[str, Any]:
    """The report for a program."""
    (before, after, _), changes, hide = price_hours(subject), subject.changes, subject.hide
    broken = list_failures(subject)
    return {
        "ok": not broken,
        "env": subject.env,
        "marker": make_marker(subject.env),
        "failures": [{"cause": failure.cause, "message": hide(failure.message)} for failure in broken],
        "clusters_replaced": [
            {"address": hide(change.address), "because": list(change.because), "triggered": change.triggered}
            for change in changes
            if change.type in CLUSTERS and change.kind == "replace"
        ],
        "destroyed": [hide(change.address) for change in changes if change.kind == "destroy"],
        "usd_an_hour": {
            "before": before and float(before.total),
            "after": after and float(after.total),
            "on_demand_before": before and float(before.total_on_demand),
            "on_demand_after": after and float(after.total_on_demand),
            "allowed": subject.ceiling,
        },
    }
