"""The comment on a pull request, written from real plans: create, update, replace, destroy, no change, both stacks.

The cluster's plans are those of `emr_root`, the storage stack's are made against a state in which the stack stands. The
whole way from two commits to the comment, on both whole stacks, is slow.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from ops.ci import comment, standing
from ops.ci.comment import Subject, list_failures, render_comment, summarize_report
from ops.core.target import NO_ACCOUNT
from ops.plan import pricing
from ops.plan.changes import list_changes
from ops.prices import table as prices
from tests.infra.emr_root import CLUSTER, TASK, Root
from tests.infra.planning import REGION, ROOT, Planner, kept
from tests.rehearsal.clones import not_cloned
from tests.typed import as_typed

pytestmark = pytest.mark.terraform

Plan = dict[str, Any]
PlanOf = Callable[[str], Plan]


def about(*, allowed: bool = False, **plans: Plan) -> Subject:
    """What is reported on: plans against the base."""
    return Subject(env="dev", region=REGION, compared=plans, unseen="no account.", allowed=allowed)


def kinds(plan: Plan) -> dict[str, str]:
    return {change.address: change.kind for change in list_changes(plan)}


# -------------------------------------------------------------------------------------------------------- the cluster


def test_create(root: Root) -> None:
    text = render_comment(about(cluster=root.of("create")))
    assert text.splitlines()[0] == "**No cluster would be replaced.**"
    assert text.splitlines()[2] == "Destroys nothing."
    assert f"+ {CLUSTER}\n" in text
    assert "<details><summary>cluster, against the base, as if it were applied: 4 to create</summary>" in text
    assert list_failures(about(cluster=root.of("create"))) == []


@pytest.mark.slow
def test_no_change(root: Root) -> None:
    text = render_comment(about(cluster=root.of("nothing")))
    assert text == (
        "**No cluster would be replaced.**\n\nDestroys nothing.\nNo cluster in these plans has a price.\n\n"
        "cluster, against the base, as if it were applied: no change  \n"
        "Not compared with what is deployed in dev: no account.\n\n<!-- fruits-plan-report dev -->\n"
    )


def test_update(root: Root) -> None:
    subject = about(cluster=root.of("in place"))
    text = render_comment(subject)
    assert text.splitlines()[0] == "**No cluster would be replaced.**"
    assert "      auto_termination_policy.0.idle_timeout: 900 → 1200\n" in text
    assert "      step_concurrency_level: 1 → 4\n" in text
    assert kinds(root.of("in place")) == {CLUSTER: "update", TASK: "update"}
    assert list_failures(subject) == []


def test_replacement_names_the_attributes_and_fails(root: Root) -> None:
    subject = about(cluster=root.of("new cluster"))
    text = render_comment(subject)
    first = text.splitlines()[0]
    assert first.startswith(f"**This change would replace the cluster** `{CLUSTER}`, because of ")
    assert first.endswith(
        ' because of `ebs_root_volume_size` (`40` → `60`), `release_label` (`"emr-7.13.0"` → `"emr-7.14.0"`), '
        "`configurations_json`, `core_instance_fleet`."
    )
    because = next(change.because for change in list_changes(root.of("new cluster")) if change.address == CLUSTER)
    verdict = summarize_report(subject)
    assert verdict["ok"] is False
    assert verdict["clusters_replaced"] == [{"address": CLUSTER, "because": list(because), "triggered": False}]
    assert [failure.cause for failure in list_failures(subject)] == ["replace"]
    assert "If that is intended, the label `allow-replace` allows it." in text
    # each of them is in the details
    assert text.count("# forces replacement") >= len(because)


@pytest.mark.slow
def test_label_lets_a_replacement_pass(root: Root) -> None:
    subject = about(cluster=root.of("new cluster"), allowed=True)
    assert list_failures(subject) == []
    text = render_comment(subject)
    assert text.startswith("**This change would replace the cluster**")  # still said first
    assert "The label `allow-replace` is set: replacements are allowed." in text


@pytest.mark.slow
def test_other_bootstrap_is_named_though_no_attribute_forces_it(root: Root) -> None:
    """The provider would change a bootstrap's path in place; a resource that holds it triggers the replacement."""
    subject = about(cluster=root.of("other bootstrap"))
    first = render_comment(subject).splitlines()[0]
    assert first == (
        f"**This change would replace the cluster** `{CLUSTER}`, because of "
        "`module.emr.terraform_data.fixed_for_life.input` (`fixed s3://fruits-test-artifacts/bootstrap/1/install.sh` → "
        "`scaled s3://fruits-test-artifacts/bootstrap/2/install.sh`)."
    )
    assert [failure.cause for failure in list_failures(subject)] == ["replace"]


