"""Whether the tests notice when the code is wrong: `make mutants` changes one thing at a time and runs the tests.

A mutant is a module with one comparison, constant, call, return or raise changed. Some of each module are tried, always
the same ones while their lines stay as they are: its fast tests run against each in a forked process, which has
imported everything but the module. A mutant that passes has survived: a test is missing, or nobody could notice the
change; such changes are listed in ``mutants.json`` with the reason. Of the others the share `LEAST_KILLED` must fail.

``python -m tools.mutants [module …]``: all modules of `MODULES`, or some; ``--list`` shows what would be tried, and
``--most 10`` tries no more of each, for a first look.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import importlib
import importlib.util
import json
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).resolve().parents[1]
REASONS = Path(__file__).with_suffix(".json")
LEAST_KILLED = 0.85
MOST_MUTANTS = 40
MOST_PROCESSOR_SECONDS = 60
"""A mutant that takes longer, usually in an endless loop, counts as killed."""
IMPORTED_BEFORE = (
    *("pytest", "numpy", "pyarrow.parquet", "PIL.Image", "boto3", "moto", "moto.emr.models", "rich.console"),
    *("hypothesis.extra.numpy", "sklearn.linear_model", "sklearn.model_selection"),
)

MODULES: dict[str, tuple[str, ...]] = {
    "fruits.manifests": ("tests/job/test_manifests.py",),
    "fruits.request": (
        "tests/job/test_sizing.py",
        "tests/job/test_request.py",
    ),
    "fruits.images": ("tests/job/test_images.py", "tests/job/test_formats.py"),
    "fruits.planning": (
        "tests/job/test_sizing.py",
        "tests/job/test_planning.py",
    ),
    "fruits.parts": (
        "tests/job/test_files.py",
        "tests/job/test_parts.py",
    ),
    "fruits.classifier": ("tests/job/test_classifier.py",),
    "fruits.pca": (
        "tests/job/test_sizing.py",
        "tests/job/test_memory.py",
        "tests/job/test_pca.py",
    ),
    "fruits.memory": ("tests/job/test_memory.py",),
    "ops.cost.money": ("tests/ops/test_currency.py",),
    "ops.cost.speed": ("tests/ops/test_speed.py",),
    "ops.cost.candidates": ("tests/ops/test_candidates.py",),
    "ops.cost.leftovers": ("tests/ops/test_leftovers.py",),
    "ops.plan.pricing": ("tests/ops/test_candidates.py", "tests/ops/test_estimate.py"),
    "ops.prices.current": ("tests/ops/test_current_prices.py",),
    "ops.prices.pricelist": ("tests/ops/test_prices.py", "tests/ops/test_current_prices.py"),
    "ops.aws.capacity": ("tests/ops/test_capacity.py",),
    "ops.cost.period": ("tests/ops/test_money.py", "tests/ops/test_cost.py"),
    "ops.cost.billing": ("tests/ops/test_billing.py",),
    "ops.job.watch": ("tests/ops/test_watch.py",),
    "ops.cost.upkeep": ("tests/ops/test_money.py", "tests/ops/test_watchers.py", "tests/ops/test_glance.py"),
    "ops.cost.estimate": ("tests/ops/test_estimate.py",),
    "ops.cost.ledger": ("tests/ops/test_money.py", "tests/ops/test_cost.py"),
    "ops.prices.table": (
        "tests/ops/test_money.py",
        "tests/ops/test_estimate.py",
        "tests/infra/test_prices_and_sizes.py",
    ),
    "ops.lifecycle.step": (
        "tests/ops/test_steps_end.py",
        "tests/ops/test_step.py",
        "tests/ops/test_poll.py",
        "tests/diagnose/test_command.py",
    ),
    **dict.fromkeys(
        (
            "ops.diagnose.causes",
            "ops.diagnose.verdict",
            "ops.diagnose.scene",
            "ops.diagnose.ends",
            "ops.diagnose.finders.ending",
            "ops.diagnose.finders.naming",
            "ops.diagnose.finders.processes",
            "ops.diagnose.finders.words",
        ),
        (
            "tests/diagnose/test_scene.py",
            "tests/diagnose/test_verdicts.py",
            "tests/diagnose/test_rows.py",
            "tests/diagnose/test_nodes.py",
            "tests/diagnose/test_waits.py",
            "tests/diagnose/test_reports.py",
            "tests/diagnose/test_corpus.py::test_the_cause_is_named",
            "tests/diagnose/test_odd_logs.py",
        ),
    ),
    "ops.diagnose.deaths": ("tests/diagnose/test_deaths.py",),
    "ops.diagnose.tracebacks": (
        "tests/diagnose/test_tracebacks.py",
        "tests/diagnose/test_odd_logs.py",
        "tests/diagnose/test_corpus.py::test_the_cause_is_named",
    ),
    "ops.plan.changes": ("tests/ops/test_plan_changes.py", "tests/ops/test_plan_text.py"),
    "localaws.policy": (
        "tests/localaws/test_policy_operators.py",
        "tests/localaws/test_policy_evaluation.py",
    ),
    "localaws.emr.spark": ("tests/localaws/test_spark_arguments.py",),
}
"""The modules where users would notice a fault most, with the fast tests of each."""

EXAMPLES = "tests/docs/test_docstrings.py::test_every_example_gives_what_it_says"

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div,
}  # fmt: skip
CALLS = {"min": "max", "max": "min", "sorted": "list", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One change: the number and the text of its line, and what is changed."""

    line: int
    text: str
    change: str

    @property
    def key(self) -> str:
        """Its key in ``mutants.json``: without the line number, which every other change would move."""
        return f"{self.text} -> {self.change}"


