"""What is known of a failure as the text of an issue, without what must not be read in public."""

import platform
import re
from collections.abc import Iterator
from importlib.metadata import version

from ops.diagnose.deaths import cut_aftermath
from ops.diagnose.evidence import Evidence
from ops.diagnose.render import as_text
from ops.diagnose.verdict import Verdict
from ops.plan.masking import HIDDEN, mask_text

MOST_DOCUMENTS = 4
LINES = 40
MOST_LINE = 500

# https://b.s3.amazonaws.com/k?X-Amz-Algorithm=…&X-Amz-Signature=…     …?AWSAccessKeyId=…&Signature=…&Expires=…
_SIGNED = re.compile(
    r"(https?://[^\s\"'<>?]+\?)[^\s\"'<>]*(?:X-Amz-(?:Signature|Credential|Security-Token)|Signature|sig|AccessKeyId)="
    r"[^\s\"'<>]*",
    re.IGNORECASE,
)
# aws_secret_access_key = …     fs.s3a.secret.key=…     "SessionToken": "…"     password: …
_SECRET = re.compile(
    r"(?i)((?:secret|session)[\w.-]{0,20}(?:key|token)|password|passwd|(?:access|api|auth)[\w.-]{0,10}token|"
    r"authorization)([\"']?\s{0,3}[:=]\s{0,3}[\"']?)(?:(?:Bearer|Basic|AWS4\S*) )?[^\s\"',;&)]{6,}"
)
# ip-10-0-1-23.eu-west-3.compute.internal     ec2-15-188-1-2.eu-west-3.compute.amazonaws.com
_HOST = re.compile(r"\b(ip|ec2)(?:-\d{1,3}){4}(?:\.[\w-]+)*")
_ADDRESS = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\w)")
_ADDRESS_6 = re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{1,4}:){4,7}[0-9a-fA-F]{1,4}(?![\w:])")
_HOME = re.compile(r"(/(?:home|Users)/)(?!hadoop\b)[^/\s\"']+")


def hide_secrets(text: str) -> str:
    """A text without accounts, keys, mails, addresses, names of hosts and users, and without what signs a URL.

    >>> hide_secrets("ana@example.org at ip-10-0-1-23.ec2.internal (10.0.1.23), arn:aws:iam::123456789012:role/x")
    '(e-mail) at (host) ((address)), arn:aws:iam::************:role/x'
    >>> hide_secrets("GET https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIA&X-Amz-Signature=f00d 403")
    'GET https://b.s3.amazonaws.com/k?(signed) 403'
    """
    text = _SIGNED.sub(r"\1(signed)", text)
    text = _SECRET.sub(lambda match: f"{match[1]}{match[2]}{HIDDEN}", text)
    text = mask_text(text)
    text = _HOME.sub(r"\1(user)", _HOST.sub("(host)", text))
    return _ADDRESS_6.sub("(address)", _ADDRESS.sub("(address)", text))


def render_issue(evidence: Evidence, verdict: Verdict) -> str:
    """An issue's text: what failed, what was found, the ends of the logs, and what ran where."""
    title = f"{verdict.cause}: {verdict.raised or verdict.words or verdict.meaning}"
    parts = [
        f"# {' '.join(title.split())[:120]}",
        "What I did, and what I expected: …",
        "## What `make diagnose` says",
        _fence(as_text(evidence, verdict)),
        "## The ends of the logs",
        *_list_log_ends(evidence),
        "## Versions",
        _fence("\n".join(_list_versions(evidence))),
    ]
    return hide_secrets("\n\n".join(part for part in parts if part))


def _fence(text: str) -> str:
    return f"```text\n{text.replace('```', '')}\n```"


def _list_log_ends(evidence: Evidence) -> Iterator[str]:
    documents = [d for d in evidence.documents if d.text.strip() and d.role != "controller"][:MOST_DOCUMENTS]
    for document in documents:
        lines = cut_aftermath(document.text).rstrip().split("\n")[-LINES:]
        excerpt = "\n".join(line if len(line) <= MOST_LINE else f"{line[:MOST_LINE]}…" for line in lines)
        yield f"{document.role}, `{'/'.join(document.uri.split('/')[-2:])}`:\n\n{_fence(excerpt)}"
    if not documents:
        yield "No log was there to be read."


def _list_versions(evidence: Evidence) -> Iterator[str]:
    yield f"state: {evidence.state}, cluster: {evidence.cluster_state or evidence.state}"
    logs = "\n".join(document.text for document in evidence.documents)
    versions = {*re.findall(r"Running Spark version (\S+)", logs)}
    yield f"Spark on the cluster: {', '.join(sorted(versions)) or 'not said'}"
    yield f"here: Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield from (f"{name} {version(name)}" for name in ("pyspark", "boto3"))
