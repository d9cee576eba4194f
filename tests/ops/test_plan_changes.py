"""What a plan does, read from its JSON: each kind, the gravest first, each line of the diff, and no secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops.plan.changes import (
    LONGEST,
    MOST_LINES,
    UNKNOWN,
    Attribute,
    Change,
    cut_value,
    find_kind,
    find_secrets,
    flatten,
    format_value,
    list_attributes,
    list_changes,
    render_lines,
)


def entry(type_: str, *actions: str, name: str = "this", mode: str = "managed", **more: Any) -> dict[str, Any]:
    change = {"actions": list(actions), "before": {"a": 1}, "after": {"a": 2}, **more.pop("change", {})}
    return {"address": f"module.m.{type_}.{name}", "type": type_, "mode": mode, "change": change, **more}


@pytest.mark.parametrize(
    ("actions", "kind"),
    [
        (["create"], "create"),
        (["update"], "update"),
        (["delete"], "destroy"),
        (["delete", "create"], "replace"),
        (["create", "delete"], "replace"),
        (["forget"], "forget"),
        (["no-op"], None),
        (["read"], None),
    ],
)
def test_kinds(actions: list[str], kind: str | None) -> None:
    assert find_kind(actions) == kind


def test_the_gravest_comes_first_and_what_is_only_read_not_at_all() -> None:
    plan = {
        "resource_changes": [
            entry("aws_vpc", "no-op", name="still"),
            entry("aws_ami", "create", mode="data"),
            entry("aws_vpc", "create"),
            entry("aws_emr_cluster", "create", name="new"),
            entry("aws_s3_bucket", "update", name="data"),
            entry("aws_iam_policy", "delete", name="b"),
            entry("aws_iam_policy", "forget"),
            entry("aws_iam_policy", "delete", name="a"),
            entry("aws_s3_bucket", "delete"),
            entry("aws_iam_role", "delete", "create"),
            entry("aws_emr_cluster", "delete", "create"),
            entry("aws_kms_key", "create", "delete"),
        ]
    }
    assert [(one.kind, one.address.removeprefix("module.m.")) for one in list_changes(plan)] == [
        ("replace", "aws_emr_cluster.this"),
        ("replace", "aws_kms_key.this"),
        ("destroy", "aws_s3_bucket.this"),
        ("create", "aws_emr_cluster.new"),
        ("replace", "aws_iam_role.this"),
        ("destroy", "aws_iam_policy.a"),
        ("destroy", "aws_iam_policy.b"),
        ("forget", "aws_iam_policy.this"),
        ("update", "aws_s3_bucket.data"),
        ("create", "aws_vpc.this"),
    ]
    assert list_changes({}) == []


def test_why_something_is_replaced() -> None:
    paths = [["zone", 0, "b"], ["label"]]
    change = {"replace_paths": paths, "before": {"label": "x", "n": 1}, "after": {"label": "y", "n": 2}}
    told = entry("aws_emr_cluster", "delete", "create", change=change, action_reason="replace_by_triggers")
    (found,) = list_changes({"resource_changes": [told]})
    assert found.because == ("label", "zone.0.b")
    assert found.triggered
    assert [(one.path, one.forces) for one in found.attributes] == [("label", True), ("n", False)]
    assert found.module == "module.m"
    plain = list_changes({"resource_changes": [entry("aws_vpc", "update", action_reason="other")]})[0]
    assert (plain.because, plain.triggered) == ((), False)


def found(before: Any, after: Any, *actions: str, **more: Any) -> list[tuple[str, str, str]]:
    change = {"actions": list(actions or ("update",)), "before": before, "after": after, **more}
    return [(one.path, one.before, one.after) for one in list_attributes(change, [])]


def test_what_differs_and_nothing_else() -> None:
    assert found({"a": 1, "b": "x", "c": [1, 2]}, {"a": 1, "b": "y", "c": [1, 3, 4]}) == [
        ("b", '"x"', '"y"'),
        ("c.1", "2", "3"),
        ("c.2", "", "4"),
    ]
    assert found({"a": 1}, {}) == [("a", "1", "")]
    assert found({"a": True}, {"a": False}) == [("a", "true", "false")]


def test_what_aws_will_fill_in_is_said_only_where_something_was() -> None:
    unknown = {"arn": True, "list": [False, True], "id": True}
    assert found({"id": "i-1", "list": ["a", "b"]}, {"list": ["a"]}, after_unknown=unknown) == [
        ("id", '"i-1"', UNKNOWN),
        ("list.1", '"b"', UNKNOWN),
    ]
    assert found({"id": "i-1"}, {}, "delete", "create", after_unknown={"id": True}) == []
    assert found(None, {"a": 1}, "create", after_unknown={"arn": True, "b": [True]}) == [("a", "", "1")]


def test_secrets_in_lists_and_maps_are_hidden_and_their_neighbours_are_not() -> None:
    before = {"list": ["s1", "open"], "map": {"k": "s2", "n": "old"}, "text": "s3"}
    after = {"list": ["s4", "shut"], "map": {"k": "s5", "n": "new"}, "text": "s6"}
    marks = {"list": [True], "map": {"k": True}, "text": True}
    told = found(before, after, before_sensitive=marks, after_sensitive=marks)
    assert told == [("list.1", '"open"', '"shut"'), ("map.n", '"old"', '"new"')]


def test_every_secret_of_a_plan_is_known() -> None:
    plan = {
        "resource_changes": [
            {
                "change": {
                    "before": {
                        "a": {"deep": ["one", 2, {"x": "two"}]},
                        "b": "open",
                        "c": ["three", "open"],
                        "e": ["open"],
                    },
                    "before_sensitive": {"a": True, "c": [True], "e": False},
                    "after": "four",
                    "after_sensitive": True,
                }
            }
        ],
        "resource_drift": [{"change": {"before": {"d": "five"}, "before_sensitive": {"d": True}}}],
        "output_changes": {"o": {"after": "six", "after_sensitive": True, "before": "open", "before_sensitive": False}},
        "configuration": {"root_module": {"variables": {"v": {"sensitive": True}, "w": {}}}},
        "variables": {"v": {"value": {"k": "seven"}}, "w": {"value": "open"}, "undeclared": {"value": "open"}},
    }
    assert find_secrets(plan) == {"one", "two", "three", "four", "five", "six", "seven"}
    assert find_secrets({}) == set()


def test_leaves() -> None:
    assert flatten({"a": {"tags_all": 1, "b": [[], None, 0]}, "tags_all": {"x": 1}}) == {
        ("a", "tags_all"): 1,
        ("a", "b", "2"): 0,
    }


def test_values_as_terraform_writes_them() -> None:
    assert (format_value(None), format_value("é"), format_value(UNKNOWN), format_value(1.5), format_value(False)) == (
        "",
        '"é"',
        UNKNOWN,
        "1.5",
        "false",
    )


def test_long_values_are_cut() -> None:
    assert cut_value("x" * LONGEST) == "x" * LONGEST
    assert cut_value("x" * (LONGEST + 1)) == "x" * LONGEST + "… (161 characters)"
    assert cut_value("x" * 5000).endswith("… (5,000 characters)")


def one(path: str, before: str, after: str, *, forces: bool = False) -> Attribute:
    return Attribute(path=path, before=before, after=after, forces=forces)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            Change(
                address="m.c", type="c", kind="replace", because=("a", "b"),
                attributes=(one("a", '"x"', '"y"', forces=True), one("n", "", "1")),
            ),
            ['-/+ m.c  # replaced because of a, b', '      a: "x" → "y"  # forces replacement', "      n: null → 1"],
        ),
        (
            Change(address="m.c", type="c", kind="replace", triggered=True, attributes=()),
            ["-/+ m.c  # replaced because a resource that it is triggered by changes"],
        ),
        (Change(address="m.c", type="c", kind="create", attributes=(one("a", "", "1"),)), ["+ m.c", "      a: 1"]),
        (Change(address="m.c", type="c", kind="destroy", attributes=(one("a", "1", ""),)), ["- m.c", "      a: 1"]),
        (
            Change(address="m.c", type="c", kind="update", attributes=(one("a", "1", ""),)),
            ["! m.c", "      a: 1 → null"],
        ),
        (Change(address="m.c", type="c", kind="forget", attributes=()), ["! m.c"]),
    ],
)  # fmt: skip
def test_a_change_for_a_reader(change: Change, text: list[str]) -> None:
    assert render_lines(change) == text


def test_a_diff_of_just_the_bound_is_whole() -> None:
    was, is_ = (json.dumps(json.dumps({"all": [f"{word}{n}" for n in range(19)]})) for word in ("old", "new"))
    said = render_lines(Change(address="m.p", type="p", kind="update", attributes=(one("policy", was, is_),)))
    assert len(said) == 2 + MOST_LINES, "19 old ones, 19 new ones, and one before and after them"
    assert not any("more lines" in line for line in said)


def test_a_document_reads_as_a_diff_of_bounded_length() -> None:
    was, is_ = ({"all": [f"{word}{number}" for number in range(50)]} for word in ("old", "new"))
    both = [json.dumps(json.dumps(document)) for document in (was, is_)]
    said = render_lines(Change(address="m.p", type="p", kind="update", attributes=(one("policy", both[0], both[1]),)))
    assert said[:2] == ["! m.p", "      policy:"]
    assert len(said) == 2 + MOST_LINES + 1
    assert not any("@@" in line for line in said)
    assert said[-1] == "        … 62 more lines"  # of 50 old ones, 50 new ones, and one before and after them
    assert said[3] == '-         "old0",'
    few = [json.dumps(json.dumps({"a": word})) for word in ("x", "y")]
    short = render_lines(Change(address="m.p", type="p", kind="update", attributes=(one("p", *few, forces=True),)))
    assert short == [
        "! m.p",
        "      p:  # forces replacement",
        "        {",
        '-        "a": "x"',
        '+        "a": "y"',
        "        }",
    ]
