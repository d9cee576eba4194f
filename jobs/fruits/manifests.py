"""Which feature files count. A wave's manifest is written last; a file that no manifest names does not count.

That makes a wave atomic on every store, whatever the store's rename does, and a killed run harmless. A manifest holds a
digest of itself; a damaged one counts for nothing, and its features are made again.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from fruits import versions
from fruits.errors import OutputError
from fruits.featurize import FEATURES, REJECTS
from fruits.images import PREPROCESSING_VERSION
from fruits.models import PublishedModel
from fruits.parts import Part
from fruits.store import Store

FOLDER = f"{FEATURES}/_manifests"


@dataclass(frozen=True)
class State:
    """The feature and reject files that count.

    Attributes
    ----------
    manifests : tuple of str
        Keys of the intact manifests.
    features, rejects : tuple of Part
    made_with : tuple of dict
        Versions with which the features were made; more than one where they are mixed.
    damaged : tuple of str
        Keys of damaged manifests.
    """

    manifests: tuple[str, ...]
    features: tuple[Part, ...]
    rejects: tuple[Part, ...]
    made_with: tuple[dict[str, str], ...] = ()
    damaged: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.features)

    @property
    def fingerprint(self) -> str:
        """Changes with the set of feature files."""
        names = "\n".join(sorted(part.name for part in self.features))
        return hashlib.sha256(names.encode()).hexdigest()


def _make_identity(model: PublishedModel) -> dict[str, Any]:
    return {"model": model.name, "model_sha256": model.identity, "preprocessing": PREPROCESSING_VERSION}


def write(
    output: Store,
    model: PublishedModel,
    features: list[Part],
    rejects: list[Part],
    *,
    supersedes: tuple[str, ...] = (),
    made_with: dict[str, str] | None = None,
) -> str:
    """Write a manifest: its files count from now on, and older manifests that it supersedes no longer do.

    Parameters
    ----------
    made_with : dict, optional
        Versions with which the features were made; by default those of this process.

    Returns
    -------
    str
        The manifest's key.
    """
    key = f"{FOLDER}/{uuid.uuid4().hex}.json"
    record = {
        **_make_identity(model),
        "made_with": versions.collect_makers(model.engine) if made_with is None else made_with,
        FEATURES: [part.as_json() for part in features],
        REJECTS: [part.as_json() for part in rejects],
        "supersedes": list(supersedes),
    }
    output.write(key, json.dumps({**record, "sha256": _hash_record(record)}, indent=1).encode())
    return key


def _hash_record(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _read(output: Store, key: str, model: PublishedModel) -> dict[str, Any] | None:
    """Read a manifest with its parts; None for a damaged one."""
    try:
        record = json.loads(output.read(key))
        if record.pop("sha256", None) not in (None, _hash_record(record)):
            return None
        record["identity"] = {name: record[name] for name in _make_identity(model)}
        record[FEATURES] = [Part(**part) for part in record[FEATURES]]
        record[REJECTS] = [Part(**part) for part in record[REJECTS]]
        record["supersedes"] = [str(older) for older in record["supersedes"]]
        record["made_with"] = dict(record.get("made_with", {}))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return dict(record)


def load(output: Store, model: PublishedModel) -> State:
    """Read all manifests.

    Raises
    ------
    OutputError
        When its features were made by another network or preprocessing.
    """
    keys = sorted(entry.key for entry in output.list(FOLDER) if entry.key.endswith(".json") and entry.is_file)
    with ThreadPoolExecutor(16) as pool:
        records_by_key = dict(zip(keys, pool.map(lambda key: _read(output, key, model), keys), strict=True))
    records = {key: record for key, record in records_by_key.items() if record is not None}
    for record in records.values():
        if record["identity"] != _make_identity(model):
            raise OutputError(_explain_difference(output, model, record["identity"]))
    superseded = {key for record in records.values() for key in record["supersedes"]}
    current = [record for key, record in records.items() if key not in superseded]
    made_with = {json.dumps(record["made_with"], sort_keys=True): record["made_with"] for record in current}
    return State(
        tuple(records),
        tuple(part for record in current for part in record[FEATURES]),
        tuple(part for record in current for part in record[REJECTS]),
        tuple(made_with.values()),
        tuple(key for key in keys if key not in records),
    )


def require_alike(output: Store, model: PublishedModel, state: State) -> None:
    """Refuse to add features to others that were made with other versions.

    Raises
    ------
    OutputError
        Naming what differs.
    """
    mine = versions.collect_makers(model.engine)
    for other in state.made_with:
        different = sorted(name for name in mine.keys() | other.keys() if mine.get(name) != other.get(name))
        if different:
            made_with = ", ".join(f"{name} {other.get(name, 'not recorded')}" for name in different)
            my_versions = ", ".join(f"{name} {mine.get(name, 'none')}" for name in different)
            raise OutputError(
                f"the output {output.uri} holds features made with {made_with}, and this run has {my_versions}: new "
                "features could differ from them without a trace. Fix: another output; or delete "
                f"{output.location(FEATURES)}, and all are made again."
            )


def _explain_difference(output: Store, model: PublishedModel, identity: dict[str, Any]) -> str:
    if identity["model"] != model.name:
        difference = f"made by {identity['model']}, and this run uses {model.name}"
    elif identity["preprocessing"] != PREPROCESSING_VERSION:
        difference = f"made by preprocessing {identity['preprocessing']}, and this run uses {PREPROCESSING_VERSION}"
    elif identity["model_sha256"].partition("+")[0] == model.sha256:
        difference = (
            f"computed in {identity['model_sha256'].partition('+')[2] or 'f32'}, and this run computes in "
            f"{model.precision}"
        )
    else:
        difference = (
            f"made by another {model.name} (file {identity['model_sha256'][:12]}…; this run: {model.sha256[:12]}…: "
            "other weights, image size, engine or TensorFlow)"
        )
    features = output.location(FEATURES)
    return f"the output {output.uri} holds features {difference}. Fix: another output, or delete {features}."


def replace(output: Store, model: PublishedModel, state: State, features: list[Part], rejects: list[Part]) -> State:
    """Replace all files at once: the new ones count as soon as the new manifest is written."""
    made_with = state.made_with[0] if state.made_with else None
    write(output, model, features, rejects, supersedes=state.manifests, made_with=made_with)
    output.delete_all(state.manifests)
    return load(output, model)


def sweep(output: Store, state: State) -> int:
    """Delete Parquet files that no manifest names (killed attempts leave them), and damaged manifests.

    Returns
    -------
    int
        How many Parquet files.
    """
    counted = {f"{folder}/{part.name}" for folder, parts in _list_tables(state) for part in parts}
    existing = [entry.key for folder, _ in _list_tables(state) for entry in output.list(folder) if entry.is_file]
    orphans = [key for key in existing if key.endswith(".parquet") and key not in counted]
    output.delete_all([*orphans, *state.damaged])
    return len(orphans)


def _list_tables(state: State) -> tuple[tuple[str, tuple[Part, ...]], ...]:
    return (FEATURES, state.features), (REJECTS, state.rejects)
