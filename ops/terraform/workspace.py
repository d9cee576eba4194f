"""Run Terraform for one of the two stacks: find it and its provider, choose state and variables.

What it does not do: upload artifacts, submit steps, sweep what EMR leaves behind (callers do, between the
calls).

The stacks are run in a copy below ``build/terraform/<env>/`` (with the embedded AWS: below its own home, whose
account the state describes), so that environments do not share ``.terraform`` and ``ENV=local`` can keep its state in a
file while the committed code says ``backend "s3"``.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ops.core.paths import ROOT
from ops.plan import policies
from ops.prices import table as prices

MINIMUM = (1, 10, 0)
INSTALL = "https://developer.hashicorp.com/terraform/install"
PROVIDER = Path("registry.terraform.io/hashicorp/aws")
EMULATED_ACCOUNT = "123456789012"
NO_ACCOUNT = "000000000000"
BROKEN_RULE = 5
# Reading the provider's schema leaves little garbage and much to scan: both plans take 17 instead of 21 s of CPU.
GOGC = "400"
DEFAULT_REGION = "eu-west-3"

Stack = Literal["storage", "cluster", "operators", "github"]
STACKS: tuple[Stack, ...] = ("storage", "cluster")  # the life of an environment
ADMINISTRATORS: tuple[Stack, ...] = ("operators", "github")  # applied once each: who may run the other two


class TerraformError(Exception):
    """Something that the user can put right; the message says the cause and the cure."""

    exit_code = 1


class MissingTerraformError(TerraformError):
    """There is no Terraform, or what is named as one is none."""

    exit_code = 3


class OldTerraformError(TerraformError):
    """Terraform is older than the stacks need.

    Attributes
    ----------
    found : the version found
    """

    exit_code = 3

    def __init__(self, path: Path, found: tuple[int, ...]) -> None:
        super().__init__(
            f"Terraform {_dotted(found)} ({path}) is too old: the stacks need {_dotted(MINIMUM)} or newer. "
            f"Install a newer one from {INSTALL}, or name another: TERRAFORM=/path/to/terraform."
        )
        self.found = found


class NoCredentialsError(TerraformError):
    """AWS was to be asked, and there is nobody to ask as."""

    exit_code = 4


class WrongUseError(TerraformError):
    """The command was given something that it cannot use."""

    exit_code = 2


class CommandFailedError(TerraformError):
    """Terraform itself said no.

    Attributes
    ----------
    arguments : what was run
    output : what Terraform printed, where it was captured
    """

    def __init__(self, arguments: Sequence[str], code: int, output: str, hint: str = "") -> None:
        what = f"terraform {arguments[0]} ended with {code}"
        said = f":\n{output.strip()[-6000:]}" if output.strip() else "; its message stands above."
        super().__init__(f"{what}. {hint}".strip() if hint else f"{what}{said}")
        self.arguments, self.code, self.output = tuple(arguments), code, output


def _dotted(version: Sequence[int]) -> str:
    return ".".join(str(part) for part in version)


# --------------------------------------------------------------------------------- Terraform and its provider


def parse_version(banner: str) -> tuple[int, ...] | None:
    """The version in what ``terraform version`` prints.

    >>> parse_version("Terraform v1.11.4\\non linux_amd64")
    (1, 11, 4)
    >>> parse_version("Terraform v1.12.0-beta1")
    (1, 12, 0)
    """
    found = re.search(r"^(?:Terraform|OpenTofu) v(\d+)\.(\d+)\.(\d+)", banner, re.MULTILINE)
    return tuple(int(part) for part in found.groups()) if found else None


def find_terraform(environ: Mapping[str, str] | None = None) -> Path:
    """Terraform from ``TERRAFORM`` or the search path, of a version that the stacks run on.

    Raises
    ------
    MissingTerraformError, OldTerraformError
    """
    environ = os.environ if environ is None else environ
    named = environ.get("TERRAFORM")
    found = shutil.which(named or "terraform", path=environ.get("PATH"))
    if found is None:
        where = (
            f"TERRAFORM names {named}, which is not there" if named else "Terraform was not found on the search path"
        )
        raise MissingTerraformError(
            f"{where}. Install {_dotted(MINIMUM)} or newer from {INSTALL}, or name one: TERRAFORM=/path/to/terraform."
        )
    path = Path(found)
    # A configuration file that is not there makes every command print a warning on its standard error.
    quiet = {**environ, "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull}
    try:
        run = subprocess.run([path, "version"], capture_output=True, text=True, check=False, env=quiet, timeout=60)
    except OSError as error:
        raise MissingTerraformError(
            f"{path} cannot be run ({error.strerror}). Name another: TERRAFORM=/path/to/terraform."
        ) from error
    version = parse_version(run.stdout)
    if version is None:
        raise MissingTerraformError(
            f"{path} does not answer like Terraform. Name another: TERRAFORM=/path/to/terraform."
        )
    if version < MINIMUM:
        raise OldTerraformError(path, version)
    return path


def current_platform(system: str | None = None, machine: str | None = None) -> str:
    """This machine as Terraform names it.

    >>> current_platform("Darwin", "arm64"), current_platform("Linux", "x86_64")
    ('darwin_arm64', 'linux_amd64')
    """
    system, machine = (system or platform.system()).lower(), (machine or platform.machine()).lower()
    return f"{system}_{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(machine, machine) }".replace(" ", "")


def holds_provider(mirror: Path, target: str) -> bool:
    """Whether a mirror, packed or unpacked, has our provider (5.100 or a later 5.x) for a platform."""
    home = mirror / PROVIDER
    for version in (entry.name for entry in home.glob("5.*") if entry.is_dir()):
        if _fits(version) and any((home / version / target).glob("terraform-provider-aws*")):
            return True
    return any(
        _fits(found[1])
        for entry in home.glob(f"terraform-provider-aws_5.*_{target}.zip")
        if (found := re.fullmatch(r"terraform-provider-aws_(5\.[0-9.]+)_.*\.zip", entry.name))
    )


def _fits(version: str) -> bool:
    """Whether a version is one that ``~> 5.100`` allows.

    >>> _fits("5.100.0"), _fits("5.99.1"), _fits("6.2.0")
    (True, False, False)
    """
    found = re.fullmatch(r"5\.(\d+)\.\d+", version)
    return bool(found) and int(found[1]) >= 100  # type: ignore[index]  # bool(found) is not narrowed


def implied_mirrors(home: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """The folders in which Terraform itself looks for providers.

    Source: https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirror-directories
    """
    yield ROOT / "terraform.d" / "plugins"
    yield home / ".terraform.d" / "plugins"
    if platform.system() == "Darwin":
        yield home / "Library" / "Application Support" / "io.terraform" / "plugins"
        yield Path("/Library/Application Support/io.terraform/plugins")
        return
    yield Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "terraform" / "plugins"
    for shared in (environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":"):
        yield Path(shared) / "terraform" / "plugins"


SEARCHED = (Path("/opt"), Path("/usr/share"), Path("/usr/local/share"))


def find_mirror(
    environ: Mapping[str, str] | None = None,
    *,
    home: Path | None = None,
    below: Sequence[Path] = SEARCHED,
    target: str | None = None,
) -> Path | None:
    """A folder that holds the AWS provider for this machine, or None.

    In this order: ``TF_PROVIDER_MIRROR``, Terraform's implied mirror folders, then every folder directly
    below ``below`` that holds ``registry.terraform.io``.

    Raises
    ------
    WrongUseError : ``TF_PROVIDER_MIRROR`` names a folder without the provider
    """
    environ = os.environ if environ is None else environ
    target = target or current_platform()
    if named := environ.get("TF_PROVIDER_MIRROR"):
        if holds_provider(Path(named), target):
            return Path(named)
        raise WrongUseError(
            f"TF_PROVIDER_MIRROR names {named}, which holds no {PROVIDER} 5.100 for {target}. "
            "Name the folder that contains registry.terraform.io, or unset it to use the registry."
        )
    candidates = [*implied_mirrors(home or Path.home(), environ)]
    for place in below:
        candidates += [place, *sorted(path for path in place.glob("*") if path.is_dir())]
    return next((path for path in candidates if holds_provider(path, target)), None)


def cli_config(mirror: Path | None) -> str:
    """What Terraform's own configuration file must say.

    >>> print(cli_config(Path("/srv/mirror")))
    disable_checkpoint = true
    provider_installation {
      filesystem_mirror {
        path    = "/srv/mirror"
        include = ["registry.terraform.io/hashicorp/aws"]
      }
      direct {
        exclude = ["registry.terraform.io/hashicorp/aws"]
      }
    }
    >>> print(cli_config(None))
    disable_checkpoint = true
    """
    lines = ["disable_checkpoint = true"]
    if mirror is not None:
        lines += [
            "provider_installation {",
            "  filesystem_mirror {",
            f"    path    = {json.dumps(str(mirror))}",
            f'    include = ["{PROVIDER}"]',
            "  }",
            "  direct {",
            f'    exclude = ["{PROVIDER}"]',
            "  }",
            "}",
        ]
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------- the environments


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a stack is planned or applied.

    Attributes
    ----------
    env : local, dev, prod, or a name of one's own with a file ``infra/env/<env>.tfvars``
    region : of everything
    account_id : 12 digits; the state's bucket bears it in its name
    endpoint : of the emulator, where AWS is emulated
    offline : ask AWS nothing, with dummy keys
    """

    env: str
    region: str
    account_id: str
    endpoint: str | None = None
    offline: bool = False

    @property
    def emulated(self) -> bool:
        return self.endpoint is not None

    @property
    def local_state(self) -> bool:
        """Whether the state is a file on this machine."""
        return self.emulated or self.offline

    @property
    def state_bucket(self) -> str:
        return f"fruits-tfstate-{self.account_id}"

    def variables(self) -> dict[str, Any]:
        """The variables that both stacks take."""
        return {
            "env": self.env,
            "region": self.region,
            "account_id": self.account_id,
            "offline": self.offline,
            "emulated": self.emulated,
        }

    def environment(self) -> dict[str, str]:
        """What the AWS provider reads from the environment."""
        if not self.local_state:
            return {"AWS_REGION": self.region}
        return {
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_SESSION_TOKEN": "",
            "AWS_EC2_METADATA_DISABLED": "true",
            **({"AWS_ENDPOINT_URL": self.endpoint} if self.endpoint else {}),
        }


