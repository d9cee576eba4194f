"""The command line: ``python -m localaws start | stop | status | env | yarn-jars``."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from pathlib import Path

from localaws import faults, server
from localaws.errors import LocalAwsError, NotRunningError
from localaws.java import find_java_home, find_pyspark
from localaws.settings import Settings
from localaws.yarn import jars
from localaws.yarn.errors import JarsMissingError, JavaVersionError

DEFAULT_REGION = "eu-west-3"


def main(arguments: list[str] | None = None) -> int:
    """Do what the command says; the exit code is 0, 1 when there is no server, or 2 for another trouble."""
    parser = argparse.ArgumentParser(prog="python -m localaws", description="The embedded AWS of ENV=local.")
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="start it, unless it runs")
    start.add_argument("--yarn", action="store_true", help="run Spark steps on a real YARN")
    commands.add_parser("stop", help="stop it: the embedded account is gone")
    commands.add_parser("status", help="where it listens and what its clusters do")
    commands.add_parser("env", help='shell commands that point a client at it: eval "$(… env)"')
    fault = commands.add_parser("fault", help="let something go wrong from now on")
    fault.add_argument("kind", help=f"{', '.join(faults.KINDS)}, or none")
    fetch = commands.add_parser("yarn-jars", help="fetch what a real YARN needs")
    fetch.add_argument("--settings", type=Path, help="Ivy's own settings file, which may name a mirror")
    serve = commands.add_parser("serve", help="serve in the foreground (what start runs)")
    serve.add_argument("home", nargs="?", help="LOCALAWS_HOME again, so that the process can be found by it")
    options = parser.parse_args(arguments)
    region = os.environ.get("AWS_REGION") or DEFAULT_REGION
    try:
        settings = Settings.from_environment()
        if options.command == "fault":
            record, _ = server.status(settings.home)
            server.set_fault(record.endpoint, record.keys, options.kind)
            happens = f"{options.kind} from now on" if faults.known(options.kind) else "nothing goes wrong from now on"
            print(f"{happens}; FAULT= takes {', '.join(faults.KINDS)}, or none")
            return 0
        if options.command == "yarn-jars":
            return _fetch_yarn_jars(settings, options.settings)
        settings.yarn = settings.yarn or getattr(options, "yarn", False)
        return _COMMANDS[options.command](settings, region)
    except LocalAwsError as error:
        print(error, file=sys.stderr)
        return 1 if isinstance(error, NotRunningError) else 2


def _start(settings: Settings, region: str) -> int:
    record = server.start(settings)
    print(f"embedded AWS at {record.endpoint} (process {record.pid}); its state lives as long as it runs")
    return 0


def _stop(settings: Settings, region: str) -> int:
    print("embedded AWS stopped" if server.stop(settings.home) else "embedded AWS was not running")
    return 0


def _status(settings: Settings, region: str) -> int:
    record, clusters = server.status(settings.home)
    minutes = (time.time() - record.started) / 60
    print(f"embedded AWS at {record.endpoint}, process {record.pid}, since {minutes:.0f} min")
    for cluster in clusters:
        print("  {id}  {region}  {state:<24} {steps} steps  {name}".format(**cluster))
        if cluster["yarn"]:
            print(f"    {cluster['yarn']}")
    return 0


def _env(settings: Settings, region: str) -> int:
    record, _ = server.status(settings.home)
    for name, value in server.environment(record, region).items():
        print(f"export {name}={shlex.quote(value)}")
    print(f"unset {' '.join(server.CLEARED)}")
    # aws-cli 1 sends `aws emr` to the real service whatever AWS_ENDPOINT_URL says (its overridesslcommonname.py).
    print('aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }')
    return 0


def _fetch_yarn_jars(settings: Settings, mirror: Path | None) -> int:
    folder, pins = settings.yarn_jars, jars.read_own_pins()
    try:
        jars.verify_jars(folder, pins)
    except JarsMissingError:
        pass
    else:
        print(f"YARN's jars are in {folder} already, and are the pinned ones")
        return 0
    home = find_java_home()
    if home is None:
        raise JavaVersionError
    total, fetched = jars.megabytes(pins), 0

    def advance(count: int) -> None:
        nonlocal fetched
        fetched += count
        print(f"fetching YARN's jars: {fetched / 1e6:.0f} of {total} MB", flush=True)

    sparks = find_pyspark() / "jars"
    jars.fetch_jars(folder, pins, java=home / "bin" / "java", sparks=sparks, settings=mirror, advance=advance)
    print(f"YARN's {len(pins)} jars are in {folder}, verified; make demo YARN=1 uses them")
    return 0


def _serve(settings: Settings, region: str) -> int:
    from localaws.descriptions import keep_descriptions

    keep_descriptions()  # before moto, which parses them when it is imported
    from localaws.app import serve  # moto takes a second to import; the other commands do not need it

    serve(settings, os.environ.get("LOCALAWS_TOKEN", ""))
    return 0


_COMMANDS = {"start": _start, "stop": _stop, "status": _status, "env": _env, "serve": _serve}

if __name__ == "__main__":
    sys.exit(main())
