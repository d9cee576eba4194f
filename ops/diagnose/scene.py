"""The evidence, read: how the step ended, whose exception it was, which processes ended, who said what. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from fruits.errors import ALL

from ops.diagnose import deaths, ends, exceptions, tracebacks
from ops.diagnose.cause import Cause
from ops.diagnose.deaths import Death
from ops.diagnose.ends import End
from ops.diagnose.evidence import Document, Evidence
from ops.diagnose.exceptions import Chain
from ops.diagnose.hit import Hit, Statement, match
from ops.diagnose.rows import ending
from ops.diagnose.survived import drop_survived
from ops.diagnose.tracebacks import Traceback
from ops.logs import layout

LONG_LINE = 10_000
LAST_LINES = 40

# 26/11/24 10:00:00 ERROR Client: Application diagnostics message: …     \t diagnostics: User class threw exception: …
_STEP_SAYS = re.compile(
    r"diagnostics(?: message)?: |^Error: |Exception in thread|^Exception|ERROR |^Cannot run program|^No command to run|"
    r"^Cannot fetch|exitCode: |^Caused by: |AccessDenied|An error occurred|: error: |can't open file|^Fatal |"
    r"(?:sh|bash|env): |command not found|Exit status: [1-9]|Retrying connect to server: .*Already tried [2-9]|"
    r"^Warning: Local "
)
# fruits: no image is of class No such fruit. Cure: one of …
_JOB_SAYS = re.compile(r"^fruits: (.+)$", re.MULTILINE)
# User application exited with status 10     in client mode: INFO waitProcessCompletion ended with exit code 10 : hadoop
_STATUS = re.compile(
    r"(?:User application exited with status|waitProcessCompletion ended with exit code) (-?\d{1,5})\b"
)
# install_tensorflow: failed in check after 0.3 s (disk, exit 12): /opt/fruits has 900 MiB free and 3500 are needed: …
_NODE_SAYS = re.compile(
    r"^install_tensorflow: failed in (?P<phase>[\w-]+) after [\d.]+ s \((?P<cause>[\w-]+), exit (?P<code>\d+)\): "
    r"(?P<message>.+)$",
    re.MULTILINE,
)
_LOST = re.compile(
    r"ExecutorLostFailure|Max number of executor failures|FetchFailed|Missing an output location|"
    r"[Rr]emote R(?:PC|pc) client disassociated|Python worker exited unexpectedly|SocketException: Connection reset"
)
_RECORD = "the job's _run/error.json"


@dataclass(frozen=True)
class Scene:
    """The evidence, read.

    Attributes
    ----------
    rows : of the table of causes, the most telling first
    """

    evidence: Evidence
    rows: tuple[Cause, ...]

    @cached_property
    def end(self) -> End:
        """How the step ended; of a cluster ``failed``."""
        return ends.read_end(self.evidence) if self.evidence.subject == "step" else End("failed")

    @cached_property
    def record(self) -> Mapping[str, Any] | None:
        """What the job says of its failure: its record, or else its last words and exit code in the logs."""
        evidence = self.evidence
        if evidence.job is not None:
            return evidence.job
        status = next((code for d in evidence.documents for code in _STATUS.findall(d.text)), None)
        words = [words for d in evidence.find_documents("driver", "step") for words in _JOB_SAYS.findall(d.text)]
        kind = next((kind for kind in ALL if status is not None and kind.exit_code == int(status)), None)
        if kind is None or not words:
            return None
        return {"cause": kind.cause, "message": words[-1], "exit_code": kind.exit_code, "traceback": ""}

    @cached_property
    def node(self) -> Mapping[str, Any] | None:
        """What the bootstrap script says of its failure: its JSON, or else its last words in the node's stderr."""
        if self.evidence.node is not None:
            return self.evidence.node
        for document in self.evidence.find_documents("bootstrap"):
            if statements := list(_NODE_SAYS.finditer(document.text)):
                return statements[-1].groupdict()
        return None

    @cached_property
    def traceback(self) -> Traceback | None:
        """The traceback that explains the failure: the job's record's, the driver's, a worker's, the bootstrap's."""
        texts = [str(self.record.get("traceback") or "")] if self.record else []
        for role in ("driver", "step", "bootstrap"):
            texts += [document.text for document in self.evidence.find_documents(role)]
        chosen = [traceback for text in texts if (traceback := tracebacks.find_traceback(text))]
        for document in self.evidence.find_documents("executor"):
            if traceback := tracebacks.find_traceback(document.text):
                chosen.append(replace(traceback, link="nested"))  # a worker's, which a driver would carry
        with_source = [traceback for traceback in chosen if traceback.has_ours and not traceback.is_wrapper]
        return next(iter([*with_source, *chosen]), None)

    @cached_property
    def chain(self) -> Chain | None:
        """The JVM's exception that ended the driver, or that made the client give up."""
        texts = [document.text for document in self.evidence.find_documents("driver", "step")]
        return next((chain for text in texts if (chain := exceptions.find_exception(text)) and chain.ends), None)

    @cached_property
    def reported_chain(self) -> Chain | None:
        """The last exception that driver or client only report, where none ended them."""
        return find_early_exception(self.evidence.find_documents("driver", "step"))

    @cached_property
    def executors_chain(self) -> Chain | None:
        """An exception that an executor reports before anything told it to end."""
        return find_early_exception(self.evidence.find_documents("executor"))

    @cached_property
    def deaths(self) -> tuple[Death, ...]:
        """Processes that ended, as driver and client report them."""
        documents = self.evidence.find_documents("driver", "step")
        return tuple(death for document in documents for death in deaths.parse_deaths(document.text))

    @cached_property
    def master_host(self) -> str:
        """The host that the application's master ran on, as YARN's client names it."""
        hosts = [host for d in self.evidence.find_documents("step") for host in deaths.list_master_hosts(d.text)]
        return "".join(hosts[-1:])

    @cached_property
    def reports_loss(self) -> bool:
        """Whether the exception that ended the driver only says that something else had gone."""
        core = "\n".join(statement.text for statement in self.statements if statement.is_core)
        return _LOST.search(core) is not None

    @cached_property
    def explains_itself(self) -> bool:
        """Whether an exception says itself what was wrong."""
        python = self.traceback is not None and self.evidence.subject == "step" and self.traceback.decides
        return python or (self.chain is not None and not self.reports_loss)

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """The failing statements, the most telling first."""
        return tuple(self._statements())

    def _statements(self) -> Iterator[Statement]:
        evidence = self.evidence
        emr = [Statement(f"{detail.code}: {detail.message}", "EMR's ErrorDetails") for detail in evidence.details]
        emr += [Statement(text, "EMR") for text in (evidence.step_reason, evidence.reason) if text]
        if evidence.subject == "cluster":
            yield from emr
        if self.record is not None:
            yield Statement(
                f"{self.record.get('message', '')}\n{self.record.get('traceback') or ''}",
                _RECORD if evidence.job else "the job's last words",
                is_core=True,
            )
        if self.traceback is not None:
            process = self.traceback.process
            yield Statement(self.traceback.words, f"the {process}'s traceback", process == "driver", is_core=True)
        if self.chain is not None:
            yield Statement(self.chain.text, "the JVM's exception", is_core=True)
        if self.node is not None:
            yield Statement(str(self.node.get("message", "")), "the bootstrap's JSON")
        for document in evidence.find_documents("driver", "step", "controller"):
            if text := "\n".join(find_telling_lines(document)):
                yield Statement(text, document.uri)
        for document in evidence.find_documents("bootstrap", "terraform"):
            by_node = document.role == "bootstrap"
            text = drop_survived(document.text)
            yield Statement("\n".join(text.strip().split("\n")[-LAST_LINES:]), document.uri, by_node=by_node)
            yield Statement(text, document.uri, by_node=by_node)
        if evidence.subject == "step":
            yield from emr

    @cached_property
    def named(self) -> Hit | None:
        """The row that the job, the bootstrap or EMR names."""
        is_cluster = self.evidence.subject == "cluster"
        record = (self.node if is_cluster else self.record) or {}
        for cause in self.rows:
            if record.get("cause") in (cause.node if is_cluster else cause.job):
                message = str(record.get("message", ""))
                phase = f", in phase {record['phase']}" if record.get("phase") and not is_cluster else ""
                source = "the bootstrap" if is_cluster else f"the job{phase}"
                return Hit(cause, Statement(message, source), line=message)
        return self._find_by_code() if is_cluster or self.evidence.state == "INTERRUPTED" else None

    def _find_by_code(self) -> Hit | None:
        """By EMR's error details, then by its reason."""
        evidence = self.evidence
        for detail in evidence.details:
            if cause := next((cause for cause in self.rows if detail.code in cause.codes), None):
                places = (value for key in ("instance-type", "availability-zone") for value in detail.list_values(key))
                words = detail.message or evidence.reason or detail.code
                return Hit(cause, Statement(words, f"EMR ({detail.code})"), {"where": ", ".join(places)}, words)
        code, reason = evidence.reason_code, evidence.reason
        for cause in self.rows if code else ():
            if code in cause.codes and not (cause is ending.ENDED and evidence.subject == "step"):
                groups = {"how": reason or code} if cause is ending.ENDED else {}
                return Hit(cause, Statement(reason, f"EMR ({code})"), groups, reason)
        return None

    def select_rows(self, *, weak: bool = False) -> list[Cause]:
        """The rows that may explain a failure of this kind."""
        cluster = self.evidence.subject == "cluster"
        return [cause for cause in self.rows if cause.weak == weak and (cluster or not cause.cluster_only)]

    def find_row(self, statements: Sequence[Statement], *, weak: bool = False) -> Hit | None:
        """The first row whose pattern fits, statement by statement."""
        rows = self.select_rows(weak=weak)
        return _find_first((cause, statement) for statement in statements for cause in rows)

    def find_loud_row(self, documents: Sequence[Document]) -> Hit | None:
        """The row that may be recognised anywhere in these documents, before anything was told to end."""
        statements = [Statement(deaths.cut_aftermath(d.text), d.uri, by_driver=d.role != "executor") for d in documents]
        return _find_first((cause, words) for cause in self.select_rows() if cause.loud for words in statements)


