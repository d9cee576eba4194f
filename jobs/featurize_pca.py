"""Entry point of the step: ``spark-submit --py-files fruits.zip featurize_pca.py --input URI --output URI``."""

from __future__ import annotations

import sys

from fruits.command_line import parse
from fruits.daemon import drop_archives
from fruits.errors import FruitsError
from fruits.pipeline import begin, run
from fruits.wording import format_count


def main(arguments: list[str]) -> int:
    """Run the job; returns the exit code, and prints one sentence when it fails."""
    try:
        request = parse(arguments)
        # before `begin` starts threads: an import in one of them would miss a folder while the path gets shorter
        sys.path[:] = drop_archives(sys.path)
        with begin(request) as started_run, started_run.record_failures():
            from pyspark.sql import SparkSession

            # A worker that a signal ends then leaves its stack; without it, SIGSEGV looks like a kill.
            builder = SparkSession.builder.config("spark.python.worker.faulthandler.enabled", "true")
            # A second attempt beside a slow one would read and compute all of its images again, and write them twice:
            # its files are deleted, but only at the end of the run.
            builder = builder.config("spark.speculation", "false")
            spark = builder.appName("fruits").getOrCreate()
            try:
                summary = run(spark, request, started_run)
            finally:
                spark.stop()
    except FruitsError as error:
        print(f"fruits: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("fruits: interrupted; the next run continues where this one stopped", file=sys.stderr)
        return 130
    print(
        f"fruits: {format_count(summary['images_ok'], 'image')}, {summary['images_rejected']:,} rejected, "
        f"{summary['variance_statement']}; results in {request.output}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
