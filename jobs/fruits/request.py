"""What a run is asked to do: the fields of the command line and of the request file, checked."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from fruits.errors import EXIT_CODES, StorageError, UsageError
from fruits.store import Store

DEFAULT_MODEL = "efficientnet_lite0"
DEFAULT_VARIANCE = 0.95
ENGINES = ("fast", "tensorflow")
PRECISIONS = ("f32", "bf16")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One run.

    Attributes
    ----------
    input, output : str
        Folder or URI of the photographs; folder or URI of the results.
    model : str
        A backbone's name, or the path or URI of a ``.keras`` file.
    k, variance : int or float, optional
        Number of components, or the share of the variance that they must reach. Neither: 0.95 of the variance.
    limit : int, optional
        Featurize only that many images: the same ones each time, spread over the classes by a hash of their path.
    classes : tuple of str
        Only these labels; empty: all.
    engine : str
        ``fast`` (OpenVINO), or ``tensorflow``: the Keras model itself, the reference.
    precision : str
        ``f32``: the same features on every machine; ``bf16``: about twice as fast on processors with AMX or AVX-512
        BF16, refused on others.
    image_size : int
        Height and width given to the network, pixels.
    scaling : str, optional
        How a ``.keras`` model wants its pixels: ``raw`` (0 to 255, the default), ``tf`` (-1 to 1), ``torch`` or
        ``caffe``.
    max_reject_rate : float
        Share of the images that may be rejected before the run fails.
    weights : str, optional
        Folder or URI with the weights fetched by ``make weights``.
    networks : str, optional
        Folder or URI where converted networks are kept from run to run: one that is there is not built again, which
        saves starting TensorFlow.
    parallelism : int, optional
        Tasks at once; normally found from Spark.
    """

    input: str
    output: str
    model: str = DEFAULT_MODEL
    k: int | None = None
    variance: float | None = None
    limit: int | None = None
    classes: tuple[str, ...] = field(default=())
    engine: str = "fast"
    precision: str = "f32"
    image_size: int = 224
    scaling: str | None = None
    max_reject_rate: float = 0.01
    weights: str | None = None
    networks: str | None = None
    parallelism: int | None = None

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
        known = {f.name: f.type for f in fields(cls)}
        for name, value in values.items():
            if name not in known:
                raise UsageError(f"the request has an unknown field '{name}'. Fix: one of {', '.join(known)}.")
            if value is not None and not _fits(name, value):
                raise UsageError(f"the request's field '{name}' cannot be {json.dumps(value)[:80]}.")
        given = {name: value for name, value in values.items() if value is not None}
        missing = [name for name in ("input", "output") if name not in given]
        if missing:
            raise UsageError(f"the request lacks {' and '.join(missing)}.")
        if "classes" in given:
            given["classes"] = tuple(given["classes"])
        return cls(**given)


_TYPES: dict[str, tuple[type, ...]] = {
    "k": (int,),
    "limit": (int,),
    "image_size": (int,),
    "parallelism": (int,),
    "variance": (int, float),
    "max_reject_rate": (int, float),
}


def _fits(name: str, value: Any) -> bool:
    if name == "classes":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if isinstance(value, bool):
        return False
    return isinstance(value, _TYPES.get(name, (str,)))


def read_request(uri: str) -> Request:
    """The request in a JSON file.

    Raises
    ------
    UsageError
        When it is missing, not JSON, or not a request.
    """
    folder, _, name = uri.rpartition("/")
    store = Store(folder or ".")
    try:
        text = store.read(name).decode()
        return Request.from_json(json.loads(text))
    except FileNotFoundError:
        raise UsageError(f"there is no request at {uri}. Fix: check the address.") from None
    except OSError as error:
        raise StorageError(f"the request {uri} cannot be read: {error}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"the request {uri} is not JSON: {error}.") from None


def _share(text: str) -> float:
    number = text.strip()
    return float(number[:-1]) / 100 if number.endswith("%") else float(number)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise UsageError(f"{message}. Fix: --help lists the arguments.")


def parser() -> argparse.ArgumentParser:
    """The command line of the job file."""
    codes = "\n".join(f"  {code:>3}  {text}" for code, text in EXIT_CODES.items())
    p = _Parser(
        prog="featurize_pca.py",
        description="A folder of photographs to CNN features and their PCA, on Spark.",
        epilog=f"exit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    p.add_argument("--request", metavar="URI", help="a JSON file with these fields; then no other argument is read")
    p.add_argument(
        "--input", metavar="URI", default="", help="folder of <class>/<name>.jpg (.png, .heic, …), any depth"
    )
    p.add_argument("--output", metavar="URI", default="", help="folder for the results")
    p.add_argument(
        "--model", default=DEFAULT_MODEL, help="a backbone's name, or the path of a .keras file (%(default)s)"
    )
    p.add_argument("--k", type=int, help="number of components")
    p.add_argument("--variance", type=_share, help=f"or the share of variance to reach ({DEFAULT_VARIANCE})")
    p.add_argument("--limit", type=int, metavar="N", help="only N images, the same ones each time")
    p.add_argument(
        "--class", dest="classes", action="append", default=[], metavar="NAME", help="only this class; repeatable"
    )
    p.add_argument("--engine", default="fast", help="fast, or tensorflow: Keras itself (%(default)s)")
    p.add_argument("--precision", default="f32", help="f32, or bf16: faster, on processors that have it (%(default)s)")
    p.add_argument("--image-size", type=int, default=224, metavar="PIXELS", help="(%(default)s)")
    p.add_argument("--scaling", help="pixels for a .keras model: raw, tf, torch or caffe (raw)")
    p.add_argument("--max-reject-rate", type=float, default=0.01, metavar="SHARE", help="(%(default)s)")
    p.add_argument("--weights", metavar="URI", help="folder with the weights that `make weights` fetched")
    p.add_argument("--networks", metavar="URI", help="folder that keeps converted networks from run to run")
    p.add_argument("--parallelism", type=int, metavar="N", help="tasks at once (found from Spark)")
    return p


def parse(arguments: Sequence[str]) -> Request:
    """The request in a command line.

    Raises
    ------
    UsageError
        Saying which argument is wrong.
    """
    values = vars(parser().parse_args(arguments))
    uri = values.pop("request")
    if uri:
        return read_request(uri)
    values["classes"] = tuple(values["classes"])
    return Request(**values)
