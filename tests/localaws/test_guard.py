"""Who is let in: the owner's programs; no page of a browser, no other user of the machine."""

from __future__ import annotations

import http.client
import shutil
import stat
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from pyarrow import fs

from localaws import keys, server, state
from localaws.guard import RefusedError, require_local_program, require_signature
from localaws.keys import Keys
from localaws.settings import Settings
from tests.job.browsing import FLAGS, PROGRAMS
from tests.localaws.support import REGION, TAG, Aws, World, fleet, step

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.aws

HELD = Keys("AKIAEXAMPLE", "a secret")


def asked(
    service: str, *, method: str = "GET", path: str = "/", body: bytes = b"", given: Keys = HELD, **headers: str
) -> AWSRequest:
    """A request that botocore signed."""
    request = AWSRequest(method, f"http://127.0.0.1:4566{path}", headers, body)
    SigV4Auth(Credentials(given.access_key, given.secret_key, given.session_token), service, REGION).add_auth(request)
    return request


def verdict(request: AWSRequest, *, held: Keys | None = HELD, now: datetime | None = None, **changed: str) -> str:
    """The error's code, or an empty string for a request that is let in."""
    headers = {name.lower(): str(value) for name, value in request.headers.items()} | {"host": "127.0.0.1:4566"}
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    uri = request.url.removeprefix("http://127.0.0.1:4566")
    try:
        require_signature(
            request.method,
            uri,
            headers,
            lambda: request.body,
            lambda name: held if held and held.access_key == name else None,
            now or datetime.now(UTC),
        )
    except RefusedError as refused:
        return refused.code
    return ""


# ------------------------------------------------------------------------------------------- decided without a server


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example:4566"},
        {"host": "127.0.0.1"},
        {"host": "127.0.0.1:80"},
        {"host": "127.0.0.1.evil.example:4566"},
        {"host": "evil-localhost:4566"},
        {"host": "[::1]:4566"},
        {"host": "127.0.0.1:4566, evil.example:4566"},
        {"host": ""},
        {},
        {"host": "127.0.0.1:4566", "origin": "http://evil.example"},
        {"host": "127.0.0.1:4566", "origin": "http://127.0.0.1:4566"},
        {"host": "127.0.0.1:4566", "origin": "null"},
        {"host": "127.0.0.1:4566", "origin": ""},
        {"host": "127.0.0.1:4566", "referer": "http://evil.example/page"},
        {"host": "127.0.0.1:4566", "sec-fetch-site": "cross-site"},
        {"host": "127.0.0.1:4566", "sec-fetch-site": "same-site"},
        {"host": "127.0.0.1:4566", "sec-fetch-site": "same-origin"},
    ],
)
def test_pages_and_foreign_names_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(RefusedError):
        require_local_program(headers, 4566)


@pytest.mark.parametrize("host", ["127.0.0.1:4566", "localhost:4566", "LOCALHOST:4566", "my.bucket.localhost:4566"])
def test_programs_of_this_machine_are_let_in(host: str) -> None:
    require_local_program({"host": host}, 4566)


def test_a_request_signed_by_botocore_is_let_in() -> None:
    assert verdict(asked("elasticmapreduce", method="POST", body=b'{"a": 1}')) == ""
    assert verdict(asked("iam", path="/a%20b/../c//d?b=2&a=1%2F&c=")) == ""
    held = Keys("ASIAEXAMPLE", "another", "token")
    assert verdict(asked("ec2", given=held), held=held) == ""


@pytest.mark.parametrize(
    ("request_of", "code"),
    [
        (lambda: (AWSRequest("GET", "http://127.0.0.1:4566/", {}), {}), "MissingAuthenticationToken"),
        (lambda: (asked("ec2"), {"authorization": "Bearer made-up"}), "MissingAuthenticationToken"),
        (lambda: (asked("ec2"), {"authorization": "AWS4-HMAC-SHA256 Credential=x"}), "IncompleteSignature"),
        (lambda: (asked("ec2", given=Keys("test", "test")), {}), "InvalidClientTokenId"),
        (lambda: (asked("ec2", given=Keys(HELD.access_key, "guessed")), {}), "SignatureDoesNotMatch"),
        (lambda: (asked("ec2", given=Keys(HELD.access_key, HELD.secret_key, "token")), {}), "InvalidClientTokenId"),
        (lambda: (asked("ec2"), {"x_amz_date": "20200101T000000Z"}), "SignatureDoesNotMatch"),
        (lambda: (asked("ec2"), {"host": "localhost:4566"}), "SignatureDoesNotMatch"),
    ],
)
def test_what_is_not_signed_with_the_accounts_keys_is_refused(request_of: Callable[[], Any], code: str) -> None:
    request, changed = request_of()
    assert verdict(request, **changed) == code