def list_mutations(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The changes of a node: a description and the new node of each."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in COMPARISONS:
            operator = COMPARISONS[type(op)]()
            yield (
                f"{ast.unparse(node)} becomes {type(operator).__name__}",
                ast.Compare(node.left, [operator], node.comparators),
            )
        case ast.BinOp(op=op) if type(op) in ARITHMETIC and not _is_text(node):
            new_op = ARITHMETIC[type(op)]()
            yield f"{ast.unparse(node)} becomes {type(new_op).__name__}", ast.BinOp(node.left, new_op, node.right)
        case ast.BoolOp(values=values) if len(values) > 1:
            opposite = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
            yield f"{ast.unparse(node)} becomes {type(opposite).__name__}", ast.BoolOp(opposite, values)
        case ast.UnaryOp(op=ast.Not()):
            yield f"not dropped in {ast.unparse(node)}", node.operand
        case ast.IfExp():
            yield f"always {ast.unparse(node.body)}", node.body
            yield f"always {ast.unparse(node.orelse)}", node.orelse
        case ast.Constant(value=bool() as value):
            yield f"{value} becomes {not value}", ast.Constant(not value)
        case ast.Constant(value=int() | float() as number):
            yield f"{number} becomes {number + 1}", ast.Constant(number + 1)
        case ast.Call(func=ast.Name(id=name)) if name in CALLS and len(node.args) == 1:
            keywords = [] if CALLS[name] == "list" else node.keywords
            yield f"{name} becomes {CALLS[name]}", ast.Call(ast.Name(CALLS[name], ast.Load()), node.args, keywords)
        case ast.Raise():
            yield f"{ast.unparse(node)} dropped", ast.Pass()
        case ast.Expr(value=ast.Call()):
            yield f"{ast.unparse(node)} dropped", ast.Pass()
        case ast.Return(value=value) if value is not None and not _is_none(value):
            yield "returns None", ast.Return(ast.Constant(None))
        case ast.Continue():
            yield "continue becomes break", ast.Break()
        case ast.AugAssign():
            yield f"{ast.unparse(node)} dropped", ast.Pass()


def _is_text(node: ast.BinOp) -> bool:
    return any(isinstance(side, ast.JoinedStr) or _is_str(side) for side in (node.left, node.right))


def _is_str(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _find_skipped(tree: ast.Module) -> set[int]:
    """The ids of nodes without behaviour: annotations, decorators, the main guard. And of functions that take a Spark
    session or a table, which only tests with a session can run."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = [getattr(node, name, None) for name in ("annotation", "returns")]
        parts += getattr(node, "decorator_list", [])
        if isinstance(node, ast.If) and "__main__" in ast.unparse(node.test):
            parts.append(node)
        if isinstance(node, ast.FunctionDef) and {"SparkSession", "DataFrame"} & set(_list_names(node.args)):
            parts.append(node)
        for part in parts:
            if isinstance(part, ast.AST):
                skipped |= {id(inner) for inner in ast.walk(part)}
    return skipped


def _list_names(arguments: ast.arguments) -> list[str]:
    return [node.id for node in ast.walk(arguments) if isinstance(node, ast.Name)]


def list_mutants(source: str) -> list[tuple[Mutant, int, int]]:
    """Every mutant of a source, with the number of its node in ``ast.walk`` and of the change to it."""
    tree, lines = ast.parse(source), source.splitlines()
    skipped = _find_skipped(tree)
    return [
        (Mutant(node.lineno, lines[node.lineno - 1].strip(), change), number, index)
        for number, node in enumerate(ast.walk(tree))
        if id(node) not in skipped and hasattr(node, "lineno")
        for index, (change, _) in enumerate(list_mutations(node))
    ]


def choose_mutants(source: str, accepted: set[str], limit: int = MOST_MUTANTS) -> list[tuple[Mutant, int, int]]:
    """The mutants that are tried: at most ``limit``, at most one per line, without those that are accepted."""

    def draw(site: tuple[Mutant, int, int]) -> str:
        return hashlib.sha256(site[0].key.encode()).hexdigest()

    by_line: dict[int, tuple[Mutant, int, int]] = {}
    for site in sorted((site for site in list_mutants(source) if site[0].key not in accepted), key=draw):
        by_line.setdefault(site[0].line, site)
    return sorted(sorted(by_line.values(), key=draw)[:limit], key=lambda site: site[0].line)


def compile_mutant(source: str, path: Path, number: int, index: int) -> CodeType:
    """The code of a source with one change."""
    tree = ast.parse(source)
    target = list(ast.walk(tree))[number]
    replacement = [node for _, node in list_mutations(target)][index]

    class Swap(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return ast.copy_location(replacement, node) if node is target else self.generic_visit(node)

    Swap().visit(tree)
    changed = ast.fix_missing_locations(tree)
    code: CodeType = compile(changed, str(path), "exec", dont_inherit=True)
    return code


class MutantLoader(SourceFileLoader):
    """Loads a mutant's code in place of one module's."""

    def __init__(self, name: str, path: str, code: CodeType | None) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType | None:
        return self._code or super().get_code(fullname)

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        """The module's spec; None for every other module."""
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None


def find_path(module: str) -> Path:
    """The file of a module."""
    base = ROOT / "jobs" if module.startswith("fruits.") else ROOT
    return base / Path(*module.split(".")).with_suffix(".py")


def list_tests(module: str) -> list[str]:
    """The tests of a module; first the examples in its docstrings, which are quickest."""
    has_examples = ">>>" in find_path(module).read_text()
    return [*([f"{EXAMPLES}[{module}]"] if has_examples else []), *MODULES[module]]


def fork_tests(module: str, code: CodeType | None, report: Path) -> int:
    """Run the tests of a module with other code in it, in a forked process; returns its id."""
    if child := os.fork():
        return child
    status = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_PROCESSOR_SECONDS, MOST_PROCESSOR_SECONDS + 5))
        with report.open("w") as out, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
            sys.meta_path.insert(0, MutantLoader(module, str(find_path(module)), code))
            import pytest

            # a warning is no kill, and what is imported before is not rewritten
            options = ["-x", "-q", "-W", "default", "-m", "fast", "--tb=line"]
            status = int(pytest.main([*options, *list_tests(module)]))
            out.flush()
    finally:
        os._exit(status)