def tfvars_files(env: str, stack: str, folder: Path) -> list[Path]:
    """The files of an environment for a stack: the shared one, then the stack's own.

    Raises
    ------
    WrongUseError : there is no such environment
    """
    shared = folder / f"{env}.tfvars"
    if not shared.exists():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.tfvars") if "." not in path.stem))
        raise WrongUseError(f"there is no environment {env!r}: write infra/env/{env}.tfvars, or take one of {known}.")
    own = folder / f"{env}.{stack}.tfvars"
    return [shared, *([own] if own.exists() else [])]


def backend_lines(target: Target, stack: str, state: Path) -> str:
    """The override file that puts the state where the environment wants it."""
    if target.local_state:
        return f'terraform {{\n  backend "local" {{\n    path = {json.dumps(str(state))}\n  }}\n}}\n'
    settings = {
        "bucket": target.state_bucket,
        "key": f"{target.env}/{stack}.tfstate",
        "region": target.region,
    }
    body = "".join(f"    {key} = {json.dumps(value)}\n" for key, value in settings.items())
    return f'terraform {{\n  backend "s3" {{\n{body}    use_lockfile = true\n    encrypt = true\n  }}\n}}\n'


def copy_tree(source: Path, destination: Path) -> None:
    """Make ``destination`` hold what ``source`` holds, leaving Terraform's own files and the overrides."""

    def kept(path: Path) -> bool:
        return ".terraform" in path.parts or path.name.endswith("_override.tf")

    wanted = {
        path.relative_to(source) for path in source.rglob("*") if path.is_file() and not kept(path.relative_to(source))
    }
    present = {path.relative_to(destination) for path in destination.rglob("*") if path.is_file() or path.is_symlink()}
    for stale in {path for path in present if not kept(path)} - wanted:
        (destination / stale).unlink()
    for name in wanted:
        copy = destination / name
        content = (source / name).read_bytes()
        if not copy.exists() or copy.read_bytes() != content:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)


