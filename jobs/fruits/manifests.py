"""Which feature files count. A wave's manifest is written last; what no manifest names does not exist.

That makes a wave atomic on every store, whatever the store's rename does, and a killed run harmless.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any

from fruits.errors import OutputError
from fruits.featurize import FEATURES, REJECTS
from fruits.images import PREPROCESSING_VERSION
from fruits.models import PublishedModel
from fruits.parts import Part
from fruits.store import Store

FOLDER = f"{FEATURES}/_manifests"


@dataclass(frozen=True)
class State:
    """The feature and reject files that count, and the manifests that say so."""

    manifests: tuple[str, ...]
    features: tuple[Part, ...]
    rejects: tuple[Part, ...]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.features)

    @property
    def fingerprint(self) -> str:
        """Changes with the set of feature files."""
        names = "\n".join(sorted(part.name for part in self.features))
        return hashlib.sha256(names.encode()).hexdigest()


def _identity(model: PublishedModel) -> dict[str, Any]:
    return {"model": model.name, "model_sha256": model.identity, "preprocessing": PREPROCESSING_VERSION}


def write(
    output: Store,
    model: PublishedModel,
    features: list[Part],
    rejects: list[Part],
    *,
    supersedes: tuple[str, ...] = (),
) -> str:
    """Make files count, and in the same moment let older manifests count no more.

    Returns
    -------
    str
        The manifest's key.
    """
    key = f"{FOLDER}/{uuid.uuid4().hex}.json"
    record = {
        **_identity(model),
        FEATURES: [part.as_json() for part in features],
        REJECTS: [part.as_json() for part in rejects],
        "supersedes": list(supersedes),
    }
    output.write(key, json.dumps(record, indent=1).encode())
    return key


def load(output: Store, model: PublishedModel) -> State:
    """Read all manifests.

    Raises
    ------
    OutputError
        When the features there were made by another network or preprocessing, or a manifest is damaged.
    """
    keys = sorted(entry.key for entry in output.list(FOLDER) if entry.key.endswith(".json") and entry.is_file)
    records: dict[str, dict[str, Any]] = {}
    for key in keys:
        try:
            record = json.loads(output.read(key))
            theirs = {name: record[name] for name in _identity(model)}
            record[FEATURES] = [Part(**part) for part in record[FEATURES]]
            record[REJECTS] = [Part(**part) for part in record[REJECTS]]
            record["supersedes"] = [str(older) for older in record["supersedes"]]
        except (ValueError, KeyError, TypeError) as error:
            raise OutputError(
                f"the manifest {output.location(key)} is damaged ({error}). Fix: delete it; its images are featurized "
                "again."
            ) from error
        if theirs != _identity(model):
            raise OutputError(_other(output, model, theirs))
        records[key] = record
    superseded = {key for record in records.values() for key in record["supersedes"]}
    current = {key: record for key, record in records.items() if key not in superseded}
    return State(
        tuple(keys),
        tuple(part for record in current.values() for part in record[FEATURES]),
        tuple(part for record in current.values() for part in record[REJECTS]),
    )


def _other(output: Store, model: PublishedModel, theirs: dict[str, Any]) -> str:
    if theirs["model"] != model.name:
        what = f"made by {theirs['model']}, and this run uses {model.name}"
    elif theirs["preprocessing"] != PREPROCESSING_VERSION:
        what = f"made by preprocessing {theirs['preprocessing']}, and this run uses {PREPROCESSING_VERSION}"
    elif theirs["model_sha256"].partition("+")[0] == model.sha256:
        what = (
            f"computed in {theirs['model_sha256'].partition('+')[2] or 'f32'}, and this run computes in "
            f"{model.precision}"
        )
    else:
        what = (
            f"made by another {model.name} (file {theirs['model_sha256'][:12]}…; this run: {model.sha256[:12]}…: other "
            "weights, image size, engine or TensorFlow)"
        )
    return f"the output {output.uri} holds features {what}. Fix: another output, or delete {output.location(FEATURES)}."


def replace(output: Store, model: PublishedModel, old: State, features: list[Part], rejects: list[Part]) -> State:
    """Let new files stand for all old ones, in one moment: when the new manifest is there."""
    write(output, model, features, rejects, supersedes=old.manifests)
    for key in old.manifests:
        output.delete(key)
    return load(output, model)


def sweep(output: Store, state: State) -> int:
    """Delete the Parquet files that no manifest names: what killed and superseded attempts left.

    Returns
    -------
    int
        How many.
    """
    swept = 0
    for folder, parts in ((FEATURES, state.features), (REJECTS, state.rejects)):
        known = {f"{folder}/{part.name}" for part in parts}
        for entry in output.list(folder):
            if entry.is_file and entry.key.endswith(".parquet") and entry.key not in known:
                output.delete(entry.key)
                swept += 1
    return swept
