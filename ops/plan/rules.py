"""The register of the rules that a plan must keep to; each is a function of the plan's resources."""

from collections.abc import Callable, Iterator

from ops.plan.contents import Resource

Rule = Callable[[list[Resource]], Iterator[tuple[str, str]]]
RULES: dict[str, Rule] = {}


def rule(function: Rule) -> Rule:
    """Register a rule under its name, with hyphens."""
    RULES[function.__name__.replace("_", "-")] = function
    return function
