"""What a plan changes, read from ``terraform show -json``: pure functions on plain values.

Values that Terraform or their name calls secret are replaced before anything is compared or written.
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fruits.wording import format_count

from ops.plan.masking import HIDDEN, SECRET_NAME

UNKNOWN = "(known after apply)"
LONGEST = 160  # characters of a value
MOST_LINES = 40  # of a changed document

Kind = Literal["replace", "destroy", "update", "create", "forget"]
SYMBOLS: Mapping[Kind, str] = {"replace": "-/+", "destroy": "-", "update": "!", "create": "+", "forget": "!"}

# What a cluster is, and what holds images, results or the key to them.
CLUSTERS = frozenset({"aws_emr_cluster"})
KEEPERS = frozenset({"aws_s3_bucket", "aws_kms_key"})


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One changed attribute.

    Attributes
    ----------
    path : as ``core_instance_fleet.0.target_on_demand_capacity``
    before, after : as Terraform writes values, cut to a readable length; "" where there is none
    forces : whether it is this that makes the provider replace the resource
    """

    path: str
    before: str
    after: str
    forces: bool


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a plan does to one resource.

    Attributes
    ----------
    because : attributes that make the provider replace it; empty where something else does (``triggered``)
    triggered : it is replaced because a resource that it names in ``replace_triggered_by`` changes
    """

    address: str
    type: str
    kind: Kind
    attributes: tuple[Attribute, ...]
    because: tuple[str, ...] = ()
    triggered: bool = False

    @property
    def module(self) -> str:
        """The module's address; "" in the root."""
        return self.address.rpartition(f"{self.type}.")[0].rstrip(".")


def find_kind(actions: list[str]) -> Kind | None:
    """What a list of actions means; None where nothing is done to what is there.

    >>> find_kind(["delete", "create"]), find_kind(["update"]), find_kind(["no-op"]), find_kind(["read"])
    ('replace', 'update', None, None)
    """
    if {"create", "delete"} <= set(actions):
        return "replace"
    kinds: dict[str, Kind] = {"delete": "destroy", "update": "update", "create": "create", "forget": "forget"}
    return kinds.get(actions[0])


def list_changes(plan: Mapping[str, Any]) -> list[Change]:
    """What a plan does, the gravest first: clusters, then what holds data, replaced, destroyed, updated, created."""
    listed = []
    for entry in plan.get("resource_changes", []):
        kind = find_kind(entry["change"]["actions"])
        if kind is None or entry["mode"] != "managed":
            continue
        change = entry["change"]
        forcing = [[str(part) for part in path] for path in change.get("replace_paths", [])]
        listed.append(
            Change(
                address=entry["address"],
                type=entry["type"],
                kind=kind,
                attributes=tuple(list_attributes(change, forcing)),
                because=tuple(sorted(".".join(path) for path in forcing)),
                triggered=entry.get("action_reason") == "replace_by_triggers",
            )
        )
    order: list[Kind] = ["replace", "destroy", "forget", "update", "create"]
    return sorted(
        listed,
        key=lambda entry: (
            entry.kind in ("update", "create") or entry.type not in CLUSTERS | KEEPERS,
            entry.type not in CLUSTERS,
            order.index(entry.kind),
            entry.address,
        ),
    )


def list_attributes(change: Mapping[str, Any], forcing: list[list[str]]) -> Iterator[Attribute]:
    """The attributes that a change changes, those that force a replacement first."""
    before = flatten(hide_values(change.get("before"), change.get("before_sensitive")))
    after = flatten(
        hide_values(_with_unknown(change.get("after"), change.get("after_unknown")), change.get("after_sensitive"))
    )
    differing = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    # an attribute that AWS fills in says nothing about a change
    anew = {"create", "delete"} <= set(change.get("actions", []))

    def forces(path: tuple[str, ...]) -> bool:
        return any(path[: len(start)] == tuple(start) for start in forcing)

    telling = [
        path for path in differing if after.get(path) != UNKNOWN or forces(path) or (path in before and not anew)
    ]
    for path in sorted(telling, key=lambda path: (not forces(path), path)):
        yield Attribute(
            path=".".join(path),
            before=format_value(before.get(path)),
            after=format_value(after.get(path)),
            forces=forces(path),
        )


def hide_values(value: Any, sensitive: Any, name: str = "") -> Any:
    """A value in which everything that is called sensitive, or has a secret's name, is `HIDDEN`.

    Parameters
    ----------
    sensitive : ``before_sensitive`` or ``after_sensitive``: true for all of it, or the same shape

    >>> hide_values({"user": "a", "password": "b", "url": "c"}, {"url": True})
    {'user': 'a', 'password': '(sensitive)', 'url': '(sensitive)'}
    """
    if sensitive is True or (name and SECRET_NAME.search(name) and isinstance(value, str) and value):
        return HIDDEN
    if isinstance(value, dict):
        marks = sensitive if isinstance(sensitive, dict) else {}
        return {key: hide_values(part, marks.get(key), key) for key, part in value.items()}
    if isinstance(value, list):
        marked = sensitive if isinstance(sensitive, list) else []
        return [
            hide_values(part, marked[position] if position < len(marked) else None)
            for position, part in enumerate(value)
        ]
    return value