def test_a_changed_body_path_or_query_is_refused() -> None:
    for name, value in (
        ("data", b'{"a": 2}'),
        ("url", "http://127.0.0.1:4566/other"),
        ("url", "http://127.0.0.1:4566/?a=1"),
    ):
        request = asked("elasticmapreduce", method="POST", body=b'{"a": 1}')
        setattr(request, name, value)
        assert verdict(request) == "SignatureDoesNotMatch", name


def test_an_old_request_is_refused() -> None:
    now = datetime.now(UTC)
    assert verdict(asked("ec2"), now=now + timedelta(minutes=14)) == ""
    assert verdict(asked("ec2"), now=now + timedelta(minutes=16)) == "RequestExpired"
    assert verdict(asked("ec2"), now=now - timedelta(minutes=17)) == "RequestExpired"


# ------------------------------------------------------------------------------------------- a server


def test_the_keys_are_of_this_start_and_for_its_owner_alone(aws: Aws, tmp_path: Path) -> None:
    for private in (aws.home, state.locate_record(aws.home)):
        assert stat.S_IMODE(private.stat().st_mode) & 0o077 == 0, private
    assert aws.keys.access_key == keys.OPERATOR
    assert len(aws.keys.secret_key) == 40
    assert aws.keys.secret_key not in repr(aws.server) + repr(aws.keys)
    # what any user of the machine may read
    told = subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True).stdout
    assert "localaws serve" in told
    assert aws.keys.secret_key not in told
    with server.running(Settings(home=tmp_path)) as other:
        assert other.keys.secret_key != aws.keys.secret_key
        assert other.token != aws.server.token


def call(aws: Aws, method: str, path: str, *, body: bytes = b"", **headers: str) -> tuple[int, str]:
    """Status and content of a raw request, as any program of the machine may send it."""
    connection = http.client.HTTPConnection(aws.endpoint.removeprefix("http://"), timeout=300)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


MADE_UP = "AWS4-HMAC-SHA256 Credential={key}/20260101/eu-west-3/elasticmapreduce/aws4_request, SignedHeaders=host, "


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/moto-api/localaws/status", {}),
        ("GET", "/moto-api/data.json", {}),
        ("GET", "/moto-api/", {}),
        ("POST", "/moto-api/reset", {}),
        ("POST", "/moto-api/localaws/fault", {}),
        ("GET", "/", {}),
        ("OPTIONS", "/", {"Origin": "http://evil.example", "Access_Control_Request_Headers": "x-amz-target"}),
        ("POST", "/", {"Authorization": MADE_UP.format(key="test"), "X_Amz_Target": "ElasticMapReduce.ListClusters"}),
        ("POST", "/", {"Authorization": MADE_UP.format(key=keys.OPERATOR), "X_Amz_Target": "x.ListClusters"}),
        ("POST", "/", {"Authorization": MADE_UP.format(key=keys.SERVICE), "X_Amz_Target": "x.ListClusters"}),
        ("GET", "/bucket/key?AWSAccessKeyId=test&Signature=x&Expires=9999999999", {}),
    ],
)
def test_whoever_has_no_keys_gets_nothing(aws: Aws, method: str, path: str, headers: dict[str, str]) -> None:
    status, said = call(aws, method, path, **headers)
    assert status == 403, said
    assert aws.server.token not in said
    assert "clusters" not in said


def test_a_client_with_other_keys_is_told_where_they_are(aws: Aws) -> None:
    others = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    for service, ask in (
        ("s3", "list_buckets"),
        ("emr", "list_clusters"),
        ("iam", "list_roles"),
        ("ec2", "describe_vpcs"),
    ):
        client = aws.session.client(service, endpoint_url=aws.endpoint, **others)
        with pytest.raises(ClientError, match=r"access key test is not of this account. Fix: eval ..\(make -s env\)"):
            getattr(client, ask)()


