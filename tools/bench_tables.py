"""`make bench-tables`: the numbers of README and docs that `make bench` measured, each with its day, from its results.

`make bench` ends with it. Text between ``<!-- bench: NAME -->`` and ``<!-- end of bench -->`` is replaced (`BLOCKS`),
and so are the speeds that infra/modules/sizing reads. Tests compute all of it again.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from ops.core.console import Console
from ops.core.errors import OperatorError, TerraformError
from ops.core.paths import ROOT
from ops.cost.speed import compute_families, read_bench_speed
from tools import machine_table

SPEEDS = ROOT / "infra" / "modules" / "sizing" / "speeds.json"
RESULTS = ROOT / "benchmarks" / "results"
PAGES = ("README.md", "README.fr.md", "docs/performance.md")
PLANNED = "docs/elsewhere/one-machine.md"
"""The page whose block needs a plan of Terraform's, too."""
_BLOCK = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- end of bench -->\n)", re.DOTALL)
WIDTH = 140
SLOTS = 1000
"""Of Spark, in the estimate for a hundred million images."""
PROMISED = 5500
"""GET and HEAD requests per second: https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html."""


class BenchResult:
    """One benchmark's committed result. A result or a number that is missing raises OperatorError."""

    def __init__(self, name: str, folder: Path = RESULTS) -> None:
        self._name = name
        try:
            self._record: Mapping[str, Any] = json.loads((folder / f"{name}.json").read_text())
        except (OSError, ValueError) as error:
            raise OperatorError(f"{name}.json cannot be read ({error}). Fix: make bench ONLY={name}.") from error

    def __getitem__(self, series: str) -> float:
        """The median of a series."""
        return float(self._read("series", series, "median"))

    def _read(self, *keys: Any) -> Any:
        value: Any = self._record
        try:
            for key in keys:
                value = value[key]
        except (KeyError, IndexError) as error:
            raise OperatorError(f"{self._name}.json has no {error}. Fix: make bench ONLY={self._name}.") from error
        return value

    def has_checks(self, *places: int) -> bool:
        """Whether all of these checks were made: those in bf16 are not, where a processor has none."""
        return max(places) < len(self._read("checks"))

    def read_check(self, place: int = 0) -> float:
        """The measured value of a check."""
        return float(self._read("checks", place, "value"))

    def describe_verdict(self, *places: int) -> str:
        """Two cells of a table: the bound that some checks share, and whether all of them reach it."""
        checks = [self._read("checks", place) for place in places or (0,)]
        sign = "≥" if checks[0]["at_least"] else "≤"
        unit = "%" if checks[0]["unit"] == "%" else f" {checks[0]['unit']}"
        reached = [check["reached"] for check in checks]
        word = "reached" if all(reached) else "not reached" if not any(reached) else "in part"
        return f"{sign} {checks[0]['bound']:g}{unit} | {word}"

    def read_setting(self, name: str) -> Any:
        return self._read("settings", name)

    def format_rate(self, name: str) -> str:
        """Images per second of something, while it featurizes."""
        return f"{self[f'{name}, featurizing']:.0f}"

    def format_seconds(self, name: str) -> str:
        """Seconds of something, from start to end."""
        return f"{self[f'{name}, start to end']:.1f}"

    @property
    def images(self) -> str:
        return str(self.read_setting("images")).split()[0]

    @property
    def day(self) -> str:
        return f"{self._read('measured')[:10]}, {self.read_setting('repeats')}"

    @property
    def machine(self) -> str:
        return f"{self._read('machine', 'cores')} cores of an {self._read('machine', 'cpu')}"


def _describe_bare(bare: BenchResult) -> tuple[str, str]:
    loops = f"{bare.read_setting('loops')} bare loops of {bare.read_setting('fastest')}"
    rates = f"{bare['the job']:.0f} against {bare[loops]:.0f} images/s: {bare.read_check():.1f}%"
    return f"featurization, {bare.images} images, against {loops} without Spark", rates


def _describe_notebook(notebook: BenchResult) -> tuple[str, str]:
    label = "the usual notebook (binaryFile, iterator pandas UDF, `predict`; one model per worker)"
    rates = f"{notebook['the job']:.0f} against {notebook['the notebook']:.0f} images/s: {notebook.read_check():.1f} ×"
    return f"against {label}, {notebook.images} images", rates


def _describe_pca(pca: BenchResult) -> tuple[str, str]:
    ours, spark = pca["the job's PCA"], pca["pyspark.ml.feature.PCA"]
    label = f"PCA fit, {pca.read_setting('rows'):,} × {pca.read_setting('columns'):,}, against `pyspark.ml.feature.PCA`"
    return f"{label}, both from Parquet", f"{ours:.1f} against {spark:.1f} s: {pca.read_check():.1f} ×"