def find_secrets(plan: Mapping[str, Any]) -> set[str]:
    """Every string that a plan calls sensitive: it may stand elsewhere too, where nobody marked it."""
    texts: set[str] = set()

    def strings(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for part in value.values():
                yield from strings(part)
        elif isinstance(value, list):
            for part in value:
                yield from strings(part)

    def walk(value: Any, sensitive: Any) -> None:
        if sensitive is True:
            texts.update(strings(value))
        elif isinstance(value, dict) and isinstance(sensitive, dict):
            for key, part in value.items():
                walk(part, sensitive.get(key))
        elif isinstance(value, list) and isinstance(sensitive, list):
            for part, mark in zip(value, sensitive, strict=False):
                walk(part, mark)

    for entry in [*plan.get("resource_changes", []), *plan.get("resource_drift", [])]:
        for side in ("before", "after"):
            walk(entry["change"].get(side), entry["change"].get(f"{side}_sensitive"))
    for change in plan.get("output_changes", {}).values():
        for side in ("before", "after"):
            walk(change.get(side), change.get(f"{side}_sensitive"))
    declared = plan.get("configuration", {}).get("root_module", {}).get("variables", {})
    for name, variable in plan.get("variables", {}).items():
        if declared.get(name, {}).get("sensitive"):
            texts.update(strings(variable.get("value")))
    return texts


def _with_unknown(value: Any, unknown: Any) -> Any:
    """The planned value with `UNKNOWN` where it is only known after apply."""
    if unknown is True:
        return UNKNOWN
    if isinstance(unknown, dict):
        base = value if isinstance(value, dict) else {}
        return {key: _with_unknown(base.get(key), unknown.get(key)) for key in {**base, **unknown}}
    if isinstance(unknown, list):
        values = value if isinstance(value, list) else []
        longest = max(len(values), len(unknown))
        return [
            _with_unknown(values[n] if n < len(values) else None, unknown[n] if n < len(unknown) else None)
            for n in range(longest)
        ]
    return value


def flatten(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """The leaves of a value by path; what is null, empty or a copy of the tags is left out.

    >>> flatten({"a": [{"b": 1}], "c": None, "d": []})
    {('a', '0', 'b'): 1}
    """
    if isinstance(value, dict):
        parts = [(str(key), part) for key, part in value.items() if path or key != "tags_all"]
    elif isinstance(value, list):
        parts = [(str(position), part) for position, part in enumerate(value)]
    else:
        return {} if value is None else {path: value}
    return {leaf: leaf_value for key, part in parts for leaf, leaf_value in flatten(part, (*path, key)).items()}


def format_value(value: Any) -> str:
    """A leaf as Terraform writes it; "" where there is none."""
    if value is None:
        return ""
    if value in (HIDDEN, UNKNOWN):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def cut_value(text: str) -> str:
    """A value of a readable length."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"


def parse_document(text: str) -> list[str] | None:
    """The lines of a JSON document that an attribute holds; None where it holds none."""
    try:
        content = json.loads(json.loads(text))
    except (ValueError, TypeError):
        return None
    return json.dumps(content, indent=1, ensure_ascii=False).splitlines() if isinstance(content, dict | list) else None


def render_lines(change: Change) -> list[str]:
    """A change for a reader, as lines of a diff."""
    symbol = SYMBOLS[change.kind]
    why = f"  # replaced because of {', '.join(change.because)}" if change.because else ""
    why = why or ("  # replaced because a resource that it is triggered by changes" if change.triggered else "")
    texts = [f"{symbol} {change.address}{why}"]
    for attribute in change.attributes:
        mark = "  # forces replacement" if attribute.forces else ""
        lines_before, lines_after = parse_document(attribute.before), parse_document(attribute.after)
        if lines_before and lines_after:
            diff = list(difflib.unified_diff(lines_before, lines_after, n=1, lineterm=""))[2:]
            cut = [f"{line[:1]}       {cut_value(line[1:])}" for line in diff if not line.startswith("@@")]
            texts += [f"      {attribute.path}:{mark}", *cut[:MOST_LINES]]
            texts += [f"        … {format_count(len(cut) - MOST_LINES, 'more line')}"] if len(cut) > MOST_LINES else []
        elif change.kind in ("create", "destroy"):
            texts.append(
                f"      {attribute.path}: {cut_value(attribute.after if change.kind == 'create' else attribute.before)}"
            )
        else:
            before, after = (cut_value(text) or "null" for text in (attribute.before, attribute.after))
            texts.append(f"      {attribute.path}: {before} → {after}{mark}")
    return texts
