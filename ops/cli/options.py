"""The options of all commands: each stands here once, as `--limit` for `fruits` and as `LIMIT=` for make."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from fruits.request import ENGINES, MEANINGS, PRECISIONS, parse_decimal, parse_whole

from ops.core.errors import WrongUseError

TRUE = ("1", "true", "yes", "on", "y")
FALSE = ("0", "false", "no", "off", "n", "")
GIVEN = "FRUITS_GIVEN"
"""Names of the variables on make's own command line; their values are in the environment under their names."""
GOALS = "FRUITS_GOALS"
"""make's goals: a variable may be meant for another command of the same line."""
TWICE = "FRUITS_TWICE"
"""Names that stand there more than once, where the system shows that (Linux)."""
PREFIX = "FRUITS_"
"""What an option is called in the environment: FRUITS_ENV for --env. CI sets these."""
ARCHITECTURES = ("x86_64", "aarch64", "arm64")
OF_MAKE = ("ARGS", "PYTHON", "UV", "VENV", "WORKERS")
"""Variables of the Makefile itself."""


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes
    ----------
    name : make's variable; in lower case and with hyphens the option's name
    help : one line
    kind : text; flag is off unless given; switch is on unless declined
    shown : what stands for the value in a help text
    choices : the values that there are; none where any text may be one
    count : an example, where the value is a whole number from 1
    amount : an example, where the value is any number from 0
    """

    name: str
    help: str
    kind: Literal["text", "flag", "switch"] = "text"
    shown: str = ""
    choices: tuple[str, ...] = ()
    count: int = 0
    amount: str = ""

    @property
    def flag(self) -> str:
        """The option as typed.

        >>> Option("MAX_USD_PER_HOUR", "").flag
        '--max-usd-per-hour'
        """
        return "--" + self.name.lower().replace("_", "-")

    def normal(self, text: str) -> str:
        """A value as commands read it: flags and switches are "1" or "0", other values are left as they are.

        Raises
        ------
        WrongUseError : it is neither true nor false

        >>> Option("ONESHOT", "", "flag").normal("true"), Option("OPEN", "", "switch").normal("no")
        ('1', '0')
        """
        if self.kind == "text":
            return text
        if text.strip().lower() in TRUE:
            return "1"
        if text.strip().lower() in FALSE:
            return "0"
        raise WrongUseError(f"{self.name}={text} is neither yes nor no. Fix: {self.name}=1, or leave it out.")

    def check(self, text: str) -> None:
        """Refuse a value that can be known to be wrong before anything is done.

        Raises
        ------
        WrongUseError : it is none of the choices, or no number of its kind
        """
        if self.choices and text not in self.choices:
            raise WrongUseError(f"{self.name}={text} is not known. Fix: choose from {', '.join(self.choices)}.")
        if self.count and not is_whole_number(text):
            example = f"{self.name}={self.count}"
            raise WrongUseError(f"{self.name}={text} is not a whole number from 1. Fix: for example {example}.")
        if self.amount and not is_amount(text):
            example = f"{self.name}={self.amount}"
            raise WrongUseError(f"{self.name}={text} is not a number from 0. Fix: for example {example}.")


def is_whole_number(text: str, least: int = 1) -> bool:
    """Whether a text is a whole number from ``least`` on, in plain digits.

    >>> is_whole_number("3"), is_whole_number("0"), is_whole_number("0", 0), is_whole_number("²")
    (True, False, True, False)
    """
    try:
        return parse_whole(text) >= least
    except ValueError:
        return False


def is_amount(text: str) -> bool:
    """Whether a text is a number from 0 on, in plain digits.

    >>> is_amount("2"), is_amount("0.5"), is_amount("nan"), is_amount("-1")
    (True, True, False, False)
    """
    try:
        return parse_decimal(text) >= 0
    except ValueError:
        return False


_CHOICES = {"engine": ENGINES, "precision": PRECISIONS}
_OF_A_RUN = [
    Option(
        name.upper(),
        f"{meaning.plain}{' (sample: how many)' if name == 'classes' else ''}",
        shown=meaning.shown,
        choices=_CHOICES.get(name, ()),
    )
    for name, meaning in MEANINGS.items()
    if meaning.typed
]
RUN = " ".join(option.name for option in _OF_A_RUN)
"""The options of a run: the fields of its request that users give."""

OPTIONS: Mapping[str, Option] = {
    option.name: option
    for option in (
        Option("ENV", "environment: local (the embedded AWS), dev, prod, or one of your own", shown="NAME"),
        Option("REGION", "AWS region (default: AWS_REGION, then eu-west-3)", shown="NAME"),
        Option("YES", "answer yes without being asked", "flag"),
        Option("JSON", "print JSON for a program", "flag"),
        Option("OFFLINE", "ask AWS nothing", "flag"),
        *_OF_A_RUN,
        Option("REQUEST", "JSON file with these fields, instead of the options", shown="URI"),
        Option("MASTER", "Spark's master (default: all cores of this machine)", shown="URL"),
        Option("DETACH", "submit and leave", "flag"),
        Option("QUEUE", "submit although another step is open", "flag"),
        Option("ONESHOT", "fetch the results and destroy the cluster when the step has ended", "flag"),
        Option("FAULT", "let something go wrong on the embedded AWS", shown="KIND"),
        Option("YARN", "run the steps of the embedded AWS on a real YARN", "flag"),
        Option("IVY_SETTINGS", "Ivy's settings file, which may name a mirror", shown="FILE"),
        Option("STEP", "id of a step: s-…", shown="ID"),
        Option("CLUSTER", "id of a cluster: j-…", shown="ID"),
        Option("LINES", "lines of each log", shown="N", count=100),
        Option("FOLLOW", "wait for more", "flag"),
        Option("LOGS", "folder or URI of saved logs", shown="URI"),
        Option("WAIT", "wait for logs that have not arrived", "switch"),
        Option(
            "REPORT", "write the text of an issue, without account ids, keys, addresses and e-mail addresses", "flag"
        ),
        Option("COMPARE", "folder, URI or name of an earlier result", shown="NAME"),
        Option("OPEN", "open the browser", "switch"),
        Option("PURGE", "name of the data bucket: confirms its removal", shown="BUCKET"),
        Option("IMAGES", "size the cluster for so many images", shown="N", count=90000),
        Option("MINUTES", "minutes that the step may take", shown="N", count=10),
        Option("TYPES", "instance types to add to the price table", shown="NAMES"),
        Option("ARCH", "processor of the nodes: x86_64 or arm64", shown="NAME", choices=ARCHITECTURES),
        Option("CURRENCY", "a second currency: EUR, or EUR:0.91, its rate per dollar", shown="CODE"),
        Option("MAX_USD_PER_HOUR", "refuse an hour that costs more", shown="USD", amount="2"),
        Option("BASE", "commit that a change is compared with", shown="COMMIT"),
        Option("LABELS", "labels of the pull request, separated by commas", shown="NAMES"),
        Option("OUT", "folder of what is written", shown="FOLDER"),
        Option("PLAN", "compare plans that are there: stack=file, separated by commas", shown="FILES"),
        Option("REPOSITORY", "GitHub repository: owner/name", shown="NAME"),
        Option("SUBJECT", "subject of the workflows' tokens", shown="TEXT"),
        Option("BRANCH", "branch whose workflows may apply", shown="NAME"),
        Option("IMAGE", "a photograph", shown="FILE"),
        Option("COUNT", "how many", shown="N", count=10),
        Option("SOURCE", "folder to sample; for dataset: github or kaggle", shown="NAME"),
        Option("DEST", "folder to write", shown="FOLDER"),
        Option("SEED", "seed of the choice", shown="N"),
        Option("VERSION", "version of the data set", shown="NAME"),
        Option("TO", "wheelhouse: S3 URI to upload to; export: projector, fiftyone or spotlight", shown="URI"),
        Option(
            "WITH", "look at more: some of kms, ssm, nat, scaling, arm64, one-node, studio, idle, again", shown="NAMES"
        ),
        Option("BILL", "compare AWS's bill with what the last record expected", "flag"),
    )
}


def suggest(name: str, known: Iterable[str]) -> str:
    """The hint of an unknown name: did you mean LIMIT, for LIMT; empty where nothing is near."""
    close = get_close_matches(name.upper(), list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]}?" if close else ""


def read_given(environ: Mapping[str, str], command: str, takes: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """The options of a command that make's command line or FRUITS_… variables give, as commands read them.

    Parameters
    ----------
    command : the command that runs
    takes : names of the options of every command

    Raises
    ------
    WrongUseError : a variable is not one of the command's, nor of another goal's, or was given twice
    """
    for name in environ.get(TWICE, "").split():
        raise WrongUseError(f"{name}= was given twice, and make takes only the last. Fix: give {name}= once.")
    names = set(takes[command])
    values: dict[str, str] = {}
    for name in names:
        if (text := environ.get(PREFIX + name)) is not None:
            values[name] = text
    others = {name for goal in environ.get(GOALS, "").split() for name in takes.get(goal, ())}
    for name in environ.get(GIVEN, "").split():
        if name in names:
            values[name] = environ.get(name, "")
        elif name not in others and name not in OF_MAKE:
            known = ", ".join(sorted(names)) or "none"
            raise WrongUseError(
                f"{name}= is not a variable of make {command}.{suggest(name, names)} It takes: {known}."
            )
    return {name: OPTIONS[name].normal(text) for name, text in values.items() if text or OPTIONS[name].kind == "text"}
