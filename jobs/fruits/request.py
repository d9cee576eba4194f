"""What a run is asked to do: one dataclass, from which everything that reads or lists its fields is derived.

The job's command line and the request file (`fruits.command_line`), make's variables, `fruits`' options and the tables
in README and docs are derived from the fields: a new one is written in this file, and nowhere else.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from fruits.errors import UsageError

DEFAULT_MODEL = "efficientnet_lite0"
DEFAULT_VARIANCE = 0.95
ENGINES = ("fast", "tensorflow")
PRECISIONS = ("f32", "bf16")


def parse_whole(text: str) -> int:
    """A whole number in plain digits, at most fifteen: a float holds it exactly, and a typing error is refused.

    Raises
    ------
    ValueError
        For anything else that Python would take: ``1_000``, digits of other scripts.

    >>> parse_whole("50"), parse_whole(" -3 ")
    (50, -3)
    """
    if not re.fullmatch(r"-?[0-9]{1,15}", text.strip()):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def parse_decimal(text: str) -> float:
    """A number in plain digits, with or without a point and an exponent of two digits: always finite.

    Raises
    ------
    ValueError
        For anything else that Python would take: ``nan``, ``inf``, ``1e400``, ``1_000``, digits of other scripts.

    >>> parse_decimal("0.95"), parse_decimal("1e-3")
    (0.95, 0.001)
    """
    if not re.fullmatch(r"-?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(?:[eE][+-]?[0-9]{1,2})?", text.strip()):
        raise ValueError(f"{text!r} is not a number")
    return float(text)


def parse_share(text: str) -> float:
    """A share, as a number or in percent.

    >>> parse_share("0.95"), parse_share("95 %")
    (0.95, 0.95)
    """
    number = text.strip()
    return parse_decimal(number.removesuffix("%")) / 100 if number.endswith("%") else parse_decimal(number)


def is_model_file(model: str) -> bool:
    """Whether a request's model is the path of a file of Keras', and not the name of a backbone.

    >>> [is_model_file(model) for model in ("resnet50", "s3://b/mine.v2.keras", "older.h5")]
    [False, True, True]
    """
    return model.endswith((".keras", ".h5"))


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a field is, for reading it from a text and for explaining it.

    Attributes
    ----------
    text : one line; what a document sets as code stands between backticks
    kind : text, a whole number, a share (0.95 or 95%), or names
    shown : what stands for the value in a help text
    otherwise : what a run takes where the field is left out and its default is None
    typed : whether users set it; the other fields are set by the commands
    """

    text: str
    kind: Literal["text", "whole", "share", "names"] = "text"
    shown: str = ""
    otherwise: str = ""
    typed: bool = True

    @property
    def plain(self) -> str:
        """The line for a terminal."""
        return self.text.replace("`", "")

    def read(self, text: str) -> str | int | float:
        """The value in a text.

        Raises
        ------
        ValueError
            When the field is a number and the text is not.
        """
        return parse_whole(text) if self.kind == "whole" else parse_share(text) if self.kind == "share" else text

    def fits(self, value: Any) -> bool:
        """Whether a JSON value has the field's kind."""
        if self.kind == "names":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        if self.kind == "text":
            return isinstance(value, str)
        if isinstance(value, bool) or not isinstance(value, int if self.kind == "whole" else (int, float)):
            return False
        return abs(value) < 10**15  # which is false of a NaN, too


