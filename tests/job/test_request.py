"""The command line and the request file: every field, every refusal, word by word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fruits.command_line import make_parser, parse, read_request
from fruits.errors import EXIT_CODES, UsageError
from fruits.request import MEANINGS, Request

from ops.cli.values import read_fields


def refusal(**fields: Any) -> str:
    with pytest.raises(UsageError) as caught:
        Request(**{"input": "i", "output": "o", **fields})
    return str(caught.value)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"input": " "}, "no input was given. Fix: INPUT= (--input) with the folder or URI of the photographs."),
        ({"output": ""}, "no output was given. Fix: OUTPUT= (--output) with the folder or URI for the results."),
        (
            {"k": 3, "variance": 0.5},
            "both k and variance were given, and each decides the number of components. Fix: give one of them.",
        ),
        ({"k": 0}, "k is 0, but a PCA keeps at least one component. Fix: K=1 or more (--k 1)."),
        (
            {"variance": 95.0},
            "variance is 95, but it is a share. Fix: a number above 0 and up to 1, such as 0.95 or 95%.",
        ),
        (
            {"variance": 0.0},
            "variance is 0, but it is a share. Fix: a number above 0 and up to 1, such as 0.95 or 95%.",
        ),
        (
            {"variance": float("nan")},
            "variance is nan, but it is a share. Fix: a number above 0 and up to 1, such as 0.95 or 95%.",
        ),
        ({"limit": 0}, "limit is 0. Fix: LIMIT=1 or more (--limit 1), or leave it out for all images."),
        ({"engine": "warp"}, "the engine 'warp' is unknown. Fix: ENGINE= (--engine), one of fast, tensorflow."),
        ({"precision": "int8"}, "the precision 'int8' is unknown. Fix: PRECISION= (--precision), one of f32, bf16."),
        (
            {"precision": "bf16", "engine": "tensorflow"},
            "the engine tensorflow computes in f32 only, and bf16 was asked for. Fix: ENGINE=fast (--engine fast), or "
            "PRECISION=f32 (--precision f32).",
        ),
        ({"image_size": 16}, "image_size is 16 pixels. Fix: IMAGE_SIZE= (--image-size) between 32 and 1024."),
        (
            {"max_reject_rate": 1.5},
            "max_reject_rate is 1.5. Fix: MAX_REJECT_RATE= (--max-reject-rate), a share between 0 and 1.",
        ),
        (
            {"max_reject_rate": float("nan")},
            "max_reject_rate is nan. Fix: MAX_REJECT_RATE= (--max-reject-rate), a share between 0 and 1.",
        ),
        ({"parallelism": 0}, "parallelism is 0. Fix: at least 1."),
    ],
)
def test_refusals(fields: dict[str, Any], sentence: str) -> None:
    assert refusal(**fields) == sentence


def test_the_defaults() -> None:
    request = Request(input="i", output="o")
    assert (request.model, request.target, request.k, request.engine) == ("efficientnet_lite0", 0.95, None, "fast")
    assert Request(input="i", output="o", k=4).target is None
    assert Request(input="i", output="o", variance=1).target == 1


def test_the_command_line() -> None:
    line = "--input in --output out --model resnet50 --k 7 --limit 20 --class A --engine tensorflow --image-size 96"
    more = ["--class", "Pêche (jaune), mûre", "--max-reject-rate", "0.2", "--weights", "w", "--parallelism", "3"]
    more += ["--networks", "n"]
    request = parse([*line.split(), *more])
    assert request == Request(
        input="in",
        output="out",
        model="resnet50",
        k=7,
        limit=20,
        classes=("A", "Pêche (jaune), mûre"),
        engine="tensorflow",
        image_size=96,
        max_reject_rate=0.2,
        weights="w",
        networks="n",
        parallelism=3,
    )


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--inputt", "x"], "unrecognized arguments: --inputt x"),
        (["--k", "many"], "argument --k: 'many' is not a whole number"),
        (["--in", "x"], "unrecognized arguments"),  # no guessing at abbreviations
        (["--k"], "argument --k: expected one argument"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(arguments: list[str], part: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(["--input", "i", "--output", "o", *arguments])
    assert part in str(caught.value)
    assert str(caught.value).endswith("Fix: --help lists the arguments.")


def test_help_lists_every_field_and_every_exit_code() -> None:
    text = make_parser().format_help()
    for code, meaning in EXIT_CODES.items():
        assert f"{code:>3}  {meaning}" in text
    for name in Request.__dataclass_fields__:
        assert f"--{'class' if name == 'classes' else name.replace('_', '-')}" in text


TYPED = {
    **{"input": ("i", "i"), "output": ("o", "o"), "model": ("resnet50", "resnet50"), "k": ("7", 7)},
    **{"variance": ("95 %", 0.95), "limit": ("20", 20), "classes": ("Kiwi", ("Kiwi",)), "engine": ("fast", "fast")},
    **{"precision": ("bf16", "bf16"), "image_size": ("96", 96), "scaling": ("tf", "tf"), "weights": ("w", "w")},
    **{"max_reject_rate": ("5%", 0.05)},
}
"""What a user types for each field, and what it must be."""


@pytest.mark.parametrize("name", [name for name, meaning in MEANINGS.items() if meaning.typed])
def test_make_and_the_job_read_a_field_alike(name: str) -> None:
    text, value = TYPED[name]
    rest = {} if name in ("input", "output") else {"input": "i", "output": "o"}
    made = Request.from_json({"input": "i", "output": "o", **read_fields({name.upper(): text})})
    line = [part for n, t in {**rest, name: text}.items() for part in (f"--{n.replace('_', '-')}", t)]
    line = ["--class" if part == "--classes" else part for part in line]
    typed = parse(line if name not in ("input", "output") else ["--input", "i", "--output", "o"])
    assert made == typed
    assert getattr(made, name) == value


def test_what_the_commands_set_is_no_users_variable() -> None:
    assert read_fields({"NETWORKS": "n", "PARALLELISM": "3"}) == {}
    assert {name for name, meaning in MEANINGS.items() if not meaning.typed} == {"networks", "parallelism"}
    assert set(TYPED) == {name for name, meaning in MEANINGS.items() if meaning.typed}


def test_a_request_file_is_the_same_request(tmp_path: Path) -> None:
    request = Request(input="s3://b/é, (x)", output="o", variance=0.9, classes=("Kiwi, vert", "🍌", ""), limit=3)
    path = tmp_path / "request é.json"
    path.write_text(json.dumps(request.as_json()))
    assert read_request(str(path)) == request
    assert parse(["--request", str(path), "--k", "3"]) == request


def test_null_means_left_out(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text('{"input": "i", "output": "o", "k": null, "classes": null}')
    assert read_request(str(path)) == Request(input="i", output="o")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[1]", "the request is not a JSON object"),
        ('{"input": "i"}', "the request lacks output. Fix: add it to the request"),
        ("{}", "the request lacks input and output. Fix: add it to the request"),
        (
            '{"input": "i", "output": "o", "colour": 1}',
            "the request has an unknown field 'colour'. Fix: one of input, ",
        ),
        (
            '{"input": "i", "output": "o", "k": "5"}',
            "the request's field 'k' cannot be \"5\". Fix: a whole number of at most 15 digits.",
        ),
        ('{"input": "i", "output": "o", "k": 5.0}', "the request's field 'k' cannot be 5.0."),
        ('{"input": "i", "output": "o", "k": true}', "the request's field 'k' cannot be true."),
        (
            '{"input": "i", "output": "o", "classes": "A"}',
            "the request's field 'classes' cannot be \"A\". Fix: a list of texts.",
        ),
        ('{"input": "i", "output": "o", "classes": [1]}', "the request's field 'classes' cannot be [1]."),
        ('{"input": 1, "output": "o"}', "the request's field 'input' cannot be 1. Fix: a text."),
        ('{"input": "i", "output": "o", "k": 0}', "k is 0, but a PCA keeps at least one component."),
        ("{", "is not JSON ("),
        ("\ufffe", "is not JSON ("),
    ],
)
def test_a_wrong_request_file(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(text.encode() if text != "\ufffe" else b"\xff\xfe\x00")
    with pytest.raises(UsageError) as caught:
        read_request(str(path))
    assert sentence in str(caught.value)


def test_no_request_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_request(f"{tmp_path}/none.json")
    assert str(caught.value) == f"there is no request at {tmp_path}/none.json. Fix: check the address."


def test_a_relative_request_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r.json").write_text('{"input": "i", "output": "o"}')
    monkeypatch.chdir(tmp_path)
    assert read_request("r.json").input == "i"


def test_a_terminal_reads_no_backticks() -> None:
    assert any("`" in meaning.text for meaning in MEANINGS.values())
    for meaning in MEANINGS.values():
        assert meaning.plain == "".join(letter for letter in meaning.text if letter != "`")
