"""Run Terraform for one of the four stacks: find it and its provider, choose state and variables.

What it does not do: upload artifacts, submit steps, sweep what EMR leaves behind (callers do, between the
calls).

The stacks are run in a copy below ``build/terraform/<env>/`` (with the embedded AWS: below its own home, whose
account the state describes), so that environments do not share ``.terraform`` and ``ENV=local`` can keep its state in a
file while the committed code says ``backend "s3"``. Commands of one environment may run side by side: one at a time
prepares the copy, each has variables and a plan of its own, and Terraform locks the state.
"""

import contextlib
import hashlib
import json
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from localaws.interrupts import hold_interrupts
from localaws.settings import Settings
from ops.core.errors import LOGIN, ExitCode, TerraformError, WrongUseError
from ops.core.files import hold_lock, write_whole
from ops.core.paths import ROOT
from ops.core.programs import inherited_environment
from ops.core.target import Target
from ops.terraform.binary import PROVIDER, find_mirror, find_terraform, name_platform, render_cli_config

# Reading the provider's schema leaves little garbage and much to scan: both plans take 17 instead of 21 s of CPU.
GOGC = "400"

Stack = Literal["storage", "cluster", "operators", "github"]
STACKS: tuple[Stack, ...] = ("storage", "cluster")  # the life of an environment
ADMINISTRATORS: tuple[Stack, ...] = ("operators", "github")  # applied once each: who may run the other two


# api error ExpiredToken: …     No valid credential sources found     the SSO session has expired or is invalid
_EXPIRED = (
    r"ExpiredToken|RequestExpired|Invalid(?:ClientTokenId|AccessKeyId|Token\b)|UnrecognizedClientException|AuthFailure|"
    r"No valid credential sources|SSO session|refresh cached credentials"
)
# api error ThrottlingException: Rate exceeded
_THROTTLED = r"Throttl|RequestLimitExceeded|TooManyRequests|SlowDown|ServiceUnavailable"
# request send failed, Get "https://…": dial tcp: lookup s3.eu-west-3.amazonaws.com: no such host
_NETWORK = r"request send failed|dial tcp|no such host|TLS handshake timeout|network is unreachable"
# Error acquiring the state lock … Lock Info:   ID:        3f0c-…      Saved plan is stale
_LOCKED, _STALE = r"Error acquiring the state lock", r"Saved plan is stale"
LOCK_SECONDS = 60
"""How long a command waits for another that holds the state's lock: as long as a plan takes, not an apply."""
_REFUSALS = (
    (_EXPIRED, f"AWS does not accept these credentials. Fix: {LOGIN}", ExitCode.CREDENTIALS),
    (_THROTTLED, "AWS is throttling calls. Fix: wait a minute, then run the command again.", ExitCode.FAILED),
    (_NETWORK, "AWS cannot be reached. Fix: check the network, then run the command again.", ExitCode.FAILED),
    (_STALE, "Something changed after this plan was made. Fix: run the command again.", ExitCode.FAILED),
    (
        _LOCKED,
        "Another command works on this state, or was cut off. Fix: wait for it to end, then run the command again; if "
        "nothing runs any more, remove its lock: terraform -chdir={directory} force-unlock {lock}",
        ExitCode.FAILED,
    ),
)
"""What Terraform reports of AWS, its meaning with the fix, and the exit code."""


class CommandFailedError(TerraformError):
    """Terraform itself said no.

    Attributes
    ----------
    arguments : what was run
    output : what Terraform printed, where it was captured
    """

    def __init__(
        self, arguments: Sequence[str], code: int, output: str, hint: str = "", directory: Path | None = None
    ) -> None:
        self.arguments, self.code, self.output = tuple(arguments), code, output
        message, exit_code = f"terraform {arguments[0]} ended with {code}", None
        if hint or not (reasons := self.reasons[-6000:]):
            message += f". {hint}" if hint else "; its message stands above."
        else:
            refusals = [(meaning, code) for pattern, meaning, code in _REFUSALS if re.search(pattern, reasons)]
            meaning, exit_code = refusals[0] if refusals else ("", None)
            # │   ID:        5d3fa11c-4b0e-…
            lock = re.search(r"\bID:\s+(\S+)", reasons)
            meaning = meaning.format(directory=directory, lock=lock[1] if lock else "ID")
            message += f":\n{reasons}\n\n{meaning}".rstrip()
        super().__init__(message, exit_code=exit_code)

    @property
    def reasons(self) -> str:
        """Terraform's errors in what it printed, without the plan before them."""
        begin = f"\n{self.output}".find("\nError: ")
        return (self.output[begin:] if begin >= 0 else self.output[-6000:]).strip()