# -------------------------------------------------------------------------------------------- running a stack


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
    terraform : the program; None looks for it
    capture : keep Terraform's output instead of showing it
    """

    target: Target
    stack: Stack
    extra: Mapping[str, Any] = field(default_factory=dict)
    source: Path = ROOT / "infra"
    home: Path | None = None
    terraform: Path | None = None
    capture: bool = False

    def __post_init__(self) -> None:
        if self.terraform is None:
            self.terraform = find_terraform()

    @property
    def _place(self) -> Path:
        usual = embedded_home() if self.target.emulated else ROOT / "build" / "terraform"
        home = (self.home or Path(os.environ.get("TERRAFORM_HOME") or usual)).resolve()
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
        mirror = find_mirror()
        copy_tree(self.source, self._place / "infra")
        (self.directory / "backend_override.tf").write_text(backend_lines(self.target, self.stack, self.state))
        config = self._place / "terraform.rc"
        config.write_text(cli_config(mirror) + "\n")
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
                    f"registry, and no mirror with {PROVIDER} 5.100 for {current_platform()} was found. "
                    "Connect, or give a mirror: TF_PROVIDER_MIRROR=/folder/that/holds/registry.terraform.io."
                )
                print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
            elif not self.target.local_state and "NoSuchBucket" in done.stderr:
                hint = (
                    f"There is no bucket for Terraform's state yet ({self.target.state_bucket}). "
                    f"Fix: make state ENV={self.target.env}."
                )
            raise CommandFailedError(arguments, done.returncode, done.stdout + done.stderr, hint)
        stamp.write_text(now)

    def variables_file(self) -> Path:
        """Write the variables of target and caller to a file, which may hold lists and nulls."""
        path = self._place / f"{self.stack}.auto.json"
        given = {
            **self.target.variables(),
            **{key: value for key, value in self.extra.items() if value is not None},
        }
        path.write_text(json.dumps(given, indent=2, sort_keys=True))
        return path

    def _variables(self) -> list[str]:
        files = [
            *tfvars_files(self.target.env, self.stack, self._place / "infra" / "env"),
            self.variables_file(),
        ]
        return [f"-var-file={path}" for path in files]

    def validate(self) -> None:
        """Check the code of the stack."""
        self.prepare()
        self._checked(["validate"])

    def plan(self, *, out: Path | None = None, destroy: bool = False, arguments: Sequence[str] = ()) -> bool:
        """Plan, and say whether something would change.

        Parameters
        ----------
        out : where to keep the plan
        destroy : plan the stack's removal
        arguments : more arguments of ``terraform plan``

        Raises
        ------
        CommandFailedError : the plan is refused; the reason was printed
        """
        self.prepare()
        command = ["plan", "-input=false", "-detailed-exitcode", *self._variables(), *arguments]
        command += ["-destroy"] if destroy else []
        command += [f"-out={out.resolve()}"] if out else []
        done = self._run(command)
        if done.returncode not in (0, 2):
            raise CommandFailedError(command, done.returncode, done.stdout + done.stderr if self.capture else "")
        return done.returncode == 2

    def show(self, plan: Path) -> dict[str, Any]:
        """A kept plan as Terraform's JSON (format 1.2)."""
        done = self._run(["show", "-json", str(plan.resolve())], capture=True)
        if done.returncode:
            raise CommandFailedError(["show"], done.returncode, done.stderr)
        shown: dict[str, Any] = json.loads(done.stdout)
        return shown

    def apply(self, *, arguments: Sequence[str] = ()) -> None:
        """Apply without asking again (the caller has asked)."""
        self.prepare()
        self._checked(["apply", "-input=false", "-auto-approve", *self._variables(), *arguments])

    def destroy(self, *, arguments: Sequence[str] = ()) -> None:
        """Remove the stack without asking again (the caller has asked)."""
        self.prepare()
        self._checked(["destroy", "-input=false", "-auto-approve", *self._variables(), *arguments])

    def outputs(self) -> dict[str, Any]:
        """The outputs of the applied stack; empty where it is not applied."""
        self.prepare()
        done = self._run(["output", "-json"], capture=True)
        if done.returncode:
            raise CommandFailedError(["output"], done.returncode, done.stderr)
        return {name: entry["value"] for name, entry in json.loads(done.stdout).items()}

    def _checked(self, arguments: Sequence[str]) -> None:
        done = self._run(arguments)
        if done.returncode:
            raise CommandFailedError(arguments, done.returncode, done.stdout + done.stderr if self.capture else "")

    def _run(self, arguments: Sequence[str], *, capture: bool | None = None) -> subprocess.CompletedProcess[str]:
        capture = self.capture if capture is None else capture
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("TF_CLI_ARGS", "TF_VAR_"))}
        if self.target.local_state:
            environ = {name: value for name, value in environ.items() if not name.startswith("AWS_")}
        environ |= self.target.environment() | {
            "TF_CLI_CONFIG_FILE": str(self._place / "terraform.rc"),
            "GOGC": environ.get("GOGC", GOGC),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }
        assert self.terraform is not None
        command = [str(self.terraform), arguments[0], *arguments[1:]]
        if arguments[0] in ("init", "plan", "apply", "destroy", "validate", "output") and (
            capture or not sys.stdout.isatty()
        ):
            command.insert(2, "-no-color")
        return patient_run(command, cwd=self.directory, env=environ, pipe=subprocess.PIPE if capture else None)