def judge_mutants(module: str, accepted: set[str], limit: int = MOST_MUTANTS) -> tuple[int, list[Mutant]]:
    """How many mutants were tried, and those that survived.

    Raises
    ------
    SystemExit : the tests fail without any change
    """
    path, folder = find_path(module), ROOT / "build" / "mutants"
    folder.mkdir(parents=True, exist_ok=True)
    source = path.read_text()
    report = folder / f"{module}.txt"
    _, baseline = os.waitpid(fork_tests(module, None, report), 0)
    if baseline:
        raise SystemExit(f"the tests of {module} fail without a change:\n{report.read_text()[-3000:]}")
    waiting, tried = choose_mutants(source, accepted, limit), 0
    running: dict[int, Mutant] = {}
    survived: list[Mutant] = []
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            mutant, number, index = waiting.pop(0)
            tried += 1
            code = compile_mutant(source, path, number, index)
            running[fork_tests(module, code, folder / f"{module}-{tried}.txt")] = mutant
        child, status = os.waitpid(-1, 0)
        if (finished := running.pop(child, None)) and status == 0:
            survived.append(finished)
    return tried, sorted(survived, key=lambda mutant: mutant.line)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0; 1 where too many mutants of a module survived, or ``mutants.json`` explains one that is gone."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="module", default=list(MODULES))
    parser.add_argument("--list", action="store_true", help="only show what would be tried")
    parser.add_argument("--most", type=int, default=MOST_MUTANTS, help="mutants of each module (%(default)s)")
    options = parser.parse_args(arguments)
    reasons: dict[str, dict[str, str]] = json.loads(REASONS.read_text())
    bad = 0
    for path in (str(ROOT), str(ROOT / "jobs")):
        if path not in sys.path:
            sys.path.insert(0, path)
    for name in IMPORTED_BEFORE:
        importlib.import_module(name)
    for module in options.modules:
        accepted, began = set(reasons.get(module, {})), time.monotonic()
        if stale := accepted - {mutant.key for mutant, _, _ in list_mutants(find_path(module).read_text())}:
            print(f"{module}: mutants.json explains what is no longer there:", *sorted(stale), sep="\n  ")
            bad += 1
        if options.list:
            mutants = choose_mutants(find_path(module).read_text(), accepted, options.most)
            print(module, *(mutant.key for mutant, _, _ in mutants), sep="\n  ")
            continue
        tried, survived = judge_mutants(module, accepted, options.most)
        share = (tried - len(survived)) / tried
        summary = f"{module}: {tried - len(survived)} of {tried} killed ({share:.0%}), {len(accepted)} explained"
        print(f"{summary}, {time.monotonic() - began:.0f} s", flush=True)
        for mutant in survived:
            print(f"  survived, line {mutant.line}: {mutant.key}", flush=True)
        bad += share < LEAST_KILLED
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
