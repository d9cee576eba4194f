"""How this package changes moto: every change names what it expects to find and fails loudly when moto has moved."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from localaws.errors import MotoMovedError

MOTO_VERSION = "5.2.5"


def check_version() -> None:
    """Raise MotoMovedError unless the installed moto is the one the corrections were written for."""
    installed = version("moto")
    if installed != MOTO_VERSION:
        raise MotoMovedError(
            f"moto {installed} is installed, the embedded AWS is written for moto {MOTO_VERSION}: "
            "install it with make setup, or review localaws against the new version and change MOTO_VERSION"
        )


def add_attribute(owner: Any, name: str, value: Any) -> None:
    """Give ``owner`` an attribute that moto lacks."""
    if hasattr(owner, name):
        raise MotoMovedError(
            f"moto now has {_name(owner, name)}: compare it with ours, and drop ours if it is the same"
        )
    setattr(owner, name, value)


def replace_attribute(owner: Any, name: str, value: Any) -> Any:
    """Replace an attribute that moto has; the original is returned."""
    original = getattr(owner, name, None)
    if original is None:
        raise MotoMovedError(f"moto no longer has {_name(owner, name)}: localaws must be written for this version")
    setattr(owner, name, value)
    return original


def wrap_method(owner: Any, name: str, function: Callable[..., Any]) -> None:
    """Replace a method that moto has by a function, which gets the original before the arguments."""
    is_static = isinstance(vars(owner).get(name), staticmethod)
    original = replace_attribute(owner, name, None)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return function(original, *args, **kwargs)

    setattr(owner, name, staticmethod(wrapped) if is_static else wrapped)


def add_operations(owner: Any, *operations: Callable[[Any], Any]) -> None:
    """Give a service operations that moto lacks (`answers.operation`)."""
    for operation in operations:
        add_attribute(owner, operation.__name__, operation)


def require_attributes(owner: Any, *names: str) -> None:
    """Require attributes of moto's that are used unchanged."""
    missing = [name for name in names if not hasattr(owner, name)]
    if missing:
        raise MotoMovedError(
            f"moto no longer has {_name(owner, missing[0])}: localaws must be written for this version"
        )


def _name(owner: Any, attribute: str) -> str:
    owner_name = getattr(owner, "__qualname__", owner.__class__.__name__)
    return f"{getattr(owner, '__module__', '')}.{owner_name}.{attribute}".lstrip(".")