def patient_run(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], pipe: int | None
) -> subprocess.CompletedProcess[str]:
    """Run Terraform to its end, on Ctrl-C too.

    The terminal sends Ctrl-C to Terraform as well, which then ends what it is doing and saves its state;
    ``subprocess.run`` would kill it after a quarter of a second, and what it made would be billed and known to nobody.
    """
    with subprocess.Popen(command, cwd=cwd, env=dict(env), text=True, stdout=pipe, stderr=pipe) as process:
        try:
            out, err = process.communicate()
        except KeyboardInterrupt:
            process.communicate()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out or "", err or "")


# ------------------------------------------------------------------------------------------- the command line


def embedded_home() -> Path:
    """Where the embedded AWS keeps its things, and Terraform the states of its account."""
    from localaws.settings import Settings

    return Settings.from_environment().home / "terraform"


def emulator_endpoint() -> str | None:
    """Where the embedded AWS listens, or None."""
    if given := os.environ.get("AWS_ENDPOINT_URL"):
        return given
    if importlib.util.find_spec("localaws") is None:
        return None
    asked = [sys.executable, "-m", "localaws", "env"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=ROOT)
    return parse_endpoint(done.stdout) if done.returncode == 0 else None


def parse_endpoint(lines: str) -> str | None:
    """The address in the shell commands of ``python -m localaws env``.

    >>> parse_endpoint("unset AWS_PROFILE\\nexport AWS_ENDPOINT_URL=http://127.0.0.1:40321\\n")
    'http://127.0.0.1:40321'
    """
    found = re.search(r"^export AWS_ENDPOINT_URL=(\S+)$", lines, re.MULTILINE)
    return shlex.split(found[1])[0] if found else None