def _describe_scale(scale: BenchResult) -> tuple[str, str]:
    seconds = [f"{scale[name]:.0f} s" for name in ("first run", "second run", "another K")]
    label = f"{scale.images} images: a whole run, a second one over it, another K (share of the first)"
    return label, f"{', '.join(seconds)}: {scale.read_check(0):.1f}%, {scale.read_check(1):.1f}%"


def _describe_fixed(fixed: BenchResult) -> tuple[str, str]:
    seconds = f"{fixed['30,000 images: all else']:.1f} of {fixed['30,000 images: whole run']:.0f} s"
    return "everything but featurization at 30,000 images", f"{seconds}: {fixed.read_check(1):.1f}%"


def _describe_fixed_bf16(fixed: BenchResult) -> tuple[str, str]:
    name = "30,000 images in bf16"
    seconds = f"{fixed[f'{name}: all else']:.1f} of {fixed[f'{name}: whole run']:.0f} s"
    return "the same in bf16", f"{seconds}: {fixed.read_check(2):.1f}%"


def _describe_uploads(uploads: BenchResult) -> tuple[str, str]:
    fetched = f"a result of {uploads.read_setting('result_bytes') / 1e6:.0f} MB"
    label = f"`make upload-dataset` of {uploads.images} photographs, and fetching {fetched}, against `aws s3 sync`"
    return label, f"{uploads.read_check(0):.2f} ×, {uploads.read_check(1):.2f} × its time"


def _describe_rivals(rivals: BenchResult) -> tuple[str, str]:
    label = f"featurization of {rivals.images} images against a Daft pipeline, and against Ray Data"
    return label, f"{rivals.read_check(0):.2f} ×, {rivals.read_check(1):.2f} ×"


def _describe_bootstrap(bootstrap: BenchResult) -> tuple[str, str]:
    return "a node's bootstrap from a local wheelhouse, byte-compiled", f"{bootstrap['total']:.1f} s"


def _describe_memory(memory: BenchResult) -> tuple[str, str]:
    label = "memory from 3,000 to 30,000 images: driver's JVM / its Python / largest worker"
    return label, " / ".join(f"{memory.read_check(place):.2f} ×" for place in range(3))


ROWS: Sequence[tuple[str, Callable[[BenchResult], tuple[str, str]], tuple[int, ...]]] = (
    ("bare", _describe_bare, (0,)),
    (
        "latency",
        lambda r: (f"the same with 30 ms added to every read, {r.images} images", f"{r.read_check():.1f}%"),
        (0,),
    ),
    ("notebook", _describe_notebook, (0,)),
    ("pca", _describe_pca, (0,)),
    ("fixed", lambda r: ("a whole run of 25 images, start to end", f"{r['25 images: whole run']:.1f} s"), (0,)),
    ("fixed", _describe_fixed, (1,)),
    ("fixed", _describe_fixed_bf16, (2,)),
    ("rivals", _describe_rivals, (0, 1)),
    ("scale", _describe_scale, (0, 1)),
    ("uploads", _describe_uploads, (0, 1)),
    ("node_bootstrap", _describe_bootstrap, (0,)),
    ("memory", _describe_memory, (0, 1, 2)),
)
"""The rows of the table of targets: a benchmark, what its row says, and the checks that decide about it."""


def render_targets() -> str:
    """The table of targets; what was not measured yet has no row."""
    lines = ["| what | measured | wanted | | day, repeats |", "|---|---|---|---|---|"]
    for name, describe, checks in ROWS:
        if not (RESULTS / f"{name}.json").exists():
            continue
        result = BenchResult(name)
        if result.has_checks(*checks):
            lines.append(f"| {' | '.join(describe(result))} | {result.describe_verdict(*checks)} | {result.day} |")
    return "\n".join(lines) + "\n"


def render_engines() -> str:
    """Bare engines, and why no job can be eight times as fast as the notebook; that comparison is of one run."""
    bare, compared = BenchResult("bare"), BenchResult("rivals")
    names = ("TensorFlow", "LiteRT", "ONNX Runtime", "OpenVINO")
    loops = bare.read_setting("loops")
    rates = [f"{name} {bare[f'{loops} loops of {name}, a tenth']:.0f}" for name in names]
    most = compared["bare loops, featurizing"] / compared["the notebook, featurizing"]
    return _wrap(
        f"Bare engines on all cores, without Spark: {', '.join(rates)} images/s ({bare.day[:10]}). Bare loops of the "
        f"fastest are {most:.1f} times as fast as the notebook ({compared.day[:10]}). No job can be faster than "
        "that on this processor in single precision (8 times was wanted)."
    )


