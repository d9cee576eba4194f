"""What one check found, as a line, and what all of them mean for the exit code."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ParamSpec

from botocore.exceptions import BotoCoreError, ClientError
from fruits.wording import format_count

from ops.aws.refusals import describe_refusal
from ops.core.errors import ExitCode

OK, WARNING, FAILURE = "ok", "warning", "failure"
P = ParamSpec("P")


@dataclass(frozen=True)
class Finding:
    """One check.

    Attributes
    ----------
    check : its name
    state : ok, warning (it may fail, or could not be checked) or failure (it will)
    cause : what was found
    cure : what to do; empty where nothing is to be done
    """

    check: str
    state: str
    cause: str
    cure: str = ""

    @property
    def line(self) -> str:
        """The finding as a line for a reader."""
        cure = f" Fix: {self.cure}" if self.cure else ""
        end = "" if not cure or self.cause.endswith((".", "?")) else "."
        return f"{self.state:8} {self.check:14} {self.cause}{end}{cure}"


def ok(check: str, cause: str) -> Finding:
    """A finding that all is well."""
    return Finding(check, OK, cause)


def warning(check: str, cause: str, cure: str = "") -> Finding:
    """A finding that something may fail, or could not be checked."""
    return Finding(check, WARNING, cause, cure)


def failure(check: str, cause: str, cure: str) -> Finding:
    """A finding that something will fail."""
    return Finding(check, FAILURE, cause, cure)


def explain_failure(check: str, error: Exception) -> Finding:
    """An error of ours, whose message says cause and cure.

    >>> explain_failure("java", ValueError("there is none. Fix: install one.")).line
    'failure  java           there is none. Fix: install one.'
    """
    cause, _, cure = " ".join(str(error).split()).partition(" Fix: ")
    return failure(check, cause, cure)


def unchecked(check: str, why: str, cure: str = "") -> Finding:
    """A check that could not be made."""
    return warning(check, f"not checked: {why}", cure)


def attempt(
    check: str, look: Callable[P, Finding | Sequence[Finding]], *args: P.args, **kwargs: P.kwargs
) -> list[Finding]:
    """A check that asks AWS, with its arguments; what AWS refuses is a warning."""
    try:
        findings = look(*args, **kwargs)
    except (ClientError, BotoCoreError) as error:
        return [unchecked(check, *describe_refusal(error))]
    return [findings] if isinstance(findings, Finding) else list(findings)


def exit_code(findings: Iterable[Finding]) -> int:
    """Whether something will fail; warnings let a command go on."""
    return ExitCode.WILL_FAIL if any(finding.state == FAILURE for finding in findings) else ExitCode.DONE


def count_findings(findings: Sequence[Finding]) -> str:
    """The sum, for the end of the list.

    >>> count_findings([ok("a", ""), ok("b", ""), warning("c", "")])
    '2 ok, 1 warning, 0 failures'
    """
    number = {state: sum(finding.state == state for finding in findings) for state in (OK, WARNING, FAILURE)}
    return f"{number[OK]} ok, {format_count(number[WARNING], 'warning')}, {format_count(number[FAILURE], 'failure')}"


def as_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings for a program."""
    return [asdict(finding) for finding in findings]