def account_of(region: str) -> str:
    """The account of the credentials at hand.

    Raises
    ------
    NoCredentialsError : there are none, or AWS does not take them
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        account: str = boto3.client("sts", region_name=region).get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise NoCredentialsError(
            f"AWS does not know who we are ({error}). Log in (aws sso login, or AWS_PROFILE=…), work on this "
            "machine (ENV=local), or look at the plan without an account: OFFLINE=1."
        ) from error
    return account


def target_from(environ: Mapping[str, str], *, may_be_offline: bool) -> Target:
    """The target that ``ENV``, ``REGION`` and ``OFFLINE`` ask for."""
    env = environ.get("ENV") or "local"
    region = environ.get("REGION") or environ.get("AWS_REGION") or DEFAULT_REGION
    if environ.get("OFFLINE") == "1" and may_be_offline:
        return Target(
            env=env,
            region=region,
            account_id=EMULATED_ACCOUNT if env == "local" else NO_ACCOUNT,
            offline=True,
        )
    if env != "local":
        return Target(env=env, region=region, account_id=account_of(region))
    endpoint = emulator_endpoint()
    if endpoint is None and not may_be_offline:
        raise TerraformError("the embedded AWS of ENV=local is not running: start it with make local-up.")
    return Target(env=env, region=region, account_id=EMULATED_ACCOUNT, endpoint=endpoint, offline=endpoint is None)


def number(environ: Mapping[str, str], name: str) -> float | int | None:
    """A number given to make, such as ``IMAGES=90000``.

    >>> number({"IMAGES": "90_000"}, "IMAGES"), number({"MINUTES": "7.5"}, "MINUTES"), number({}, "IMAGES")
    (90000, 7.5, None)
    """
    text = environ.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise WrongUseError(f"{name}={text} is not a number; write for instance {name}=90000.") from error
    return int(value) if value.is_integer() else value


def artifact_uris(bucket: str, environ: Mapping[str, str], root: Path = ROOT) -> dict[str, str]:
    """The URIs of bootstrap script and wheelhouse: as given, or as their contents would be addressed.

    A wheelhouse is called by the hash of the lock of its architecture (``ARCH``: x86_64, the default, or arm64), the
    script by its own; both hashes are the first 16 digits of a sha256.

    >>> artifact_uris("b", {"BOOTSTRAP_URI": "s3://b/x.sh", "WHEELHOUSE_URI": "s3://b/w/"})
    {'bootstrap_uri': 's3://b/x.sh', 'wheelhouse_uri': 's3://b/w/'}
    """

    def digest(name: str) -> str:
        path = root / "bootstrap" / name
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else "not-built"

    machine = {"arm64": "aarch64"}.get(environ.get("ARCH", ""), environ.get("ARCH") or "x86_64")
    script, lock = "install_tensorflow.sh", f"requirements-{machine}.txt"
    return {
        "bootstrap_uri": environ.get("BOOTSTRAP_URI") or f"s3://{bucket}/bootstrap/{digest(script)}/{script}",
        "wheelhouse_uri": environ.get("WHEELHOUSE_URI") or f"s3://{bucket}/wheelhouse/{digest(lock)}/",
    }


def cluster_variables(
    target: Target, storage: Mapping[str, Any], environ: Mapping[str, str], boundary: str | None = None
) -> dict[str, Any]:
    """What the cluster stack is given beside its files: the storage stack's outputs, artifacts, sizes, boundary."""
    buckets = storage.get("buckets")
    artifacts = buckets["artifacts"] if buckets else f"fruits-{target.env}-artifacts-{target.account_id}"
    return {
        "buckets": buckets,
        "kms_key_arn": storage.get("kms_key_arn"),
        "images": number(environ, "IMAGES"),
        "minutes": number(environ, "MINUTES"),
        "permissions_boundary": boundary,
        **artifact_uris(artifacts, environ),
    }


