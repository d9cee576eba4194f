"""Logs wherever they lie, in any state: read as far as they can be, in bounded memory, never an exception."""

from __future__ import annotations

import gzip
import io
import os
import random
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from moto import mock_aws

from ops.logs import layout, reader
from ops.logs.reader import FolderLogs, LogsError, S3Logs, read_stream

REGION = "eu-west-3"


@pytest.mark.parametrize(
    ("key", "kind", "ids"),
    [
        ("emr/j-2AXXXXXXGAPLF/steps/s-08812552QZHJ7GG0YUF2/syslog.gz", "step", {"step": "s-08812552QZHJ7GG0YUF2"}),
        ("s-1ABCDEFGHIJKL/stderr", "step", {"step": "s-1ABCDEFGHIJKL", "cluster": ""}),
        (
            "j-2AXXXXXXGAPLF/containers/application_1732450000000_0012/"
            "container_e02_1732450000000_0012_02_000003/stderr.gz",
            "container",
            {"application": "application_1732450000000_0012", "is_driver": False},
        ),
        ("container_1732450000000_0012_01_000001/stderr.gz", "container", {"is_driver": True}),
        ("node/i-0b22a22eec53224bd/bootstrap-actions/12/controller.gz", "bootstrap", {"action": 12}),
        ("node/i-0b22a22eec53224bd/bootstrap-actions/master.log.gz", "bootstrap", {"action": 0}),
        ("node/i-0b22a22eec53224bd/daemons/instance-state/instance-state.log-2026.gz", "node", {}),
        ("node/bootstrap/j-2AXXXXXXGAPLF/i-0b22a22eec53224bd.json", "cause", {"instance": "i-0b22a22eec53224bd"}),
        ("node/bootstrap/no-cluster/ip-10-0-0-7.json", "cause", {"instance": "ip-10-0-0-7"}),
        ("", "other", {}),
        ("///", "other", {}),
        ("j-2AXXXXXXGAPLF/", "other", {}),
        ("node/i-0b22a22eec53224bd/bootstrap-actions/²/x", "bootstrap", {"action": 0}),
    ],
)
def test_an_address_says_what_a_log_is(key: str, kind: str, ids: dict[str, Any]) -> None:
    found = layout.parse_key(key)
    assert found.kind == kind
    assert {name: getattr(found, name) for name in ids} == ids


def test_folders_are_where_parse_finds_them() -> None:
    """What the tools look for and what they recognise are the same thing."""
    assert layout.parse_key(layout.step_folder("s-1ABCDEFGHIJKL") + "stderr.gz").step == "s-1ABCDEFGHIJKL"
    assert layout.parse_key(layout.bootstrap_folder("i-0b22a22e", 2) + "stderr.gz").action == 2
    assert layout.parse_key(layout.cause_folder("j-1ABCDEFGHIJKL") + "i-0b22a22e.json").kind == "cause"
    application = "application_1732450000000_0012"
    assert layout.parse_key(layout.application_folder(application) + "x/stderr.gz").application == application


def test_small_logs_are_kept_whole_whatever_their_name_says() -> None:
    packed = gzip.compress("été\r\nred".encode())
    for chunks in ([packed], [packed[i : i + 1] for i in range(len(packed))], ["été\nred".encode()]):
        assert read_stream(chunks).text == "été\nred"
    assert read_stream([]).text == ""
    assert read_stream([gzip.compress(b"")]).text == ""
    assert read_stream([packed + b"\0" * 512]).text == "été\nred"


