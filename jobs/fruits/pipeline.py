"""One run, phase by phase: list, plan, featurize, reduce, check, report."""

from __future__ import annotations

import json
import math
import os
import time
import traceback
import uuid
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fruits import checks, listing, manifests, outputs, pca, planning, report, versions
from fruits.errors import (
    CheckError,
    DiskFullError,
    FruitsError,
    OutputError,
    ReductionError,
    RejectRateError,
    StorageError,
)
from fruits.executors import is_connect, is_on_this_machine, limit_wait
from fruits.failures import translate_error
from fruits.featurize import FEATURES, REJECTS, FeaturizeTask, run_wave
from fruits.inputs import LeftOut, explain_no_image, require_classes, require_folder
from fruits.lease import Lease
from fruits.memory import Room
from fruits.models import PublishedModel, publish, require_model
from fruits.parts import Part, group_parts, read_frame
from fruits.progress import ERROR, FOLDER, Progress, choose_heartbeat_interval
from fruits.request import Request
from fruits.selection import normalise_names, select
from fruits.store import Store
from fruits.workers import prepare_workers

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

LISTING = f"{FOLDER}/listing"
MOMENTS = f"{FOLDER}/moments"
TODO = f"{FOLDER}/todo"
WAVES_AT_ONCE = 2
"""The second wave fills the slots that the last tasks of the first one leave free."""


def count_slots(spark: SparkSession, request: Request) -> int:
    """How many tasks run at once: what the request says, what Spark's settings say, or a local master's cores."""
    if request.parallelism:
        return request.parallelism
    conf = spark.conf
    cores = int(conf.get("spark.executor.cores", "1") or 1)
    dynamic = str(conf.get("spark.dynamicAllocation.enabled", "false")).lower() == "true"
    executors = conf.get("spark.dynamicAllocation.maxExecutors" if dynamic else "spark.executor.instances", "0")
    if str(executors).isdigit() and 0 < int(str(executors)) < 100_000:
        return int(str(executors)) * cores
    if is_connect(spark):
        return max(1, int(conf.get("spark.default.parallelism", str(os.cpu_count() or 2)) or 2))
    return max(1, int(spark.sparkContext.defaultParallelism))