@pytest.mark.slow
def test_destroy(root: Root) -> None:
    text = render_comment(about(cluster=root.of("destroy")))
    assert text.splitlines()[0] == f"**This change would destroy the cluster** `{CLUSTER}`."
    assert text.splitlines()[2].startswith(f"Destroys 4: `{CLUSTER}`, ")


@pytest.mark.slow
def test_cluster_that_stands_nowhere_is_still_said_to_be_replaced(root: Root) -> None:
    """Against the account it is created, because the last one has ended; against the base it is replaced."""
    live = root.of("create")
    subject = Subject(env="dev", region=REGION, compared={"cluster": root.of("new cluster")}, live={"cluster": live})
    assert render_comment(subject).startswith("**This change would replace the cluster**")


# -------------------------------------------------------------------------------------------------- the storage stack


@pytest.fixture(scope="module")
def stored(planner: Planner, plan_of: PlanOf, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Plan]:
    """Plans of the storage stack against a state in which it stands."""
    own = Planner(home=tmp_path_factory.mktemp("storage"), terraform=planner.terraform)
    out = own.home / "plan"
    emails = {"budget_emails": ["owner@example.org"]}
    work = own.workspace("storage", **emails)
    work.prepare()
    rest = standing.bring_to_rest(work, plan_of("dev-storage"), standing.read_schema(work), out)

    def plan(*, destroy: bool = False, **extra: Any) -> Plan:
        if not extra and not destroy:
            return rest
        arguments = ["-refresh=false", *(["-destroy"] if destroy else [])]
        return own.workspace("storage", **(extra or emails)).make_plan(out, arguments=arguments)

    return plan


@pytest.mark.slow
def test_storage_stands_and_changes_nothing(stored: Callable[..., Plan]) -> None:
    assert list_changes(stored()) == []


@pytest.mark.slow
def test_storage_budget_is_changed_in_place(stored: Callable[..., Plan], root: Root) -> None:
    plan = stored(budget_usd=99, budget_emails=["new@example.org"])
    text = render_comment(about(storage=plan, cluster=root.of("nothing")))
    assert '      limit_amount: "10.00" → "99.00"\n' in text or '"99.00"' in text
    assert "cluster, against the base, as if it were applied: no change" in text
    # an e-mail address is not for a public page
    assert "example.org" not in text
    assert list_failures(about(storage=plan)) == []


@pytest.mark.slow
def test_lost_bucket_fails_without_the_label(stored: Callable[..., Plan]) -> None:
    plan = stored(destroy=True)
    subject = about(storage=plan)
    assert {failure.cause for failure in list_failures(subject)} == {"destroy"}
    assert "module.data.aws_s3_bucket.this, which holds data, would be destroyed" in [
        f.message for f in list_failures(subject)
    ]
    assert list_failures(about(storage=plan, allowed=True)) == []
    assert "Destroys 22: `module.artifacts.aws_s3_bucket.this`" in render_comment(subject)


# ------------------------------------------------------------------------------------------- price, rules, both stacks


def test_price_before_and_after(plan_of: PlanOf) -> None:
    """The figures of the comment are those of the price table, to the cent."""
    base, head = plan_of("dev-cluster"), plan_of("prod-cluster")
    subject = Subject(env="dev", region=REGION, base={"cluster": base}, head={"cluster": head}, ceiling=3.2)
    before, after = (pricing.price_plan(plan, REGION) for plan in (base, head))
    assert isinstance(before, prices.Hourly)
    assert isinstance(after, prices.Hourly)
    assert f"**{before.total:.2f} → {after.total:.2f} USD**" in render_comment(subject)
    assert summarize_report(subject)["usd_an_hour"]["after"] == pytest.approx(float(after.total))
    assert list_failures(subject) == []