def list_tfvars_files(env: str, stack: str, folder: Path) -> list[Path]:
    """The files of an environment for a stack: the shared one, then the stack's own.

    Raises
    ------
    WrongUseError : there is no such environment
    """
    shared = folder / f"{env}.tfvars"
    if not shared.exists():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.tfvars") if "." not in path.stem))
        raise WrongUseError(
            f"there is no environment {env!r}. Fix: write infra/env/{env}.tfvars, or take one of {known}."
        )
    of_stack = folder / f"{env}.{stack}.tfvars"
    return [shared, *([of_stack] if of_stack.exists() else [])]


def render_backend(target: Target, stack: str, state: Path) -> str:
    """The override file that puts the state where the environment wants it."""
    if target.local_state:
        return f'terraform {{\n  backend "local" {{\n    path = {json.dumps(str(state))}\n  }}\n}}\n'
    settings = {"bucket": target.state_bucket, "key": f"{target.env}/{stack}.tfstate", "region": target.region}
    body = "".join(f"    {key} = {json.dumps(value)}\n" for key, value in settings.items())
    return f'terraform {{\n  backend "s3" {{\n{body}    use_lockfile = true\n    encrypt = true\n  }}\n}}\n'


def copy_tree(source: Path, destination: Path) -> None:
    """Make ``destination`` hold what ``source`` holds, leaving Terraform's own files and the overrides."""

    def is_terraforms(path: Path) -> bool:
        return ".terraform" in path.parts or path.name.endswith("_override.tf")

    names = {
        path.relative_to(source)
        for path in source.rglob("*")
        if path.is_file() and not is_terraforms(path.relative_to(source))
    }
    present = {path.relative_to(destination) for path in destination.rglob("*") if path.is_file() or path.is_symlink()}
    for stale in {path for path in present if not is_terraforms(path)} - names:
        (destination / stale).unlink()
    for name in names:
        bring_up_to_date(destination / name, (source / name).read_bytes())


def bring_up_to_date(path: Path, content: bytes) -> None:
    """Write a file unless it holds just that: a command beside this one may be reading it."""
    if not path.is_file() or path.read_bytes() != content:
        write_whole(path, content)


STATE_VERSION = 4


