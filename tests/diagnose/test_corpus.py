"""Every failure of the corpus is named, with the line of source, the fix and the next command; in every packing."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ops.diagnose import gather, table
from ops.diagnose.causes import judge
from ops.diagnose.evidence import Evidence
from ops.diagnose.render import as_json, as_text
from ops.diagnose.verdict import Verdict
from ops.logs import layout

CORPUS = Path(__file__).parent / "corpus"
NAMES = sorted(path.parent.name for path in CORPUS.glob("*/manifest.json"))


@dataclass(frozen=True)
class Case:
    """One failure, as it was kept."""

    tree: Path
    manifest: dict[str, Any]

    def check(self, evidence: Evidence) -> Verdict:
        verdict, wanted = judge(evidence), self.manifest
        assert verdict.cause == wanted["cause"], as_text(evidence, verdict)
        where = as_json(evidence, verdict)["where"]
        assert (where and f"{where['path']}:{where['line']}") == wanted["where"]
        assert verdict.fix == wanted["fix"]
        assert verdict.meaning == wanted["says"]
        assert wanted["said"] in verdict.words
        return verdict


@pytest.fixture(params=NAMES)
def case(request: pytest.FixtureRequest) -> Case:
    folder = CORPUS / request.param
    return Case(folder / "tree", json.loads((folder / "manifest.json").read_text()))


def test_the_cause_is_named(case: Case) -> None:
    evidence = gather.gather_tree(case.tree)
    verdict = case.check(evidence)
    printed = as_text(evidence, verdict)
    assert f"{verdict.cause}: {verdict.meaning}" in printed
    assert verdict.fix in printed
    assert str(case.tree) in printed, "the address of the whole log"
    assert printed.splitlines()[-1].startswith("next           make ")
    json.dumps(as_json(evidence, verdict))


RECORDED = {path.parent.parent.name for path in CORPUS.glob("*/tree/error.json") if [*path.parent.glob("j-*")]}


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_the_logs_alone_tell_what_the_jobs_record_tells(name: str, tmp_path: Path) -> None:
    tree = shutil.copytree(CORPUS / name / "tree", tmp_path / "tree")
    (tree / "error.json").unlink()
    wanted = json.loads((CORPUS / name / "manifest.json").read_text())
    verdict = judge(gather.gather_tree(tree))
    assert (verdict.cause, verdict.meaning) == (wanted["cause"], wanted["says"])


def test_packed_or_not_is_the_same(case: Case, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(case.tree, tree)
    for path in [path for path in tree.rglob("*") if path.is_file() and path.suffix != ".json"]:
        if path.suffix == ".gz":
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        else:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    case.check(gather.gather_tree(tree))


def test_the_corpus_says_how_it_was_made() -> None:
    manifests = [json.loads((CORPUS / name / "manifest.json").read_text()) for name in NAMES]
    ways = ("rehearsal", "written after: ", "a run on a real YARN", "the real job on a real YARN")
    assert all(m["made"].startswith(ways) for m in manifests)
    assert sum(m["made"] == "rehearsal" for m in manifests) >= 20
    assert {m["cause"] for m in manifests} <= set(table.NAMES)


def test_the_corpus_names_no_machine() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert len(files) > len(NAMES) > 0
    for path in files:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
        assert len(data) < 100_000, path
        assert not re.search(r"/(home/(?!hadoop)\w+/|Users/|root/|tmp/fruits-)", text), path


class Bucketed:
    """A kept tree below a log bucket, and EMR's answers about it."""

    def __init__(self, case: Case, s3: Any) -> None:
        tree = gather.TreeShelf(case.tree)
        self.cluster_id = next(log.cluster for log in tree.all if log.cluster)
        self.step_id = next((log.step for log in tree.all if log.step), "")
        s3.create_bucket(Bucket="fruits-logs", CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
        for log in tree.all:
            # bootstrap's own JSON lies beside EMR's logs, not among them
            key = log.key if log.kind == "cause" else f"emr/{log.key}"
            s3.put_object(Bucket="fruits-logs", Key=key, Body=(case.tree / log.key).read_bytes())
        self.shelf = gather.ClusterShelf(s3, f"s3://fruits-logs/emr/{self.cluster_id}/", self.cluster_id)


@pytest.mark.parametrize(
    "name", ["bootstrap-disk", "bootstrap-python-processor", "yarn-kills-driver", "spot-nodes-lost"]
)
def test_a_bucket_tells_the_same_as_a_folder(name: str) -> None:
    """The addresses that are asked for in S3 are those at which the logs lie."""
    case = Case(CORPUS / name / "tree", json.loads((CORPUS / name / "manifest.json").read_text()))
    known = gather.gather_tree(case.tree)
    with mock_aws():
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
        bucketed = Bucketed(case, boto3.client("s3", region_name="eu-west-3", **keys))
        bare = Evidence(
            subject=known.subject,
            cluster_id=bucketed.cluster_id,
            step_id=bucketed.step_id,
            state=known.state,
            reason_code=known.reason_code,
            reason=known.reason,
            details=known.details,
            nodes=known.nodes,
            stated=known.stated,
        )
        if known.subject == "step":
            evidence = gather.add_step_logs(bare, bucketed.shelf, None)
        else:
            evidence = gather.add_bootstrap_logs(bare, bucketed.shelf, logs=True)
        assert evidence.node == known.node
        case.check(evidence)
        assert all(uri.startswith(f"s3://fruits-logs/emr/{bucketed.cluster_id}/") for uri in evidence.logs)
        assert layout.parse_key(evidence.logs[0]).stream == "stderr"