def test_keys_of_a_user_hold_until_they_are_taken_away(aws: Aws) -> None:
    iam = aws.client("iam")
    iam.create_user(UserName="guarded")
    made = iam.create_access_key(UserName="guarded")["AccessKey"]
    theirs = Keys(made["AccessKeyId"], made["SecretAccessKey"]).arguments()
    client = aws.session.client("sts", endpoint_url=aws.endpoint, **theirs)
    assert client.get_caller_identity()["Arn"].endswith("user/guarded")
    wrong = aws.session.client("sts", endpoint_url=aws.endpoint, **theirs | {"aws_secret_access_key": "guessed"})
    with pytest.raises(ClientError, match="signature is not that of"):
        wrong.get_caller_identity()
    iam.update_access_key(UserName="guarded", AccessKeyId=made["AccessKeyId"], Status="Inactive")
    with pytest.raises(ClientError, match="is not of this account"):
        client.get_caller_identity()
    iam.delete_access_key(UserName="guarded", AccessKeyId=made["AccessKeyId"])


def test_a_role_cannot_steer_the_emulator(aws: Aws, world: World) -> None:
    arn = aws.client("iam").get_role(RoleName=world.profile)["Role"]["Arn"]
    given = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="guarded")["Credentials"]
    held = Keys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    assert aws.session.client("sts", endpoint_url=aws.endpoint, **held.arguments()).get_caller_identity()
    with pytest.raises(urllib.error.HTTPError, match="403"):
        server.set_clock(aws.endpoint, held, 2)
    forgotten = Keys(held.access_key, held.secret_key).arguments()
    with pytest.raises(ClientError, match="the session token is not that of"):
        aws.session.client("sts", endpoint_url=aws.endpoint, **forgotten).get_caller_identity()


def test_presigned_addresses_hold_for_their_time(aws: Aws) -> None:
    bucket, s3 = (
        aws.bucket("presigned"),
        aws.session.client("s3", endpoint_url=aws.endpoint, config=Config(signature_version="s3v4")),
    )
    s3.put_object(Bucket=bucket, Key="a b/é+.txt", Body=b"content")
    asked = {"Bucket": bucket, "Key": "a b/é+.txt"}
    address = s3.generate_presigned_url("get_object", Params=asked, ExpiresIn=3600)
    with urllib.request.urlopen(address, timeout=300) as answer:
        assert answer.read() == b"content"
    over = s3.generate_presigned_url("get_object", Params=asked, ExpiresIn=0)
    time.sleep(1.1)  # its signer counts whole seconds
    for wrong in (
        address.replace("X-Amz-Expires=3600", "X-Amz-Expires=3601"),
        address.replace("a%20b", "a%20c"),
        over,
    ):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(wrong, timeout=300)


def test_every_way_to_write_is_let_in_when_it_is_signed(aws: Aws) -> None:
    """boto3's and pyarrow's signers: parts, odd names, empty and large bodies, listings with odd prefixes."""
    bucket, s3 = aws.bucket("signed"), aws.client("s3")
    names = ["plain", "a b/c+d=é&f.txt", "~tilde/(x)!*'.txt"]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=name.encode())
        s3.put_object_tagging(Bucket=bucket, Key=name, Tagging={"TagSet": [{"Key": "a b", "Value": "c+d"}]})
    assert sorted(o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]) == sorted(names)
    assert s3.list_objects_v2(Bucket=bucket, Prefix="a b/c+d=é&")["KeyCount"] == 1
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    where = {"endpoint_override": aws.endpoint.removeprefix("http://"), "scheme": "http", "region": REGION}
    reader = fs.S3FileSystem(access_key=aws.keys.access_key, secret_key=aws.keys.secret_key, **where)
    content = bytes(range(256)) * (12 * 4096)  # two parts
    with reader.open_output_stream(f"{bucket}/large e+é") as out:
        out.write(content)
    with reader.open_input_stream(f"{bucket}/large e+é") as stream:
        assert stream.read() == content
    with pytest.raises(OSError, match=r"SIGNATURE_DOES_NOT_MATCH|403|ACCESS_DENIED"):
        fs.S3FileSystem(access_key=aws.keys.access_key, secret_key="x", **where).get_file_info(f"{bucket}/plain")


# ------------------------------------------------------------------------------------------- a browser