class Run:
    """The state of one run, from its lease to its end; see `begin` and `execute`."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.source = Store(request.input)
        self.output = Store(request.output)
        self.run_id = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.progress = Progress(self.output, self.run_id)
        self.lease = Lease(self.output, self.run_id)
        self.publishing: Future[PublishedModel] | None = None
        self.walking: Future[listing.Walk] | None = None
        self.preparing: Future[None] | None = None
        self.listed: list[Part] = []
        self.left_out = LeftOut()
        self.started = time.time()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        if self.preparing is not None:
            wait([self.preparing])
        self.lease.release()

    def hold(self) -> None:
        """Refuse an output that is the input, and take its lease; a refusal leaves nothing there."""
        self._require_apart()
        try:
            self.lease.acquire()
            self.lease.keep()
        except StorageError as error:
            raise _explain_unwritable(error) from error

    @contextmanager
    def record_failures(self) -> Iterator[None]:
        """Write `_run/error.json` beside the results when what is done inside fails, and give the lease back."""
        try:
            yield
        except BaseException as error:
            failure = translate_error(error)
            self._record_failure(error, failure)
            self.lease.release()
            if failure is not None and failure is not error:
                raise failure from error
            raise

    def _record_failure(self, error: BaseException, failure: FruitsError | None) -> None:
        if not self.lease.is_held:
            return  # the output is another run's
        phase = self.progress.snapshot()["phase"]
        record = {
            "run_id": self.run_id,
            "phase": phase,
            "cause": failure.cause if failure else type(error).__name__,
            "message": str(failure or error),
            "exit_code": failure.exit_code if failure else 130 if isinstance(error, KeyboardInterrupt) else 1,
            "traceback": "".join(traceback.format_exception(error)),
            "arguments": self.request.as_json(),
        }
        try:
            self.progress.finish(phase)
            self.output.write(ERROR, json.dumps(record, indent=1, ensure_ascii=False).encode())
        except FruitsError as record_failure:
            # the output itself may have failed; the first error is the one to raise
            print(f"(the error could not be recorded below the output: {record_failure})")  # noqa: T201

    def prepare(self) -> None:
        """Do what needs no Spark: check the input, and begin to prepare the network and to list the images."""
        with self.progress.phase("start"):
            try:
                self.progress.start()
            except StorageError as error:
                raise _explain_unwritable(error) from error
            outputs.sweep_temporary(self.output, self.started)
            require_folder(self.source)
            require_model(self.request)
            for folder in (LISTING, TODO, MOMENTS):
                self.output.delete_folder(folder)
        pool = ThreadPoolExecutor(2, thread_name_prefix="prepare")
        self.publishing = pool.submit(publish, self.request, self.output)
        self.walking = pool.submit(listing.walk_down, self.source, self.output.child(LISTING))

    def execute(self, spark: SparkSession) -> dict[str, Any]:
        """Run all phases; returns what `run.json` says.

        Raises
        ------
        FruitsError
            For every failure that has a known cause.
        """
        assert self.publishing is not None
        self.spark = spark
        self.slots = count_slots(spark, self.request)
        progress = self.progress
        if is_on_this_machine(spark) and self.output.kind(manifests.FOLDER) == "missing":
            self.preparing = prepare_workers(spark, self.slots, self.publishing, self.output, self.run_id)
        with progress.phase("list"):
            listed, images = self._list()
        with progress.phase("model"):
            model = self.publishing.result()
        self._require_possible(images, model)
        with progress.phase("plan"):
            plan, state = self._plan(listed, images, model)
        progress.plan(images, plan.todo_images)
        with progress.phase("featurize"):
            if plan.todo:
                self._featurize(plan, model, state)
        with progress.phase("tidy"):
            state = self._tidy(images, model)
        with self._count_meanwhile(listed, state) as counting:
            with progress.phase("reduce"):
                self.output.delete(outputs.RUN)  # from here on the old results are being replaced
                reduction, scores, csv = self._reduce(state)
            with progress.phase("check"):
                counts = counting.result()
                _require_scores(counts, scores)
        with progress.phase("report"):
            summary = self._summarise(plan, model, state, reduction, counts, csv)
            page = report.build_page(spark, self.source, self.output, state, scores, reduction, counts, summary)
            self.output.write(outputs.REPORT, page.encode())
        return self._finish(summary, state, scores)

    def _plan(self, listed: DataFrame, images: int, model: PublishedModel) -> tuple[planning.Plan, manifests.State]:
        """What is to be done, and what counts already, without the rows of images that are gone or changed."""
        todo, slots = self.output.child(TODO), self.slots
        state = manifests.load(self.output, model)
        plan = planning.plan_first_run(
            self.listed, self.output.child(LISTING), self.selection, state, slots
        ) or planning.make_plan(self.spark, listed, self.selection, images, self.output, state, todo, slots)
        self.lease.require()
        self.repaired = [*state.damaged, *plan.damaged]
        if plan.todo:
            manifests.require_alike(self.output, model, state)
        if plan.stale or plan.damaged:
            parts = planning.rewrite_without(self.spark, plan, self.output, state, todo, slots)
            state = manifests.replace(self.output, model, state, *parts)
        return plan, state

    def _tidy(self, images: int, model: PublishedModel) -> manifests.State:
        """What counts now: refuses too many rejects, merges small files, and deletes files that do not count."""
        self.lease.require()
        state = manifests.load(self.output, model)
        self._require_few_rejects(state, images)
        if merged := planning.merge_small(self.spark, self.output, state, self.slots):
            state = manifests.replace(self.output, model, state, *merged)
        manifests.sweep(self.output, state)
        return state

    def _finish(self, summary: dict[str, Any], state: manifests.State, scores: list[Part]) -> dict[str, Any]:
        """Write `run.json` and delete everything that is no result."""
        self.lease.require()
        # an attempt that Spark gave up may have finished its file in the meantime
        manifests.sweep(self.output, state)
        outputs.keep_only(self.output.child(outputs.SCORES), scores)
        summary["seconds"] = {name: round(value, 3) for name, value in self.progress.seconds.items()}
        summary["seconds_total"] = round(time.time() - self.started, 3)
        self.output.write(outputs.RUN, json.dumps(summary, indent=1, ensure_ascii=False).encode())
        for folder in (LISTING, TODO, MOMENTS):
            self.output.delete_folder(folder)
        self.progress.finish()
        return summary

    def _require_possible(self, images: int, model: PublishedModel) -> None:
        """Refuse an impossible k, and more features than memory holds, before the work and not after it."""
        if self.request.k is not None:
            pca.require_components(self.request.k, images, model.dimension)
        Room.from_settings(self.spark.conf.get, self.slots).require(model.dimension)

    def _require_apart(self) -> None:
        """Refuse an output that is the input; a folder inside the input is fine."""
        if _make_canonical(self.output) == _make_canonical(self.source):
            raise OutputError(
                f"input and output are the same place, {self.source.uri}. Fix: give the results a folder of their own."
            )

    def _list(self) -> tuple[DataFrame, int]:
        """List the input and select images; returns a table of all images, and how many are selected."""
        target = self.output.child(LISTING)
        assert self.walking is not None
        walk = self.walking.result()
        parts, self.left_out = listing.list_folders(self.spark, self.source, target, walk, self.slots)
        self.listed = parts
        images = sum(part.rows for part in parts)
        if not images:
            raise explain_no_image(self.source, self.left_out)
        frame = listing.read_listing(self.spark, target, parts, self.slots)
        request = self.request
        if request.classes:
            require_classes(normalise_names(request.classes), listing.count_by_label(frame))
        self.selection = select(frame, request.classes, request.limit, len(self.source.uri) + 1)
        return frame, images if self.selection.is_whole else frame.where(self.selection.make_column()).count()

    def _featurize(self, plan: planning.Plan, model: PublishedModel, state: manifests.State) -> None:
        sizing = planning.Sizing.choose(plan.todo_images, self.slots)
        rejected = sum(part.rows for part in state.rejects)
        waves = group_parts(plan.todo, sizing.waves)

        def featurize_wave(number: int, parts: list[Part]) -> int:
            tag_jobs(self.spark, self.run_id)
            name = f"wave-{number:05d}"
            images = sum(part.rows for part in parts)
            turns = sizing.take_turns(images, self.slots, is_last=number == len(waves) - 1)
            self.progress.start_wave(name)
            task = FeaturizeTask(
                source=self.source,
                output=self.output,
                model=model,
                wave=name,
                heartbeat=choose_heartbeat_interval(self.slots),
            )
            parts_written = run_wave(self.spark, task, plan.todo_store, parts, turns)
            self.lease.require()
            manifests.write(self.output, model, parts_written[FEATURES], parts_written[REJECTS])
            rejects = sum(part.rows for part in parts_written[REJECTS])
            self.progress.end_wave(name, sum(part.rows for part in parts_written[FEATURES]), rejects)
            return rejects

        with ThreadPoolExecutor(WAVES_AT_ONCE, thread_name_prefix="wave") as pool:
            running: set[Future[int]] = set()
            try:
                for number, parts in enumerate(waves):
                    if len(running) == WAVES_AT_ONCE:
                        ended, running = wait(running, return_when=FIRST_COMPLETED)
                        rejected += sum(future.result() for future in ended)
                        if rejected > self._count_allowed(plan.images):
                            break  # _require_few_rejects says why, when the waves under way have ended
                    running.add(pool.submit(featurize_wave, number, parts))
                ended, _ = wait(running, return_when=FIRST_EXCEPTION)
                for future in ended:
                    future.result()
            except BaseException:
                cancel_jobs(self.spark, self.run_id)
                raise

    def _count_allowed(self, images: int) -> int:
        return math.floor(self.request.max_reject_rate * images + 1e-9)  # 0.29 of 100 are 29

    def _require_few_rejects(self, state: manifests.State, images: int) -> None:
        rejected = sum(part.rows for part in state.rejects)
        if rejected <= self._count_allowed(images):
            return
        columns = {"path": "string", "reason": "string"}
        frame = read_frame(self.spark, self.output.child(REJECTS), state.rejects, columns=columns, tasks=1)
        examples = "; ".join(f"{row['path']}: {row['reason']}" for row in frame.limit(3).collect())
        raise RejectRateError(
            f"{rejected} of {images} images rejected, but at most {self.request.max_reject_rate:.2%} may be. First: "
            f"{examples}. Fix: repair or remove them (all are named in {self.output.location(REJECTS)}), or allow "
            "more with MAX_REJECT_RATE= (--max-reject-rate); what is featurized is kept."
        )

    def _find_spectrum(self, state: manifests.State) -> pca.Spectrum:
        """The spectrum of exactly these rows: saved by an earlier run, or computed."""
        fingerprint = state.fingerprint + self.selection.fingerprint
        try:
            saved = pca.Spectrum.from_bytes(self.output.read(outputs.SPECTRUM), fingerprint)
        except Exception:  # noqa: BLE001 - it is missing, or damaged in any way: it only saves time
            saved = None
        if saved is not None:
            return saved
        moments = pca.sum_parts(
            self.spark,
            self.output.child(FEATURES),
            state.features,
            self.slots,
            self.output.child(MOMENTS),
            self.selection,
        )
        self.output.delete_folder(MOMENTS)
        spectrum = pca.solve(moments)
        self.output.write(outputs.SPECTRUM, spectrum.to_bytes(fingerprint))
        return spectrum

    def _reduce(self, state: manifests.State) -> tuple[pca.Reduction, list[Part], bool]:
        if not state.rows:
            raise ReductionError(
                "no image could be featurized, so there is nothing to reduce. Fix: replace the images (all are named, "
                f"with the reason, in {self.output.location(REJECTS)}), and run it again."
            )
        reduction = pca.reduce(self._find_spectrum(state), k=self.request.k, target=self.request.target)
        self.output.write(outputs.MODEL, reduction.to_bytes())
        target = self.output.child(outputs.SCORES)
        parts = pca.write_scores(
            self.spark,
            self.output.child(FEATURES),
            state.features,
            target,
            self.output.location(outputs.MODEL),
            self.slots,
            self.selection,
        )
        self.lease.require()
        outputs.keep_only(target, parts)
        outputs.write_spark_model(self.output, reduction, self.spark.version)
        return reduction, parts, outputs.write_scores_csv(self.output, parts, reduction.k)

    @contextmanager
    def _count_meanwhile(self, listed: DataFrame, state: manifests.State) -> Iterator[Future[list[checks.ClassCount]]]:
        """Count while the block runs: Spark works on one while the driver works on the other."""
        with ThreadPoolExecutor(1, thread_name_prefix="count") as pool:
            try:
                yield pool.submit(self._count, listed, state)
            except BaseException:
                cancel_jobs(self.spark, self.run_id)
                raise

    def _count(self, listed: DataFrame, state: manifests.State) -> list[checks.ClassCount]:
        tag_jobs(self.spark, self.run_id)
        features, rejects = (
            planning.read_keys(self.spark, self.output, folder, parts, self.slots)
            for folder, parts in ((FEATURES, state.features), (REJECTS, state.rejects))
        )
        selected = self.selection.make_column()
        return checks.count_classes(listed.where(selected), features.where(selected), rejects)

    def _summarise(
        self,
        plan: planning.Plan,
        model: PublishedModel,
        state: manifests.State,
        reduction: pca.Reduction,
        counts: list[checks.ClassCount],
        csv: bool,
    ) -> dict[str, Any]:
        featurize_seconds = self.progress.seconds["featurize"]
        computed = plan.todo_images
        return {
            "run_id": self.run_id,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "images_in": plan.images,
            "images_ok": (ok := sum(count.features for count in counts)),
            "images_rejected": sum(count.rejects for count in counts),
            "rejected": checks.count_kinds(counts),
            "images_featurized_now": computed,
            "left_out": self.left_out.as_json(),
            "rows_removed": plan.stale_rows,
            "features_of_others": state.rows - ok,
            "repaired": self.repaired,
            "classes": {c.label: {"images": c.images, "ok": c.features, "rejected": c.rejects} for c in counts},
            "model": model.name,
            "model_sha256": model.sha256,
            "weights_sha256": model.weights_sha256,
            "engine": model.engine,
            "precision": model.precision,
            "image_size": model.image_size,
            "dimension": model.dimension,
            "k": reduction.k,
            "explained_variance": reduction.reached,
            "variance_target": reduction.target,
            "variance_statement": reduction.statement,
            "scores_csv": outputs.SCORES_CSV if csv else None,
            "feature_files": len(state.features),
            "images_per_second": round(computed / featurize_seconds, 2) if computed else None,
            "slots": self.slots,
            "seconds": {name: round(value, 3) for name, value in self.progress.seconds.items()},
            "versions": {**versions.collect_versions(), "spark": self.spark.version},
            "features_made_with": list(state.made_with),
            "commit": os.environ.get("FRUITS_COMMIT"),
            "arguments": self.request.as_json(),
        }


def _explain_unwritable(error: StorageError) -> FruitsError:
    """A full disk stays a full disk; any other trouble at the start is reported as the output's."""
    sentence = f"the results cannot be written. {error}"
    return DiskFullError(sentence) if isinstance(error, DiskFullError) else OutputError(sentence)


