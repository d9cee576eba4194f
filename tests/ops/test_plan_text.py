"""What a public page may not show, and how a change reads: the pure parts of the plan's report and the nightly look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ops.ci import drift
from ops.cli import plan_report
from ops.core.errors import WrongUseError
from ops.plan import changes
from ops.plan.changes import flatten, hide_values, list_attributes, render_lines
from ops.plan.masking import mask_text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("arn:aws:iam::417203958866:role/fruits-dev-emr-node", "arn:aws:iam::************:role/fruits-dev-emr-node"),
        ("s3://fruits-dev-data-417203958866/images/", "s3://fruits-dev-data-************/images/"),
        ('"Resource":["417203958866"]', '"Resource":["************"]'),
        ("4172-0395-8866", "************"),
        ("key AKIAIOSFODNN7EXAMPLE and ASIAIOSFODNN7EXAMPLE.", "key (sensitive) and (sensitive)."),
        ("ghp_0123456789abcdefghij0123", "(sensitive)"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----!", "(sensitive)!"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE and cut", "(sensitive)"),
        ("alerts go to owner@example.org.", "alerts go to (e-mail)."),
    ],
)
def test_masked(text: str, safe: str) -> None:
    assert mask_text(text) == safe


@pytest.mark.parametrize(
    "text",
    ["emr-7.13.0", "vpc-0123456789abcdef0", "2026-11-25T03:17:00Z", "1234567890123", "10.0.0.0/16", "ami-12345678901"],
)
def test_left_as_it_is(text: str) -> None:
    assert mask_text(text) == text


def change(before: Any, after: Any, **more: Any) -> dict[str, Any]:
    return {"actions": ["update"], "before": before, "after": after, **more}


def test_sensitive_values_are_hidden_at_any_depth() -> None:
    found = list(
        list_attributes(
            change(
                {"a": [{"b": "old", "c": 1}], "whole": {"x": "1"}},
                {"a": [{"b": "new", "c": 2}], "whole": {"x": "2"}},
                before_sensitive={"a": [{"b": True}], "whole": True},
                after_sensitive={"a": [{"b": True}], "whole": True},
            ),
            [],
        )
    )
    assert [(one.path, one.before, one.after) for one in found] == [("a.0.c", "1", "2")]


def test_value_that_becomes_sensitive_is_not_shown_as_it_was() -> None:
    (one,) = list_attributes(change({"a": "open"}, {"a": "open"}, before_sensitive={"a": True}, after_sensitive={}), [])
    assert one.before == "(sensitive)"


def test_names_of_secrets_hide_what_nobody_marked() -> None:
    assert hide_values({"db_password": "x", "token_type": "y", "auth": [{"token": "z"}]}, None) == {
        "db_password": "(sensitive)",
        "token_type": "y",
        "auth": [{"token": "(sensitive)"}],
    }


def test_tags_are_said_once() -> None:
    assert flatten({"tags": {"A": "1"}, "tags_all": {"A": "1"}}) == {("tags", "A"): "1"}


def test_changed_document_reads_as_a_diff() -> None:
    entry = {
        "address": "aws_iam_role_policy.this",
        "type": "aws_iam_role_policy",
        "mode": "managed",
        "change": change(
            {"policy": '{"Action": ["s3:Get"], "Sid": "A"}'}, {"policy": '{"Action": ["s3:*"], "Sid": "A"}'}
        ),
    }
    (found,) = changes.list_changes({"resource_changes": [entry]})
    text = "\n".join(render_lines(found))
    assert '\n-         "s3:Get"\n' in text
    assert '\n+         "s3:*"\n' in text


# -------------------------------------------------------------------------------------------------- the nightly look


def storage_plan(account: str) -> dict[str, Any]:
    after = {"bucket": f"fruits-dev-data-{account}", "tags": {"Owner": "b"}}
    return {
        "resource_changes": [
            {
                "address": "module.data.aws_s3_bucket.this",
                "type": "aws_s3_bucket",
                "mode": "managed",
                "change": change({**after, "tags": {"Owner": "a"}}, after),
            }
        ]
    }


def test_drift_is_found_and_masked() -> None:
    account = "417203958866"
    look = drift.Drift(
        env="dev",
        plan=storage_plan(account),
        billing=[f"endpoint vpce-1: elasticmapreduce of {account}; 0.011 USD an hour. Remove: aws ec2 …"],
        account=account,
    )
    text = drift.render_drift(look)
    assert look.found
    assert text.startswith("**The storage stack differs from the code**: an apply would find 1 to change.")
    assert '      tags.Owner: "a" → "b"' in text
    assert "**1 thing of ours to be paid by the hour:**" in text
    assert account not in text
    assert text.endswith("<!-- fruits-drift dev -->\n")


def test_order_is_no_finding() -> None:
    look = drift.Drift(env="dev", plan={"resource_changes": []})
    assert not look.found
    assert drift.render_drift(look).startswith("The storage stack matches the code.\n\nNothing of ours that was seen")


def test_what_could_not_be_looked_at_is_a_finding() -> None:
    """Silence would look like order."""
    blind = drift.Drift(env="dev", plan={"resource_changes": []}, unseen=["clusters were not listed: AccessDenied"])
    assert blind.found
    assert "clusters were not listed: AccessDenied" in drift.render_drift(blind)
    assert drift.Drift(env="dev", unplanned="Error: no state").found


def test_issue_of_a_thousand_findings_fits() -> None:
    plan = storage_plan("417203958866")
    plan["resource_changes"] *= 3000
    look = drift.Drift(env="dev", plan=plan, billing=[f"instance i-{n:017d}: left" for n in range(1000)])
    text = drift.render_drift(look)
    assert len(text) < 65_536
    assert "and 950 more; `make billing ENV=dev` lists them all." in text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no", "Expecting value: line 1"),
        ("[]", "it holds no planned_values"),
        ('{"format_version": "1.0", "values": {}}', "it holds no planned_values"),  # a state
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text)
    with pytest.raises(WrongUseError) as caught:
        plan_report.read_subject([f"cluster={file}"], {}, 3.2, allowed=False)
    assert str(caught.value).startswith(f"PLAN=cluster={file} is not a plan ({reason}")
    assert str(caught.value).endswith(f"). Fix: terraform show -json plan > {file}.")