TRIES = """async ([endpoint, target, cluster]) => {
  const said = [];
  const ask = async (what, path, options) => {
    try {
      const answer = await fetch(endpoint + path, options);
      said.push([what, answer.type, answer.status, await answer.text()]);
    } catch (error) { said.push([what, "error", 0, String(error)]); }
  };
  const run = JSON.stringify(cluster);
  const signed = "AWS4-HMAC-SHA256 Credential=AKIALOCALAWSOPERATOR/20260101/eu-west-3/elasticmapreduce/aws4_request, "
    + "SignedHeaders=host, Signature=0";
  await ask("status", "/moto-api/localaws/status", {});
  await ask("status, opaque", "/moto-api/localaws/status", {mode: "no-cors"});
  await ask("run, simple", "/?Action=RunJobFlow", {method: "POST", mode: "no-cors", body: run});
  await ask("run, preflight", "/", {method: "POST", body: run, headers: {
    "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target, "Authorization": signed}});
  await ask("run, without", "/", {method: "POST", body: run, headers: {"X-Amz-Target": target}});
  await ask("reset", "/moto-api/reset", {method: "POST", mode: "no-cors"});
  await ask("read", "/guarded-secret/key", {});
  return said;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium for which evil.example is this machine, as after a rebinding of that name."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(PROGRAMS)} was found")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        rebound = "--host-resolver-rules=MAP evil.example 127.0.0.1"
        # Chromium's own check of pages that turn to this machine; other browsers have none
        unchecked = "--disable-features=LocalNetworkAccessChecks"
        started = playwright.chromium.launch(executable_path=program, args=[*FLAGS, rebound, unchecked])
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[int]:
    """The port of somebody else's web server, with a page."""
    (tmp_path / "index.html").write_text("<title>evil</title>")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    served = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield served.server_address[1]
    served.shutdown()
    served.server_close()


def cluster_that_writes(world: World, file: Path) -> dict[str, Any]:
    """A request that executes a command here, once it is let in (the control of these tests does let it in)."""
    return {
        "Name": "from the page",
        "ReleaseLabel": "emr-7.13.0",
        "ServiceRole": world.service_role,
        "JobFlowRole": world.profile,
        "Instances": {
            "Ec2SubnetId": world.subnet,
            "EmrManagedMasterSecurityGroup": world.groups[0],
            "EmrManagedSlaveSecurityGroup": world.groups[1],
            "ServiceAccessSecurityGroup": world.groups[2],
            "InstanceFleets": [fleet("MASTER", 1)],
            "KeepJobFlowAliveWhenNoSteps": False,
        },
        "Tags": TAG,
        "Steps": [step("write", "touch", str(file))],
    }


@pytest.mark.parametrize("origin", ["another page of this machine", "a name that was rebound to this server"])
def test_a_page_of_a_browser_runs_nothing_and_reads_nothing(
    world: World, page: Page, stranger: int, tmp_path: Path, origin: str
) -> None:
    aws, port = world.aws, int(world.aws.endpoint.rpartition(":")[2])
    world.s3.create_bucket(Bucket="guarded-secret", CreateBucketConfiguration={"LocationConstraint": REGION})
    world.s3.put_object(Bucket="guarded-secret", Key="key", Body=b"my photographs")
    if origin.startswith("another"):
        endpoint = aws.endpoint
        page.goto(f"http://evil.example:{stranger}/")
    else:
        endpoint = f"http://evil.example:{port}"
        page.route("**/attack", lambda route: route.fulfill(body="<title>evil</title>", content_type="text/html"))
        page.goto(f"{endpoint}/attack")
    before = {c["Id"] for c in world.emr.list_clusters()["Clusters"]}
    refused = (aws.home / server.LOG_NAME).read_text().count("refused")
    ran = tmp_path / "ran"
    request = cluster_that_writes(world, ran)
    tried = page.evaluate(TRIES, [endpoint, "ElasticMapReduce.RunJobFlow", request])
    assert [what for what, *_ in tried] == [
        "status", "status, opaque", "run, simple", "run, preflight", "run, without", "reset", "read",
    ]  # fmt: skip
    for what, kind, status, said in tried:
        assert (kind, status) in {("error", 0), ("opaque", 0), ("basic", 403)}, (what, said)
        assert aws.server.token not in said, what
        assert "photographs" not in said, what
    assert (aws.home / server.LOG_NAME).read_text().count("refused") >= refused + len(tried), "it never arrived"
    assert {c["Id"] for c in world.emr.list_clusters()["Clusters"]} == before
    assert not ran.exists()
    world.wait(world.emr.run_job_flow(**request)["JobFlowId"], "TERMINATED")
    assert ran.exists(), "the request itself is one that runs"
    ran.unlink()
    world.s3.delete_object(Bucket="guarded-secret", Key="key")
    world.s3.delete_bucket(Bucket="guarded-secret")