def _find_first(pairs: Iterable[tuple[Cause, Statement]]) -> Hit | None:
    """The first of these rows that counts in its statement and fits it."""
    for cause, statement in pairs:
        counts = statement.by_driver or not cause.driver_only
        if counts and not (cause.launch_only and statement.by_node) and (hit := match(cause, statement)):
            return hit
    return None


def find_early_exception(documents: list[Document]) -> Chain | None:
    """The exception of the first of these logs that reports one before anything was told to end."""
    texts = [deaths.cut_aftermath(document.text) for document in documents]
    return next((chain for text in texts if (chain := exceptions.find_exception(text))), None)


def read_scene(evidence: Evidence, rows: tuple[Cause, ...]) -> Scene:
    """The evidence, with lines that are short enough for the patterns, beside the table's rows."""
    documents, quoted_documents = [], []
    for document in map(_bound_lines, evidence.documents):
        text, quotes = _split_quotes(document) if document.role == "driver" else (document.text, [])
        documents.append(replace(document, text=text))
        quoted_documents += quotes
    return Scene(replace(evidence, documents=(*documents, *quoted_documents)), rows)


# Container id: container_…_000002 … Last 4096 bytes of stderr : … up to a line that is only a dot, or the driver's own
_QUOTE = re.compile(
    r"Last \d+ bytes of std(?:err|out) ?:\n(?P<text>.*?)"
    r"(?=\n\.(?:\n|$)|\n\d\d/\d\d/\d\d [\d:]+ \w+ (?:Yarn|TaskSet|DAGSch|TaskSch|BlockManagerM|ApplicationM)\w*|"
    r"\n\nDriver stacktrace:|\Z)",
    re.DOTALL,
)


