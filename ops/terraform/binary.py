"""Find Terraform and its AWS provider: the program, its version, mirrors, and what its own configuration must say."""

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ops.core.errors import ExitCode, TerraformError, WrongUseError
from ops.core.paths import ROOT
from ops.core.programs import inherited_environment

MINIMUM = (1, 10, 0)
INSTALL = "https://developer.hashicorp.com/terraform/install"
PROVIDER = Path("registry.terraform.io/hashicorp/aws")


class MissingTerraformError(TerraformError):
    """There is no Terraform, or what is named as one is none."""

    exit_code = ExitCode.PROGRAM


class OldTerraformError(TerraformError):
    """Terraform is older than the stacks need.

    Attributes
    ----------
    found : the version found
    """

    exit_code = ExitCode.PROGRAM

    def __init__(self, path: Path, version: tuple[int, ...]) -> None:
        super().__init__(
            f"Terraform {_dotted(version)} ({path}) is too old: the stacks need {_dotted(MINIMUM)} or newer. "
            f"Fix: install a newer one from {INSTALL}, or name another: TERRAFORM=/path/to/terraform."
        )
        self.found = version


def _dotted(version: Sequence[int]) -> str:
    return ".".join(str(part) for part in version)


def parse_version(banner: str) -> tuple[int, ...] | None:
    """The version in what ``terraform version`` prints.

    >>> parse_version("Terraform v1.11.4\\non linux_amd64")
    (1, 11, 4)
    >>> parse_version("Terraform v1.12.0-beta1")
    (1, 12, 0)
    """
    match = re.search(r"^(?:Terraform|OpenTofu) v(\d+)\.(\d+)\.(\d+)", banner, re.MULTILINE)
    return tuple(int(part) for part in match.groups()) if match else None


def find_terraform(environ: Mapping[str, str] | None = None) -> Path:
    """Terraform from ``TERRAFORM`` or the search path, of a version that the stacks run on.

    Raises
    ------
    MissingTerraformError, OldTerraformError
    """
    environ = inherited_environment() if environ is None else environ
    name = environ.get("TERRAFORM")
    program = shutil.which(name or "terraform", path=environ.get("PATH"))
    if program is None:
        where = f"TERRAFORM names {name}, which is not there" if name else "Terraform was not found on the search path"
        raise MissingTerraformError(
            f"{where}. Fix: install {_dotted(MINIMUM)} or newer from {INSTALL}, or name one: "
            "TERRAFORM=/path/to/terraform."
        )
    path = Path(program)
    # A configuration file that is not there makes every command print a warning on its standard error.
    quiet = {**environ, "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull}
    try:
        run = subprocess.run([path, "version"], capture_output=True, text=True, check=False, env=quiet, timeout=60)
    except OSError as error:
        raise MissingTerraformError(
            f"{path} cannot be run ({error.strerror}). Fix: name another, TERRAFORM=/path/to/terraform."
        ) from error
    version = parse_version(run.stdout)
    if version is None:
        raise MissingTerraformError(
            f"{path} does not answer like Terraform. Fix: name another, TERRAFORM=/path/to/terraform."
        )
    if version < MINIMUM:
        raise OldTerraformError(path, version)
    return path


def name_platform(system: str | None = None, machine: str | None = None) -> str:
    """This machine as Terraform names it.

    >>> name_platform("Darwin", "arm64"), name_platform("Linux", "x86_64")
    ('darwin_arm64', 'linux_amd64')
    """
    system, machine = (system or platform.system()).lower(), (machine or platform.machine()).lower()
    return f"{system}_{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(machine, machine) }".replace(" ", "")


def holds_provider(mirror: Path, target: str) -> bool:
    """Whether a mirror, packed or unpacked, has our provider (5.100 or a later 5.x) for a platform."""
    home = mirror / PROVIDER
    unpacked = (path.parts[-3] for path in home.glob(f"*/{target}/terraform-provider-aws*"))
    packed = (path.name.split("_")[1] for path in home.glob(f"terraform-provider-aws_*_{target}.zip"))
    return any(map(_fits, {*unpacked, *packed}))


def _fits(version: str) -> bool:
    """Whether a version is one that ``~> 5.100`` allows.

    >>> _fits("5.100.0"), _fits("5.99.1"), _fits("6.2.0")
    (True, False, False)
    """
    match = re.fullmatch(r"5\.(\d+)\.\d+", version)
    return match is not None and int(match[1]) >= 100


def list_implied_mirrors(home: Path, environ: Mapping[str, str]) -> Iterator[Path]:
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
    environ = inherited_environment() if environ is None else environ
    target = target or name_platform()
    if folder := environ.get("TF_PROVIDER_MIRROR"):
        if holds_provider(Path(folder), target):
            return Path(folder)
        raise WrongUseError(
            f"TF_PROVIDER_MIRROR names {folder}, which holds no {PROVIDER} 5.100 for {target}. "
            "Fix: name the folder that contains registry.terraform.io, or unset it to use the registry."
        )
    candidates = [*list_implied_mirrors(home or Path.home(), environ)]
    for place in below:
        candidates += [place, *sorted(path for path in place.glob("*") if path.is_dir())]
    return next((path for path in candidates if holds_provider(path, target)), None)


def render_cli_config(mirror: Path | None) -> str:
    """What Terraform's own configuration file must say.

    >>> print(render_cli_config(Path("/srv/mirror")))
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
    >>> print(render_cli_config(None))
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
