"""The command line: ``python -m localaws start | stop | status | env``."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time

from localaws import faults, server
from localaws.errors import LocalAwsError, NotRunningError
from localaws.settings import Settings

DEFAULT_REGION = "eu-west-3"


def main(arguments: list[str] | None = None) -> int:
    """Do what the command says; the exit code is 0, 1 when there is no server, or 2 for another trouble."""
    parser = argparse.ArgumentParser(prog="python -m localaws", description="The embedded AWS of ENV=local.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("start", help="start it, unless it runs")
    commands.add_parser("stop", help="stop it: the embedded account is gone")
    commands.add_parser("status", help="where it listens and what its clusters do")
    commands.add_parser("env", help='shell commands that point a client at it: eval "$(… env)"')
    fault = commands.add_parser("fault", help="let something go wrong from now on")
    fault.add_argument("kind", help=f"{', '.join(faults.KINDS)}, or none")
    commands.add_parser("serve", help="serve in the foreground (what start runs)")
    options = parser.parse_args(arguments)
    settings = Settings.from_environment()
    region = os.environ.get("AWS_REGION") or DEFAULT_REGION
    try:
        if options.command == "fault":
            server.set_fault(server.status(settings.home)[0].endpoint, options.kind)
            return 0
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
    return 0


def _env(settings: Settings, region: str) -> int:
    record, _ = server.status(settings.home)
    for name, value in server.environment(record.endpoint, region).items():
        print(f"export {name}={shlex.quote(value)}")
    print(f"unset {' '.join(server.CLEARED)}")
    # aws-cli 1 sends `aws emr` to the real service whatever AWS_ENDPOINT_URL says (its overridesslcommonname.py).
    print('aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }')
    return 0


def _serve(settings: Settings, region: str) -> int:
    from localaws.app import serve  # moto takes a second to import; the other commands do not need it

    serve(settings, os.environ.get("LOCALAWS_TOKEN", ""))
    return 0


_COMMANDS = {"start": _start, "stop": _stop, "status": _status, "env": _env, "serve": _serve}

if __name__ == "__main__":
    sys.exit(main())