def _require_scores(counts: list[checks.ClassCount], scores: list[Part]) -> None:
    rows, scored = sum(count.features for count in counts), sum(part.rows for part in scores)
    if scored != rows:
        raise CheckError(f"{rows} images have features, but {scored} have scores. Fix: run again.")


def tag_jobs(spark: SparkSession, tag: str) -> None:
    """Tag the jobs that this thread starts: other people's may share the context."""
    if is_connect(spark):
        spark.addTag(tag)
    else:
        spark.sparkContext.addJobTag(tag)


def cancel_jobs(spark: SparkSession, tag: str) -> None:
    """Stop the jobs with a tag; where Spark has ended already, nothing runs."""
    try:
        if is_connect(spark):
            spark.interruptTag(tag)
        else:
            spark.sparkContext.cancelJobsWithTag(tag)
    except Exception as error:  # noqa: BLE001 - whatever it is: the error to report is the one that ended the run
        print(f"(Spark could not be asked to stop its jobs: {type(error).__name__})")  # noqa: T201


def _make_canonical(store: Store) -> str:
    """The same text for all addresses of one place: links are followed, and s3:// equals s3a://."""
    if store.is_local:
        return str(Path(store.uri).resolve())
    return f"{store.fs.type_name}://{store.path('')}"


def begin(request: Request) -> Run:
    """Take the output's lease, refuse what can be refused without Spark, and start to prepare the network.

    Returns
    -------
    Run
        A context that gives the lease back; for `run`.

    Raises
    ------
    FruitsError
        For an input that is missing; and for an output that cannot be written, is the input, or belongs to another run,
        at which nothing is written.
    """
    job = Run(request)
    job.hold()
    with job.record_failures():
        job.prepare()
    return job


def run(spark: SparkSession, request: Request, started_run: Run | None = None) -> dict[str, Any]:
    """Execute a request, and write `_run/error.json` beside the results when it fails.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    request : Request
    started_run : Run, optional
        What `begin` returned, where it was called before Spark was started.

    Returns
    -------
    dict
        What `run.json` says.

    Raises
    ------
    FruitsError
        For every failure with a known cause; a worker's error is raised as the worker raised it.
    """
    # what limit_wait raises is recorded, and not Spark's own error about a job that was cancelled
    with started_run or begin(request) as job, job.record_failures(), limit_wait(spark):
        return job.execute(spark)