@pytest.mark.parametrize("seed", range(30))
def test_cut_mutated_and_binary_logs_never_raise(seed: int) -> None:
    draw = random.Random(seed)
    data = bytearray(gzip.compress(draw.randbytes(2000) + b"words\n" * 2000))
    for _ in range(draw.randrange(1, 20)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    found = read_stream([bytes(data[: draw.randrange(len(data))])])
    assert not set(found.text) & {chr(code) for code in range(32) if chr(code) not in "\t\n"}
    assert read_stream([draw.randbytes(5000)]).text


def test_what_came_before_the_damage_is_kept() -> None:
    noise = random.Random(0).randbytes(3_000_000).hex().encode()
    packed = gzip.compress(b"the first line\n" + noise)
    cut = read_stream([packed[: len(packed) // 2]])
    assert cut.text.startswith("the first line\n")
    assert cut.problem == "it is cut off"
    damaged = read_stream([packed[: len(packed) // 2] + b"\xff" * 1000 + packed[len(packed) // 2 + 1000 :]])
    assert damaged.text.startswith("the first line\n")
    assert damaged.problem


def test_a_store_that_breaks_off_leaves_what_came() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"so far"
        raise ConnectionResetError("the peer\nwent away")

    assert read_stream(chunks()) == reader.Excerpt(
        "so far", "reading broke off: ConnectionResetError: the peer went away"
    )


def number_in(pattern: str, text: str) -> int:
    match = re.search(pattern, text)
    assert match, text[:200]
    return int(match[1].replace(",", ""))


@pytest.mark.costly
def test_a_hundred_megabytes_are_read_in_little_memory_and_the_telling_line_is_kept() -> None:
    size = 100 * 1024 * 1024
    line = b"26/11/24 10:00:00 INFO TaskSetManager: Finished task\n"
    block = line * 20_000

    def written() -> Iterator[bytes]:
        packer = __import__("zlib").compressobj(1, wbits=31)
        yield packer.compress(b"the beginning\n")
        for number in range(size // len(block)):
            if number == 50:
                yield packer.compress(
                    b"26/11/24 ERROR Executor: java.lang.OutOfMemoryError: Java heap space\n\tat x.Y\n"
                )
            yield packer.compress(block)
        yield packer.compress(b"the end\n") + packer.flush()

    tracemalloc.start()
    found = read_stream(written())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.text.startswith("the beginning\n")
    assert "\n[...]\n26/11/24 ERROR Executor: java.lang.OutOfMemoryError: Java heap space\n\tat x.Y\n" in found.text
    assert found.text.endswith("the end\n")
    left_out = number_in(r"\[\.\.\. ([\d,]+) bytes left out \.\.\.\]", found.text)
    assert left_out > 85 * 1024 * 1024
    assert left_out + len(found.text) > 95 * 1024 * 1024
    assert peak < 24 * 1024 * 1024


def test_a_bomb_is_read_no_further_than_allowed() -> None:
    found = read_stream([gzip.compress(b"\0" * 50_000_000)], most=2_000_000)
    read = number_in(r"^only its first ([\d,]+) bytes were read$", found.problem)
    assert 2_000_000 <= read < 2_000_000 + reader.CHUNK


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    step = tmp_path / "j-1ABCDEFGHIJKL/steps/s-1ABCDEFGHIJKL"
    step.mkdir(parents=True)
    (step / "stderr.gz").write_bytes(gzip.compress(b"plain words"))
    (step / "stdout").write_bytes(b"not packed")
    os.mkfifo(step / "controller")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    return tmp_path


def test_a_folder_lists_files_only_and_reads_them(tree: Path) -> None:
    logs = FolderLogs(tree)
    found = logs.list()
    assert [log.stream for log in found] == ["stderr", "stdout"]
    assert [logs.read(log).text for log in found] == ["plain words", "not packed"]
    assert logs.list("j-1ABCDEFGHIJKL/steps/s-1ABCDEFGHIJKL/stdo") == found[1:]
    assert logs.list("j-2") == []
    assert logs.uri(found[0].key) == f"{tree}/j-1ABCDEFGHIJKL/steps/s-1ABCDEFGHIJKL/stderr.gz"
    (tree / found[0].key).unlink()
    assert logs.read(found[0]) == reader.Excerpt("", problem="it cannot be opened: No such file or directory")


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogsError, match=r"there is no folder .*nothing\. Fix: give the folder") as caught:
        FolderLogs(tmp_path / "nothing")
    assert caught.value.exit_code == 2


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name=REGION)
        client.create_bucket(Bucket="fruits-logs", CreateBucketConfiguration={"LocationConstraint": REGION})
        yield client


def test_s3_lists_every_page_and_reads(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    for number in range(35):
        s3.put_object(Bucket="fruits-logs", Key=f"emr/j-1ABCDEFGHIJKL/other/{number:05d}", Body=b"")
    key = "j-1ABCDEFGHIJKL/steps/s-1ABCDEFGHIJKL/stderr.gz"
    s3.put_object(Bucket="fruits-logs", Key=f"emr/{key}", Body=gzip.compress(b"plain words"))
    s3.put_object(Bucket="fruits-logs", Key="emr/j-1ABCDEFGHIJKL/", Body=b"")
    logs = S3Logs(s3, "s3n://fruits-logs/emr/")
    assert len(logs.list()) == 36
    (log,) = logs.list("j-1ABCDEFGHIJKL/steps/")
    assert (log.key, log.step, log.modified > 0) == (key, "s-1ABCDEFGHIJKL", True)
    assert logs.read(log).text == "plain words"
    assert logs.uri(log.key) == f"s3://fruits-logs/emr/{key}"
    s3.delete_object(Bucket="fruits-logs", Key=f"emr/{key}")
    assert "NoSuchKey" in logs.read(log).problem


def test_a_bucket_that_cannot_be_listed_is_named_with_what_to_check(s3: Any) -> None:
    with pytest.raises(LogsError, match=r"the logs below s3://nobody/emr/j-1 cannot be listed .*NoSuchBucket.*Fix:"):
        S3Logs(s3, "s3://nobody/emr").list("j-1")


def test_a_connection_lost_while_reading_leaves_what_came(s3: Any) -> None:
    class Half:
        def get_object(self, **_: str) -> dict[str, Any]:
            return {"Body": StreamingBody(io.BytesIO(b"half of"), 1000)}

    found = S3Logs(Half(), "s3://fruits-logs").read(layout.parse_key("x"))
    assert found.text == "half of"
    assert found.problem.startswith("reading broke off: IncompleteReadError")
