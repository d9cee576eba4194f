"""One history for all tests here: an embedded AWS of its own, a cluster, steps that run and fail, and its end."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.aws.account import Account, Place
from ops.core.console import Console, Person
from ops.lifecycle import environment
from tests.drawn import draw_once
from tests.rehearsal.life import BUCKETS, Life
from tests.rehearsal.support import Operator


def applications(address: str) -> str:
    """What Spark's history server knows, by its REST interface: as a browser that keeps the cookie."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(address, timeout=300) as page:
        assert "History Server" in page.read().decode()
    with opener.open(f"{address.partition('?')[0]}api/v1/applications", timeout=300) as answer:
        return str(answer.read().decode())


def ends(life: Life) -> None:
    """`make destroy` but for its last act, to stop the embedded AWS: first the account is looked at."""
    life.before_destroy()
    environment.destroy(Account.at(Place()), Console())
    life.after_destroy()


def purges() -> None:
    """`make purge` but for its last act."""
    environment.purge(Account.at(Place()), Person(), Console(), confirmation=BUCKETS["data"])


@pytest.fixture(scope="session")
def history(terraform: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The whole history; whatever fails in it, the server is stopped."""
    operator = Operator(tmp_path_factory.mktemp("rehearsal"))
    draw_once(operator.folder / "fruits", views=5)
    try:
        operator.types("run-step", name="before anything")
        operator.types("status", name="status before anything")
        code, printed = operator.follows("the embedded AWS of ENV=local is not running")[0]
        assert code == 0, printed
        with operator.at_the_terminal():
            operator.life = life = Life.of(operator.folder / "aws", terraform, operator.folder)
            life.after_apply()
        operator.types("upload-dataset", INPUT="fruits")
        with operator.at_the_terminal():
            life.after_upload()
        operator.does("apply of a change", life.change)
        operator.follows("upload-dataset was interrupted, or images were added")
        operator.types("logs", name="logs of nothing")
        code, printed = operator.types("run-step", name="detached", DETACH="1", K="5")
        assert code == 0, printed
        step = printed.split("step ")[1].split()[0]
        operator.types("run-step", name="refused")
        operator.follows("another step is open on the cluster")
        operator.follows("A step seems to stand still", step=step)
        operator.follows("Ctrl-C was pressed, or the terminal was closed, while a step ran", step=step)
        _, printed = operator.types("run-step", name="failed", CLASSES="No such fruit")
        failed = printed.split("step ")[1].split()[0]
        operator.follows("A step failed", step=failed)
        operator.types("steps", name="steps as JSON", JSON="1")
        operator.types("status", name="status as JSON", JSON="1")
        operator.types("logs", name="logs as JSON", JSON="1", LINES="3")
        asked = 'aws s3 ls "s3://$BUCKET/"; cat mnt/var/lib/info/job-flow.json; "$PYTHON" --version'
        operator.follows("Something must be looked at on the node itself", enters=asked)
        operator.looks_at_the_page("A step is slow, and it should be seen where", applications)
        operator.follows("The results are in S3, and should be here")
        operator.follows("What did it cost, and what will it")
        with operator.at_the_terminal():
            life.end_by_idleness()
        operator.types("run-step", name="after its end")
        operator.types("shell", name="shell after its end")
        operator.follows("the cluster … is TERMINATED", but={"destroy": lambda: ends(life)})
        operator.does("purge", purges)
        life.after_purge()
        operator.types("destroy", name="destroy of nothing")  # stops the embedded AWS, too
        yield operator
    finally:
        stop = [sys.executable, "-m", "localaws", "stop"]
        subprocess.run(stop, env=operator.environ, cwd=operator.folder, check=False)