def test_price_above_the_ceiling_fails(plan_of: PlanOf) -> None:
    head = plan_of("prod-cluster")
    subject = Subject(env="prod", region=REGION, head={"cluster": head}, ceiling=1.0, allowed=True)
    (failure,) = list_failures(subject)
    assert failure.cause == "price"
    assert "more than the 1.00 that are allowed" in failure.message
    assert "**no cluster → " in render_comment(subject)


def test_broken_rule_fails_whatever_the_label(plan_of: PlanOf) -> None:
    head = copy.deepcopy(plan_of("dev-storage"))
    for module in head["planned_values"]["root_module"]["child_modules"]:
        module["resources"] = [r for r in module["resources"] if r["type"] != "aws_s3_bucket_public_access_block"]
    subject = Subject(env="dev", region=REGION, head={"storage": head}, allowed=True)
    assert {failure.cause for failure in list_failures(subject)} == {"policy"}
    assert "public access to this bucket is not blocked" in render_comment(subject)


def test_both_stacks_never_show_an_account(plan_of: PlanOf) -> None:
    """The account's id stands in names, ARNs and policies of both plans; in the comment nowhere."""
    account = "417203958866"
    plans = {
        stack: json.loads(json.dumps(plan_of(f"dev-{stack}")).replace(NO_ACCOUNT, account))
        for stack in ("storage", "cluster")
    }
    assert json.dumps(plans).count(account) > 100
    subject = Subject(env="dev", region=REGION, live=plans, head=plans, accounts=[account])
    for text in (render_comment(subject), json.dumps(summarize_report(subject))):
        assert account not in text
    assert "fruits-dev-data-************" in render_comment(subject)


# ------------------------------------------------------------------------------------- sensitive values, and very large


