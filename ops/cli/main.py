"""`fruits`: one command line. It alone reads the process's environment, and it is where errors end."""

import importlib
import os
import select
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import click
from fruits.errors import FruitsError

from ops.cli.commands import COMMANDS, TAKES, Command
from ops.cli.options import GIVEN, GOALS, OPTIONS, PREFIX, TWICE, read_given, suggest
from ops.core.errors import ExitCode, OperatorError, explain_full_disk
from ops.core.mentions import mentioning
from ops.core.paths import ROOT


def project_version() -> str:
    """The version of this checkout, from pyproject.toml."""
    import tomllib

    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def make_environment(command: str, typed: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """What a command reads: the environment without anything that is an option's name, and the options given.

    A shell in which ENV=prod happens to be exported means nothing by it.

    Parameters
    ----------
    command : its name
    typed : options of the command line, by make's name
    environ : the process's environment

    Raises
    ------
    WrongUseError : make was given a variable that the command does not take, or a value that can only be wrong
    OperatorError : there is no such environment, or CURRENCY is none
    """
    others = {
        name: value
        for name, value in environ.items()
        if name not in OPTIONS and name not in (GIVEN, GOALS, TWICE) and name.removeprefix(PREFIX) not in OPTIONS
    }
    options = {**others, **read_given(environ, command, TAKES), **typed}
    for name in TAKES[command]:
        if text := options.get(name):
            OPTIONS[name].check(text)
    if "REGION" in TAKES[command]:
        from ops.cli.place import read_place

        read_place(options)
    if options.get("CURRENCY"):
        from ops.cost.money import read_currency

        read_currency(options["CURRENCY"])  # what is not a currency is refused now, not when a run of minutes has ended
    return options


def find_function(target: str) -> Callable[[Mapping[str, str]], int]:
    """The function that ``module:function`` names."""
    module, _, name = target.partition(":")
    function: Callable[[Mapping[str, str]], int] = getattr(importlib.import_module(module), name)
    return function


def run(command: Command, typed: Mapping[str, str], environ: Mapping[str, str]) -> int:
    """Run a command; the value is its exit code. An expected error is a sentence on standard error."""
    with ExitStack() as at_hand:
        try:
            options = make_environment(command.name, typed, environ)
            at_hand.enter_context(mentioning(name_place(options), TAKES))
            code = find_function(command.runs)(options)
            print(end="", flush=True)  # what cannot be written is told here, and not after the end
            return code
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED
        except Exception as error:
            if isinstance(error, BrokenPipeError) and is_unread():
                return ExitCode.FAILED
            if isinstance(error, (OperatorError, FruitsError)):
                explanation: tuple[str, int] | None = explain_full_disk(error) or (str(error), int(error.exit_code))
            else:
                from ops.cli.boundary import explain  # its libraries take a second

                explanation = explain(error)
            if explanation is None:
                raise
            from ops.core.console import fail

            fail("\n".join([f"{command.name}: {explanation[0]}", *getattr(error, "__notes__", ())]))
            return int(explanation[1])


def is_unread() -> bool:
    """Whether nobody reads any more what is printed, as after ``| head``; what is left of it then goes nowhere.

    Source: https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    poll = select.poll()
    poll.register(sys.stdout, 0)
    if not any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def name_place(options: Mapping[str, str]) -> dict[str, str]:
    """The variables that say where a command works, unless make's defaults say it already.

    >>> name_place({"ENV": "dev", "REGION": "eu-west-1", "K": "50"}), name_place({"ENV": "local"})
    ({'ENV': 'dev', 'REGION': 'eu-west-1'}, {})
    """
    place = {name: options[name] for name in ("ENV", "REGION") if options.get(name)}
    return {name: value for name, value in place.items() if (name, value) != ("ENV", "local")}


class Group(click.Group):
    """Commands below their headings; an unknown one is refused with the nearest name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            hint = suggest(args[0], [name.upper() for name in COMMANDS]).lower().replace(" did", " Did")
            raise click.UsageError(f"{error.message.rstrip('.')}.{hint or ' fruits --help lists them.'}") from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for group in dict.fromkeys(command.group for command in COMMANDS.values()):
            with formatter.section(group):
                formatter.write_dl([(c.name, c.help) for c in COMMANDS.values() if c.group == group])


def _click_option(name: str) -> click.Option:
    option = OPTIONS[name]
    if option.kind == "flag":
        return click.Option([option.flag, name], is_flag=True, default=None, help=option.help)
    if option.kind == "switch":
        return click.Option([f"{option.flag}/--no-{option.flag[2:]}", name], default=None, help=option.help)
    return click.Option([option.flag, name], metavar=option.shown or "TEXT", help=option.help)


def _click_command(command: Command) -> click.Command:
    def body(**options: Any) -> None:
        typed = {
            name: ("1" if value else "0") if isinstance(value, bool) else str(value)
            for name, value in options.items()
            if value is not None
        }
        sys.exit(run(command, typed, os.environ))

    return click.Command(
        command.name, callback=body, params=[_click_option(name) for name in command.takes], help=f"{command.help}."
    )


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(project_version(), prog_name="fruits")
def cli() -> None:
    """Fruit photographs to CNN features and a PCA with Spark, on a laptop or on Amazon EMR.

    Every option can be given as FRUITS_<NAME> too. Completion: eval "$(_FRUITS_COMPLETE=bash_source fruits)".
    """


for _each in COMMANDS.values():
    cli.add_command(_click_command(_each))


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of ``fruits`` and of ``python -m ops.cli``."""
    # read when numpy is imported: on a busy machine OpenBLAS' threads wait for one another
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    cli.main(args=None if arguments is None else list(arguments), prog_name="fruits")