def _describe(text: str, **options: Any) -> dict[str, Meaning]:
    return {"meaning": Meaning(text=text, **options)}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a run is asked for. Each field's metadata describes it; `MEANINGS` has the metadata by name.

    Notes
    -----
    ``limit`` takes the same images each time, spread over the classes by a hash of their path. Precision ``f32`` gives
    the same features on every run on one kind of processor; ``bf16`` is refused where the processor lacks it. A network
    that is in ``networks`` is not built again, which saves starting TensorFlow.
    """

    input: str = field(metadata=_describe("folder or URI of the images", shown="URI"))
    output: str = field(metadata=_describe("folder or URI of the results", shown="URI"))
    model: str = field(
        default=DEFAULT_MODEL, metadata=_describe("name of a backbone, or path of a `.keras` file", shown="NAME")
    )
    k: int | None = field(default=None, metadata=_describe("number of components", kind="whole", shown="N"))
    variance: float | None = field(
        default=None,
        metadata=_describe(
            "share of the variance to reach, instead of `K`",
            kind="share",
            shown="SHARE",
            otherwise=f"{DEFAULT_VARIANCE}",
        ),
    )
    limit: int | None = field(
        default=None,
        metadata=_describe(
            "only so many images, spread over the classes: the same ones each time",
            kind="whole",
            shown="N",
            otherwise="all",
        ),
    )
    classes: tuple[str, ...] = field(
        default=(),
        metadata=_describe("only these classes, separated by semicolons", kind="names", shown="NAMES", otherwise="all"),
    )
    engine: str = field(
        default="fast", metadata=_describe("`fast` (OpenVINO), or `tensorflow`: Keras itself", shown="NAME")
    )
    precision: str = field(
        default="f32",
        metadata=_describe(
            "`f32`, or `bf16`: about twice as fast on processors with AMX or AVX-512 BF16", shown="NAME"
        ),
    )
    image_size: int = field(
        default=224,
        metadata=_describe("height and width given to the network, in pixels", kind="whole", shown="PIXELS"),
    )
    scaling: str | None = field(
        default=None,
        metadata=_describe(
            "pixels for a `.keras` file: `raw` (0 to 255), `tf` (-1 to 1), `torch` or `caffe`",
            shown="NAME",
            otherwise="raw",
        ),
    )
    max_reject_rate: float = field(
        default=0.01, metadata=_describe("share of images that may be unreadable", kind="share", shown="SHARE")
    )
    weights: str | None = field(
        default=None, metadata=_describe("folder or URI of the weights that `make weights` fetched", shown="URI")
    )
    networks: str | None = field(
        default=None,
        metadata=_describe("folder or URI that keeps converted networks from run to run", shown="URI", typed=False),
    )
    parallelism: int | None = field(
        default=None, metadata=_describe("tasks at once (found from Spark)", kind="whole", shown="N", typed=False)
    )

    def __post_init__(self) -> None:
        if not self.input.strip():
            raise UsageError("no input was given. Fix: INPUT= (--input) with the folder or URI of the photographs.")
        if not self.output.strip():
            raise UsageError("no output was given. Fix: OUTPUT= (--output) with the folder or URI for the results.")
        if self.k is not None and self.variance is not None:
            raise UsageError(
                "both k and variance were given, and each decides the number of components. Fix: give one of them."
            )
        if self.k is not None and self.k < 1:
            raise UsageError(f"k is {self.k}, but a PCA keeps at least one component. Fix: K=1 or more (--k 1).")
        if self.variance is not None and not 0 < self.variance <= 1:
            raise UsageError(
                f"variance is {self.variance:g}, but it is a share. Fix: a number above 0 and up to 1, "
                "such as 0.95 or 95%."
            )
        if self.limit is not None and self.limit < 1:
            raise UsageError(
                f"limit is {self.limit}. Fix: LIMIT=1 or more (--limit 1), or leave it out for all images."
            )
        if self.engine not in ENGINES:
            raise UsageError(
                f"the engine '{self.engine}' is unknown. Fix: ENGINE= (--engine), one of {', '.join(ENGINES)}."
            )
        if self.precision not in PRECISIONS:
            raise UsageError(
                f"the precision '{self.precision}' is unknown. Fix: PRECISION= (--precision), one of "
                f"{', '.join(PRECISIONS)}."
            )
        if self.precision != "f32" and self.engine != "fast":
            raise UsageError(
                f"the engine {self.engine} computes in f32 only, and {self.precision} was asked for. "
                "Fix: ENGINE=fast (--engine fast), or PRECISION=f32 (--precision f32)."
            )
        if not 32 <= self.image_size <= 1024:
            raise UsageError(
                f"image_size is {self.image_size} pixels. Fix: IMAGE_SIZE= (--image-size) between 32 and 1024."
            )
        if not (math.isfinite(self.max_reject_rate) and 0 <= self.max_reject_rate <= 1):
            raise UsageError(
                f"max_reject_rate is {self.max_reject_rate}. Fix: MAX_REJECT_RATE= (--max-reject-rate), a share "
                "between 0 and 1."
            )
        if self.parallelism is not None and self.parallelism < 1:
            raise UsageError(f"parallelism is {self.parallelism}. Fix: at least 1.")

    @property
    def target(self) -> float | None:
        """The share of the variance asked for, or None when k was given."""
        return None if self.k is not None else self.variance if self.variance is not None else DEFAULT_VARIANCE

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "classes": list(self.classes)}

    @classmethod
    def from_json(cls, values: Any) -> Request:
        """A request from the fields of a JSON object.

        Raises
        ------
        UsageError
            For an unknown field or one of the wrong type, by name.
        """
        if not isinstance(values, dict):
            raise UsageError('the request is not a JSON object. Fix: {"input": …, "output": …}.')
        for name, value in values.items():
            if name not in MEANINGS:
                raise UsageError(f"the request has an unknown field '{name}'. Fix: one of {', '.join(MEANINGS)}.")
            if value is not None and not MEANINGS[name].fits(value):
                raise UsageError(
                    f"the request's field '{name}' cannot be {json.dumps(value)[:80]}. "
                    f"Fix: {_KINDS[MEANINGS[name].kind]}."
                )
        present = {name: value for name, value in values.items() if value is not None}
        missing = [name for name in ("input", "output") if name not in present]
        if missing:
            raise UsageError(f"the request lacks {' and '.join(missing)}. Fix: add it to the request.")
        if "classes" in present:
            present["classes"] = tuple(present["classes"])
        return cls(**present)


_KINDS = {
    "text": "a text",
    "whole": "a whole number of at most 15 digits",
    "share": "a number, such as 0.95",
    "names": "a list of texts",
}
MEANINGS: dict[str, Meaning] = {f.name: f.metadata["meaning"] for f in fields(Request)}