def _split_quotes(document: Document) -> tuple[str, list[Document]]:
    """A driver's log without what YARN quotes in it of executors' logs, and those quotes as logs of executors."""
    quotes: dict[str, Document] = {}
    pieces, offset = [], 0
    for quote in _QUOTE.finditer(document.text):
        if not quote["text"].strip():
            continue
        pieces.append(document.text[offset : quote.start("text")])
        offset = quote.end("text")
        containers = [*layout.CONTAINER.finditer(document.text, max(0, quote.start() - 2000), quote.start())]
        uri = f"{document.uri} (quoted of {containers[-1][0] if containers else 'an executor'})"
        quotes.setdefault(uri, Document("executor", uri, quote["text"]))
    return "".join([*pieces, document.text[offset:]]), list(quotes.values())


def _bound_lines(document: Document) -> Document:
    """A log whose lines are all short enough for the patterns: of a very long one its beginning and its end."""
    if len(document.text) <= LONG_LINE:
        return document
    half = LONG_LINE // 2
    lines = document.text.split("\n")
    short_lines = [line if len(line) <= LONG_LINE else f"{line[:half]} … {line[-half:]}" for line in lines]
    return replace(document, text="\n".join(short_lines))


def find_telling_lines(document: Document) -> list[str]:
    """The lines of a log that report a failure; of a driver's also the end."""
    lines = document.text.split("\n")
    picked = [line for line in lines if _STEP_SAYS.search(line)][-LAST_LINES:]
    if document.role == "driver":
        traceback = tracebacks.find_traceback(document.text)
        picked += traceback.words.split("\n") if traceback else []
    return picked


def make_jvm_hit(chain: Chain, source: str) -> Hit:
    """The JVM's exception by its own name."""
    words = chain.deepest.summary
    return Hit(ending.JVM, Statement(chain.text, source), {"exception": words[:300]}, words)