def read_outputs(state: Path) -> dict[str, Any] | None:
    """The outputs in a local state file, without starting Terraform; None where it has another format.

    Parameters
    ----------
    state : a file that may be missing: then nothing was applied
    """
    try:
        content = json.loads(state.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        return None
    if not isinstance(content, dict) or content.get("version") != STATE_VERSION:
        return None
    return {name: entry["value"] for name, entry in content.get("outputs", {}).items()}


@dataclass(kw_only=True)
class Workspace:
    """One stack in one environment.

    Attributes
    ----------
    target : where
    stack : storage or cluster
    extra : more variables (images, bootstrap_uri, …); they win over the environment's files
    source : the folder ``infra``
    home : where copies, plans and local states are kept; None is the usual place
    terraform : the program; None looks for it when it is needed
    capture : keep Terraform's output instead of showing it
    """

    target: Target
    stack: Stack
    extra: Mapping[str, Any] = field(default_factory=dict)
    source: Path = ROOT / "infra"
    home: Path | None = None
    terraform: Path | None = None
    capture: bool = False

    @property
    def _place(self) -> Path:
        usual = find_embedded_home() if self.target.emulated else ROOT / "build" / "terraform"
        home = (self.home or Path(inherited_environment().get("TERRAFORM_HOME") or usual)).resolve()
        return home / (f"{self.target.env}-offline" if self.target.offline else self.target.env)

    @property
    def directory(self) -> Path:
        """Where the stack's copy lies."""
        return self._place / "infra" / self.stack

    @property
    def state(self) -> Path:
        """The state file of an environment whose state is local."""
        return self._place / f"{self.stack}.tfstate"

    def prepare(self) -> None:
        """Copy the stack, choose the backend, and let Terraform fetch the provider (``init``)."""
        with hold_lock(self._place / ".lock"):  # Terraform's init of one folder cannot be run twice at once
            self._prepare()

    def _prepare(self) -> None:
        mirror = find_mirror()
        copy_tree(self.source, self._place / "infra")
        backend = render_backend(self.target, self.stack, self.state)
        bring_up_to_date(self.directory / "backend_override.tf", backend.encode())
        config = self._place / "terraform.rc"
        bring_up_to_date(config, f"{render_cli_config(mirror)}\n".encode())
        stamp = self.directory / ".terraform" / "prepared"
        now = hashlib.sha256(
            "".join(
                [
                    config.read_text(),
                    *(path.read_text() for path in sorted(self.directory.glob("*.tf"))),
                    *(path.read_text() for path in sorted(self.directory.glob(".terraform.lock.hcl"))),
                    *(str(path) for path in sorted((self._place / "infra" / "modules").glob("*"))),
                ]
            ).encode()
        ).hexdigest()
        if stamp.exists() and stamp.read_text() == now:
            return
        arguments = ["init", "-input=false", "-reconfigure"]
        if (self.directory / ".terraform.lock.hcl").exists():
            arguments.append("-lockfile=readonly")
        done = self._run(arguments, capture=True)
        if done.returncode:
            hint = ""
            if "registry.terraform.io" in done.stderr and mirror is None:
                hint = (
                    "The AWS provider could not be fetched: this machine has no route to Terraform's "
                    f"registry, and no mirror with {PROVIDER} 5.100 for {name_platform()} was found. "
                    "Fix: connect, or name a mirror: TF_PROVIDER_MIRROR=/folder/that/holds/registry.terraform.io."
                )
                print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
            elif not self.target.local_state and "NoSuchBucket" in done.stderr:
                hint = (
                    f"There is no bucket for Terraform's state yet ({self.target.state_bucket}). "
                    f"Fix: make state ENV={self.target.env}."
                )
            raise self._fail(arguments, done, hint)
        stamp.write_text(now)

    @contextlib.contextmanager
    def plan_file(self) -> Iterator[Path]:
        """A file of this command's own for a plan; it goes with the block, because a plan may hold secrets."""
        self._place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{self.stack}-", dir=self._place) as folder:
            yield Path(folder, "plan.tfplan")

    @contextlib.contextmanager
    def _options(self) -> Iterator[list[str]]:
        """Terraform's options for the block: how it locks the state, and the variables of target and caller."""
        variables = {
            **self.target.variables(),
            **{key: value for key, value in self.extra.items() if value is not None},
            **self.target.overrides.get(self.stack, {}),
        }
        files = list_tfvars_files(self.target.env, self.stack, self._place / "infra" / "env")
        with tempfile.NamedTemporaryFile(
            "w", prefix=f".{self.stack}-", suffix=".tfvars.json", dir=self._place
        ) as own:  # a file may hold lists and nulls
            json.dump(variables, own, indent=2, sort_keys=True)
            own.flush()
            lock = "-lock=false" if self.target.offline else f"-lock-timeout={LOCK_SECONDS}s"
            yield ["-input=false", lock, *(f"-var-file={path}" for path in (*files, own.name))]

    def validate(self) -> None:
        """Check the code of the stack."""
        self.prepare()
        self._checked(["validate"])

    def plan(self, *, out: Path | None = None, arguments: Sequence[str] = ()) -> bool:
        """Plan, and say whether something would change.

        Parameters
        ----------
        out : where to keep the plan
        arguments : more arguments of ``terraform plan``

        Raises
        ------
        CommandFailedError : the plan is refused; the reason was printed
        """
        self.prepare()
        if out:
            out.parent.mkdir(parents=True, exist_ok=True)
        with self._options() as options:
            command = ["plan", "-detailed-exitcode", *options, *arguments]
            command += [f"-out={out.resolve()}"] if out else []
            done = self._run(command)
        if done.returncode not in (0, 2):
            raise self._fail(command, done)
        return done.returncode == 2

    def make_plan(self, out: Path | None = None, **options: Any) -> dict[str, Any]:
        """Plan with `plan`'s options, and give the plan as `show` does; it is not kept by default."""
        with contextlib.nullcontext(out) if out else self.plan_file() as file:
            self.plan(out=file, **options)
            return self.show(file)

    def show(self, plan: Path) -> dict[str, Any]:
        """A kept plan as Terraform's JSON (format 1.2)."""
        shown: dict[str, Any] = json.loads(self.read(["show", "-json", str(plan.resolve())]))
        return shown

    def text(self, plan: Path) -> str:
        """A kept plan as Terraform writes it for a reader."""
        return self.read(["show", "-no-color", str(plan.resolve())])

    def apply(self) -> None:
        """Apply without asking again (the caller has asked)."""
        self.prepare()
        with self._options() as options:
            self._checked(["apply", "-auto-approve", *options])

    def apply_plan(self, plan: Path) -> None:
        """Apply a kept plan: just what was shown."""
        self._checked(["apply", "-input=false", f"-lock-timeout={LOCK_SECONDS}s", str(plan.resolve())])

    def destroy(self, *, arguments: Sequence[str] = ()) -> None:
        """Remove the stack without asking again (the caller has asked)."""
        self.prepare()
        with self._options() as options:
            self._checked(["destroy", "-auto-approve", *options, *arguments])

    def outputs(self) -> dict[str, Any]:
        """The outputs of the applied stack; empty where it is not applied."""
        if self.target.local_state and (stored := read_outputs(self.state)) is not None:
            return stored
        self.prepare()
        return {name: entry["value"] for name, entry in json.loads(self.read(["output", "-json"])).items()}

    def read(self, arguments: Sequence[str]) -> str:
        """What a command of Terraform's prints."""
        done = self._run(arguments, capture=True)
        if done.returncode:
            raise self._fail(arguments, done)
        return done.stdout

    def _checked(self, arguments: Sequence[str]) -> None:
        done = self._run(arguments)
        if done.returncode:
            raise self._fail(arguments, done)

    def _fail(
        self, arguments: Sequence[str], done: subprocess.CompletedProcess[str], hint: str = ""
    ) -> CommandFailedError:
        printed = done.stdout + done.stderr  # empty where it was shown as it came
        return CommandFailedError(arguments, done.returncode, printed, hint, self.directory)

    def _run(self, arguments: Sequence[str], *, capture: bool | None = None) -> subprocess.CompletedProcess[str]:
        capture = self.capture if capture is None else capture
        left_out = ("TF_CLI_ARGS", "TF_VAR_", *(["AWS_"] if self.target.local_state else []))
        environ = {name: value for name, value in inherited_environment().items() if not name.startswith(left_out)}
        environ |= self.target.environment() | {
            "TF_CLI_CONFIG_FILE": str(self._place / "terraform.rc"),
            "GOGC": environ.get("GOGC", GOGC),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }
        if self.terraform is None:  # not before: what only reads a local state needs no Terraform
            self.terraform = find_terraform()
        command = [str(self.terraform), *arguments]
        if arguments[0] in ("init", "plan", "apply", "destroy", "validate", "output") and (
            capture or not sys.stdout.isatty()
        ):
            command.insert(2, "-no-color")
        return run_patiently(command, cwd=self.directory, env=environ, pipe=subprocess.PIPE if capture else None)


def run_patiently(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], pipe: int | None
) -> subprocess.CompletedProcess[str]:
    """Run Terraform to its end, on Ctrl-C too.

    Terraform then ends what it is doing and saves its state; ``subprocess.run`` would kill it after a quarter of a
    second, and what it made would be billed and known to nobody. It is in a process group of its own and told of
    Ctrl-C by us: a terminal that is closed would end it at once.
    """
    was_interrupted = False
    with (
        hold_interrupts() as release,
        subprocess.Popen(
            command, cwd=cwd, env=dict(env), text=True, stdout=pipe, stderr=pipe, process_group=0
        ) as process,
    ):
        while True:
            try:
                release()
                out, err = process.communicate()
                break
            except KeyboardInterrupt:  # the second time Terraform ends at once
                was_interrupted = True
                process.send_signal(signal.SIGINT)
    if was_interrupted:
        raise KeyboardInterrupt
    return subprocess.CompletedProcess(command, process.returncode, out or "", err or "")


def find_embedded_home() -> Path:
    """Where the embedded AWS keeps its things, and Terraform the states of its account."""
    return Settings.from_environment().home / "terraform"
