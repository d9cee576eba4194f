"""Whatever boto3 signs with, the tools' reader of S3 signs with: seen by the keys that reach a server."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.credentials import RefreshableCredentials

from ops.aws.store import SignedStore

BODY = b'{"phase": "done"}'
ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIAASSUMED</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>of-the-role</SessionToken>
<Expiration>2036-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


class Seen(ThreadingHTTPServer):
    """S3 and STS of one answer each; remembers who asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.readers: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    server: Seen

    def do_GET(self) -> None:
        found = re.search(r"Credential=(\w+)/", self.headers.get("Authorization", ""))
        self.server.readers.append((found[1] if found else "", self.headers.get("X-Amz-Security-Token", "")))
        self._say(BODY, {"ETag": '"x"', "Last-Modified": "Fri, 27 Nov 2026 12:00:00 GMT"})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say(ASSUMED.encode(), {"Content-Type": "text/xml"})

    def _say(self, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *words: Any) -> None:
        return


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Seen]:
    server = Seen()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    yield server
    server.shutdown()
    server.server_close()


def reader(server: Seen, session: Any = None) -> tuple[str, str]:
    assert SignedStore("s3://bucket/results", session).read("_run/progress.json") == BODY
    (seen,) = set(server.readers)
    return seen


def test_keys_of_the_environment(s3: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAPLAIN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert reader(s3) == ("AKIAPLAIN", "")


def test_a_profile_that_assumes_a_role(s3: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "credentials").write_text("[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n")
    (tmp_path / "config").write_text(
        "[profile work]\nrole_arn = arn:aws:iam::000000000000:role/work\nsource_profile = base\nregion = eu-west-3\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert reader(s3) == ("ASIAASSUMED", "of-the-role")


def test_a_profile_with_a_process(s3: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"Version": 1, "AccessKeyId": "ASIAPROCESS", "SecretAccessKey": "s", "SessionToken": "of-the-process"}
    (tmp_path / "say.py").write_text(f"print('''{json.dumps(said)}''')")
    process = f"credential_process = {sys.executable} {tmp_path / 'say.py'}"
    (tmp_path / "config").write_text(f"[profile work]\n{process}\n")
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert reader(s3) == ("ASIAPROCESS", "of-the-process")


def test_keys_are_renewed_while_a_watch_lasts(s3: Seen) -> None:
    numbers = iter(range(1, 9))

    def fresh() -> dict[str, str]:
        return {
            "access_key": f"ASIA{next(numbers)}",
            "secret_key": "s",
            "token": "t",
            "expiry_time": (datetime.now(UTC) + timedelta(seconds=1)).isoformat(),  # botocore renews it at each look
        }

    core = botocore.session.get_session()
    core._credentials = RefreshableCredentials.create_from_metadata(fresh(), refresh_using=fresh, method="test")
    store = SignedStore("s3://bucket/results", boto3.session.Session(botocore_session=core))
    for _ in "123":
        store.read("_run/progress.json")
    assert len({key for key, _ in s3.readers}) == 3
    assert store.child("pca").read("model.npz") == BODY


def test_a_folder_needs_no_keys(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(BODY)
    assert SignedStore(str(tmp_path)).read("run.json") == BODY
