"""The command line: ``python -m localaws start | stop | status | env | yarn-jars``."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

from localaws import faults, server
from localaws.errors import LocalAwsError, NotRunningError
from localaws.java import find_java_home, find_pyspark
from localaws.settings import Settings
from localaws.yarn import jars
from localaws.yarn.errors import JarsMissingError, JavaVersionError

DEFAULT_REGION = "eu-west-3"


def main(arguments: list[str] | None = None) -> int:
    """Run a command. Exit code: 0; 1 when no server is running; 2 for any other error."""
    parser = argparse.ArgumentParser(prog="python -m localaws", description="The embedded AWS of ENV=local.")
    commands = parser.add_subparsers(required=True)

    def add(name: str, run: Callable[[Settings, argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text)
        command.set_defaults(run=run)
        return command

    start = add("start", _start, "start it, unless it is running")
    start.add_argument("--yarn", action="store_true", help="run Spark steps on a real YARN")
    add("stop", _stop, "stop it, which deletes the embedded account")
    add("status", _status, "show its address and its clusters")
    add("env", _env, 'shell commands that point a client at it: eval "$(… env)"')
    fault = add("fault", _fault, "inject a fault from now on")
    fault.add_argument("kind", help=f"{', '.join(faults.KINDS)}, or none")
    fetch = add("yarn-jars", _fetch_yarn_jars, "fetch the jars of a real YARN")
    fetch.add_argument("--settings", type=Path, help="Ivy's own settings file, which may name a mirror")
    serve = add("serve", _serve, "serve in the foreground (what start runs)")
    serve.add_argument("home", nargs="?", help="LOCALAWS_HOME again, so that the process can be found by it")
    options = parser.parse_args(arguments)
    try:
        options.run(Settings.from_environment(), options)
    except LocalAwsError as error:
        print(error, file=sys.stderr)
        return 1 if isinstance(error, NotRunningError) else 2
    return 0


def _start(settings: Settings, options: argparse.Namespace) -> None:
    settings.yarn = settings.yarn or options.yarn
    record = server.start(settings)
    print(f"embedded AWS at {record.endpoint} (process {record.pid}); its state is lost when it stops")


def _stop(settings: Settings, options: argparse.Namespace) -> None:
    print("embedded AWS stopped" if server.stop(settings.home) else "embedded AWS was not running")


def _status(settings: Settings, options: argparse.Namespace) -> None:
    record, clusters = server.find_server(settings.home)
    minutes = (time.time() - record.started) / 60
    print(f"embedded AWS at {record.endpoint}, process {record.pid}, since {minutes:.0f} min")
    for cluster in clusters:
        steps = f"{cluster['steps']} step{'s' * (cluster['steps'] != 1)}"
        print("  {id}  {region}  {state:<24} {0}  {name}".format(steps, **cluster))
        if cluster["yarn"]:
            print(f"    {cluster['yarn']}")


def _env(settings: Settings, options: argparse.Namespace) -> None:
    record, _ = server.find_server(settings.home)
    for name, value in server.make_client_environment(record, os.environ.get("AWS_REGION") or DEFAULT_REGION).items():
        print(f"export {name}={shlex.quote(value)}")
    print(f"unset {' '.join(server.CLEARED)}")
    # aws-cli 1 sends `aws emr` to the real service whatever AWS_ENDPOINT_URL says (its overridesslcommonname.py).
    print('aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }')


def _fault(settings: Settings, options: argparse.Namespace) -> None:
    record, _ = server.find_server(settings.home)
    server.set_fault(record.endpoint, record.keys, options.kind)
    effect = f"{options.kind} from now on" if faults.parse_fault(options.kind) else "no fault from now on"
    print(f"{effect}; FAULT= takes {', '.join(faults.KINDS)}, or none")


def _fetch_yarn_jars(settings: Settings, options: argparse.Namespace) -> None:
    folder, pins = settings.yarn_jars, jars.read_own_pins()
    with contextlib.suppress(JarsMissingError):
        jars.verify_jars(folder, pins)
        print(f"YARN's jars are already in {folder}, verified")
        return
    java_home = find_java_home()
    if java_home is None:
        raise JavaVersionError
    total, fetched = jars.count_megabytes(pins), 0

    def advance(count: int) -> None:
        nonlocal fetched
        fetched += count
        print(f"fetching YARN's jars: {fetched / 1e6:.0f} of {total} MB", flush=True)

    java, spark_jars = java_home / "bin" / "java", find_pyspark() / "jars"
    jars.fetch_jars(folder, pins, java=java, spark_jars=spark_jars, settings=options.settings, advance=advance)
    print(f"YARN's {len(pins)} jars are in {folder}, verified; make demo YARN=1 uses them")


def _serve(settings: Settings, options: argparse.Namespace) -> None:
    from localaws.descriptions import keep_descriptions

    keep_descriptions()  # before moto, which parses them when it is imported
    from localaws.app import serve  # moto takes a second to import; the other commands do not need it

    serve(settings, os.environ.get("LOCALAWS_TOKEN", ""))


if __name__ == "__main__":
    sys.exit(main())