def boundary_of(target: Target) -> str | None:
    """The policy that bounds every role of an environment, where the stack ``operators`` has made one.

    An operator may make roles only within it, so the cluster stack must name it; an account without that stack has
    none, and needs none.
    """
    if target.offline:
        return None
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    keys = (
        {"endpoint_url": target.endpoint, "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        if target.emulated
        else {}
    )
    arn = f"arn:aws:iam::{target.account_id}:policy/fruits-{target.env}-boundary"
    try:
        found: str = boto3.client("iam", region_name=target.region, **keys).get_policy(PolicyArn=arn)["Policy"]["Arn"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchEntity", "AccessDenied"):
            return None
        raise TerraformError(f"IAM did not say whether {arn} exists: {error}. Fix: run it again.") from error
    except BotoCoreError as error:
        raise TerraformError(f"IAM did not say whether {arn} exists: {error}. Fix: check the network.") from error
    return found


def github_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the stack of GitHub's roles is given beside its files: ``REPOSITORY``, ``SUBJECT`` and ``BRANCH``.

    Raises
    ------
    WrongUseError : no repository is named
    """
    if not environ.get("REPOSITORY"):
        raise WrongUseError("whose workflows may take the roles? Fix: REPOSITORY=owner/name.")
    names = {"repository": "REPOSITORY", "subject": "SUBJECT", "branch": "BRANCH"}
    return {variable: environ[name] for variable, name in names.items() if environ.get(name)}


def workspace(stack: Stack, target: Target, environ: Mapping[str, str], **options: Any) -> Workspace:
    """A stack with the variables that it takes in this environment."""
    if stack in ("storage", "operators"):
        return Workspace(target=target, stack=stack, **options)
    if stack == "github":
        return Workspace(target=target, stack=stack, extra=github_variables(environ), **options)
    storage = Workspace(target=target, stack="storage", **options).outputs() if not target.offline else {}
    extra = cluster_variables(target, storage, environ, boundary_of(target))
    return Workspace(target=target, stack=stack, extra=extra, **options)


def summary(plan: Mapping[str, Any], region: str) -> list[str]:
    """What somebody wants to know before saying yes: what would be replaced, how large it is, what an hour costs."""
    lines = [
        f"   replaces {address}, because of {', '.join(why) or 'another resource'}"
        for address, why in policies.replaced(plan).items()
    ]
    outputs = {name: entry.get("value") for name, entry in plan["planned_values"].get("outputs", {}).items()}
    if sizing := outputs.get("sizing"):
        minutes = sizing["expected_minutes"]
        fleets = ", ".join(f"{name} {fleet['units']}" for name, fleet in outputs["fleets"].items() if name != "primary")
        lines.append(f"   vCPUs: {fleets}" + (f"; the step should take {minutes} min" if minutes else ""))
    try:
        hour = policies.price(plan, region)
    except prices.UnknownPriceError as error:
        return [*lines, f"   the price cannot be told: {error}"]
    if hour is not None:
        spot = abs(hour.total - hour.total_on_demand) > 0.005
        fallback = f" ({hour.total_on_demand:.2f} where Spot has nothing)" if spot else ""
        lines.append(
            f"   an hour costs at most {hour.total:.2f} USD{fallback}: EC2 {hour.ec2:.2f}, EMR {hour.emr:.2f}, "
            f"volumes {hour.ebs:.2f}, network {hour.network:.2f}, before tax"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0, 1 Terraform said no, 2 wrong use, 3 no usable Terraform, 4 no credentials, 5 a rule is broken."""
    parser = argparse.ArgumentParser(prog="python -m ops.terraform.workspace", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["plan", "apply", "destroy", "validate", "fmt", "outputs"])
    parser.add_argument("--stack", choices=[*STACKS, *ADMINISTRATORS, "both"], default="both")
    parser.add_argument(
        "--check", action="store_true", help="with fmt: change nothing, fail where something is not formatted"
    )
    options = parser.parse_args(arguments)
    try:
        return _do(options)
    except TerraformError as error:
        print(f"make: {error}", file=sys.stderr)
        return error.exit_code


def _do(options: argparse.Namespace) -> int:
    environ = os.environ
    terraform = find_terraform()
    if options.command == "fmt":
        command = [
            str(terraform),
            "fmt",
            "-recursive",
            *(["-check", "-diff"] if options.check else []),
            str(ROOT / "infra"),
            str(ROOT / "tests" / "infra" / "roots"),
        ]
        quiet = {**environ, "TF_CLI_CONFIG_FILE": os.devnull}
        return subprocess.run(command, check=False, env=quiet).returncode
    chosen: tuple[Stack, ...] = STACKS if options.stack == "both" else (options.stack,)
    if options.command == "validate":
        chosen = (*STACKS, *ADMINISTRATORS) if options.stack == "both" else chosen
        target = Target(env="local", region=DEFAULT_REGION, account_id=NO_ACCOUNT, offline=True)
    else:
        target = target_from(environ, may_be_offline=options.command == "plan")
    broken: list[policies.Violation] = []
    for stack in chosen if options.command != "destroy" else chosen[::-1]:
        if options.command == "validate":
            Workspace(target=target, stack=stack, terraform=terraform).validate()
            continue
        work = workspace(stack, target, environ, terraform=terraform)
        if options.command == "plan":
            print(f"── {stack} of ENV={target.env}{' without asking AWS' if target.offline else ''}", flush=True)
            kept = work.state.with_suffix(".tfplan")
            work.plan(out=kept)
            shown = work.show(kept)
            print("\n".join(summary(shown, target.region)), flush=True)
            broken += policies.check(shown, ceiling=number(environ, "MAX_USD_PER_HOUR"), region=target.region)
        elif options.command == "outputs":
            print(json.dumps(work.outputs(), indent=2))
        else:
            getattr(work, options.command)()
    for violation in broken:
        print(f"make: the plan breaks a rule: {violation}", file=sys.stderr)
    return BROKEN_RULE if broken else 0


if __name__ == "__main__":
    sys.exit(main())