@pytest.fixture(scope="module")
def large(terraform: Path, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A real plan of 4,000 resources, one of which holds a secret."""
    home = tmp_path_factory.mktemp("large")
    (home / "main.tf").write_text(
        """
        variable "key" {
          type      = string
          sensitive = true
        }
        resource "terraform_data" "many" {
          count = 4000
          input = "number ${count.index} ${join("", [for n in range(20) : "é`"])}"
        }
        resource "terraform_data" "one" { input = { user = "fruits", key = var.key } }
        output "leak" {
          value     = "is ${var.key}"
          sensitive = true
        }
        """
    )
    secret = "kerfuffle-5081"
    environ = {**os.environ, "TF_VAR_key": secret, "TF_CLI_CONFIG_FILE": os.devnull}

    def make() -> Plan:
        for arguments in (("init", "-input=false"), ("plan", "-input=false", "-out=plan"), ("show", "-json", "plan")):
            done = subprocess.run(
                [terraform, *arguments], cwd=home, env=environ, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
        return cast(Plan, json.loads(done.stdout))

    plan: Plan = kept(make, home, terraform, {"key": secret})
    assert secret in json.dumps(plan)  # Terraform itself does not hide it
    return plan


def test_very_large_plan_fits_a_comment(large: Plan, root: Root) -> None:
    text = render_comment(about(storage=large, cluster=root.of("new cluster")))
    assert 50_000 < len(text) <= 65_536
    assert len(text.encode()) <= 65_536
    # the grave part is whole, the rest is counted
    assert text.startswith("**This change would replace the cluster**")
    assert "      release_label: " in text
    assert "more left out here" in text
    assert text.endswith("<!-- fruits-plan-report dev -->\n")
    assert text.count("<details>") == text.count("</details>") == 2


@pytest.mark.parametrize("limit", [4_000, 20_000, 65_000])
def test_any_limit_is_kept(large: Plan, limit: int) -> None:
    text = render_comment(about(storage=large), limit=limit)
    assert len(text.encode()) <= limit
    assert text.endswith("<!-- fruits-plan-report dev -->\n")


def test_secret_is_shown_nowhere(large: Plan) -> None:
    subject = about(storage=large)
    assert "kerfuffle" not in render_comment(subject)
    assert "kerfuffle" not in json.dumps(summarize_report(subject))
    # also where it is not marked: in an address, in another attribute
    spread = copy.deepcopy(large)
    spread["resource_changes"][0]["address"] = 'terraform_data.many["kerfuffle-5081"]'
    spread["resource_changes"][0]["change"]["after"]["input"] = "password=kerfuffle-5081"
    assert "kerfuffle" not in render_comment(about(storage=spread))
    assert "(sensitive)" in render_comment(about(storage=spread))


def test_nothing_breaks_out_of_its_block(large: Plan) -> None:
    """A value of backticks and HTML stays text."""
    spoilt = copy.deepcopy(large)
    spoilt["resource_changes"] = spoilt["resource_changes"][:1]
    spoilt["resource_changes"][0]["change"]["after"]["input"] = "`````\n</details>\n# @everybody"
    text = render_comment(about(storage=spoilt))
    assert "\n# @everybody" not in text
    assert text.count("``````") == 2


# ------------------------------------------------------------------------------------------- from two commits, as typed


@pytest.mark.slow
def test_from_two_commits(terraform: Path, tmp_path: Path) -> None:
    """`make plan-report` in a clone: another release, and a bucket renamed, against the commit before."""
    clone = tmp_path / "clone"
    shutil.copytree(ROOT, clone, ignore=not_cloned)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(clone)]
    for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "base"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    variables = clone / "infra" / "cluster" / "variables.tf"
    was = variables.read_text()
    assert '"emr-7.13.0"' in was
    variables.write_text(was.replace('"emr-7.13.0"', '"emr-7.14.0"', 1))
    shell = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environ = shell | as_typed(
        {
            "PYTHONPATH": "jobs",
            "BASE": "HEAD",
            "ENV": "dev",
            "OFFLINE": "1",
            "UNSEEN": "there is no account in a test.",
            "OUT": str(tmp_path / "out"),
        }
    )
    command = [sys.executable, "-m", "ops.cli", "plan-report"]
    done = subprocess.run(command, cwd=clone, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 32, done.stdout + done.stderr
    text = (tmp_path / "out" / "report.md").read_text()
    assert text.splitlines()[0] == (
        "**This change would replace the cluster** `module.emr.aws_emr_cluster.this`, because of "
        '`release_label` (`"emr-7.13.0"` → `"emr-7.14.0"`).'
    )
    assert "storage, against the base, as if it were applied: no change" in text
    verdict = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert [one["because"] for one in verdict["clusters_replaced"]] == [["release_label"]]
    # refused by Terraform: the report says so, with the reason
    variables.write_text(was.replace('"emr-7.13.0"', '"emr-5.0.0"', 1))
    done = subprocess.run(command, cwd=clone, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    text = (tmp_path / "out" / "report.md").read_text()
    assert text.startswith("**Terraform refuses this change**, so nothing can be said about the cluster.")
    assert "is not the label of an EMR release that this project runs on" in text.replace("\n", " ")


def test_commit_that_is_not_here_is_refused(tmp_path: Path) -> None:
    environ = os.environ | as_typed({"PYTHONPATH": "jobs", "BASE": "no-such-ref", "ENV": "dev", "OUT": str(tmp_path)})
    command = [sys.executable, "-m", "ops.cli", "plan-report"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "git cannot give infra, bootstrap of BASE=no-such-ref" in done.stderr
    assert "Fix: BASE= names a commit that is here, for instance BASE=origin/main after git fetch." in done.stderr


def test_report_from_plans_at_hand(root: Root, plan_of: PlanOf, tmp_path: Path) -> None:
    """Without Terraform: the plan as JSON in, the comment out."""
    kept = tmp_path / "cluster.json"
    kept.write_text(json.dumps(plan_of("dev-cluster")))
    given = {"PYTHONPATH": "jobs", "ENV": "dev", "OUT": str(tmp_path), "MAX_USD_PER_HOUR": "0.2"}
    environ = os.environ | as_typed(given)
    command = [sys.executable, "-m", "ops.cli", "plan-report", "--plan", f"cluster={kept}"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 5, done.stderr
    assert "more than the 0.20 that are allowed" in done.stderr
    assert (tmp_path / "report.md").read_text().endswith(f"{comment.make_marker('dev')}\n")