def render_rivals() -> str:
    """Daft, Ray Data and the notebook beside the job."""
    result = BenchResult("rivals")
    lines = [
        "| | images/s while featurizing | s from start to end | what it ends with |",
        "|---|---:|---:|---|",
        *(
            f"| {name} | {result.format_rate(name)} | {result.format_seconds(name)} | {ends} |"
            for name, ends in (
                ("this job", "features, PCA, checks, report"),
                ("Daft", "features"),
                ("Ray Data", "features"),
            )
        ),
        f"| the fair notebook, warm | {result.format_rate('the notebook')} | | features |",
        f"| bare loops, warm | {result.format_rate('bare loops')} | | |",
    ]
    times = (result["this job, featurizing"] / result[f"{name}, featurizing"] for name in ("Daft", "Ray Data"))
    daft, ray = times
    return "\n".join(lines) + (
        f"\n\n{result.images} photographs on {result.machine}, {result.day} repeats: {daft:.2f} times as fast as Daft "
        f"(1.5 wanted), {ray:.2f} times as fast as Ray Data.\n"
    )


def render_paper() -> str:
    """The time that a hundred million images take, and the requests to S3 that this means."""
    rate = read_bench_speed().per_vcpu
    hours = Decimal(10**8) / rate / 3600
    return _wrap(
        f"Computing: {rate:.0f} images/s per vCPU (estimated from what one core does here): {hours:,.0f} vCPU-hours, "
        f"{hours / SLOTS * 60:.0f} minutes on {SLOTS:,} slots. A HEAD and a GET per image (pyarrow cannot be "
        f"told a size) are {2 * rate * SLOTS:,.0f} requests/s; {PROMISED / (2 * rate):.0f} vCPUs already make the "
        f"{PROMISED:,} per second that S3 promises for each partition of a bucket's keys."
    )


def _list_speeds(result: BenchResult) -> list[str]:
    """Images per second and seconds of the job, of Daft, and of Ray Data, in this order."""
    names = ("this job", "Daft", "Ray Data")
    return [text for name in names for text in (result.format_rate(name), f"{result[f'{name}, start to end']:.0f}")]


def render_speed() -> str:
    """How fast the job is, in English."""
    result = BenchResult("rivals")
    rate, seconds, daft_rate, daft_seconds, ray, ray_seconds = _list_speeds(result)
    return _wrap(
        f"On {result.machine}, EfficientNet-Lite0 at 224 pixels, {result.images} photographs: {rate} images per second "
        f"while featurizing, {seconds} s from start to end with PCA and report. A Daft pipeline with the same engine: "
        f"{daft_rate} images per second, {daft_seconds} s for the features alone; Ray Data: {ray}, {ray_seconds} s."
    )


def render_speed_fr() -> str:
    """The same in French."""
    result = BenchResult("rivals")
    machine = result.machine.replace("cores of an", "cœurs d'un")
    rate, seconds, daft_rate, daft_seconds, ray, ray_seconds = _list_speeds(result)
    images = result.images.replace(",", "\u00a0")
    return _wrap(
        f"Sur {machine}, EfficientNet-Lite0 à 224 pixels, {images} photos : {rate} images par seconde pendant "
        f"le calcul, {seconds} s du début à la fin avec ACP et rapport. Une chaîne Daft au même moteur : {daft_rate} "
        f"images par seconde, {daft_seconds} s pour les seules caractéristiques ; Ray Data : {ray}, {ray_seconds} s."
    )


BLOCKS: Mapping[str, Callable[[], str]] = {
    "targets": render_targets,
    "engines": render_engines,
    "rivals": render_rivals,
    "paper": render_paper,
    "readme": render_speed,
    "readme_fr": render_speed_fr,
    "machines": machine_table.render_dev_machines,
}
"""What is written into a block, by the block's name."""


def _wrap(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"


def fill(text: str) -> str:
    """A page with new text in its blocks.

    >>> fill("nothing measured here")
    'nothing measured here'
    """
    return _BLOCK.sub(lambda match: f"{match[1]}{BLOCKS[match[2]]()}{match[3]}", text)


def main() -> int:
    """Entry point of `make bench-tables`. Exit code: 0; 1 no figures; 3 no usable Terraform."""
    try:
        pages = {ROOT / name: fill((ROOT / name).read_text(encoding="utf-8")) for name in (*PAGES, PLANNED)}
        pages[SPEEDS] = json.dumps(compute_families(), indent=1) + "\n"
    except (OperatorError, TerraformError) as error:
        Console(stderr=True).print(f"bench-tables: {error}", style="red")
        return error.exit_code
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
