"""`make classify`: are a result's features worth something? A linear classifier on its scores, cross-validated.

The folds are series of photographs, not drawn at random (`fruits.classifier`); all images are used, where the report's
own number is of the images it shows, and the report is given the new one.
"""

from collections.abc import Iterator

import numpy as np
from fruits import classifier
from fruits.classifier import MAX_CLASSES, cross_validate_blocks
from fruits.errors import InputError
from fruits.outputs import REPORT
from fruits.report import page
from fruits.wording import format_count
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from ops.core.console import Console
from ops.job.results import Result

SHOWN = 10


def validate_result(result: Result) -> classifier.CrossValidation:
    """How well a linear classifier does on the scores; they are read three times, and never held whole.

    Raises
    ------
    InputError : with fewer than two classes of two images, or more classes than can be handled
    """
    paths, labels = result.names()
    classes = len(set(labels))
    if classes > MAX_CLASSES:
        raise InputError(
            f"the result has {format_count(classes, 'class')}, and {MAX_CLASSES:,} can be told apart here. Fix: "
            "CLASSES=."
        )

    def scores() -> Iterator[NDArray[np.floating]]:
        return (block.scores for block in result.blocks())

    validation = cross_validate_blocks(paths, labels, scores)
    if validation is None:
        raise InputError(
            f"a classifier needs two classes of two images, and {result.store.uri} has "
            f"{format_count(len(labels), 'image')} of {format_count(classes, 'class')}. Fix: a run over more of "
            "them, without CLASSES= or LIMIT=."
        )
    return validation


def add_classifier(result: Result, validation: classifier.CrossValidation) -> bool:
    """Put a validation into the result's page; False where there is no page, or one of another version."""
    try:
        text = result.store.read(REPORT).decode()
    except (OSError, UnicodeDecodeError):
        return False
    filled = page.refill(
        text,
        "classifier",
        page.render_classifier(validation, predictions=list_shown_predictions(result, validation, text)),
    )
    if filled is None:
        return False
    if filled != text:
        result.store.write(REPORT, filled.encode())
    return True


def list_shown_predictions(result: Result, validation: classifier.CrossValidation, text: str) -> list[int]:
    """What the images that a page shows are taken for, in the page's order; none where it names no images."""
    shown = page.read_shown_images(text)
    if shown is None:
        return []
    labels, names = shown
    paths = [page.shorten(path) for path in result.below_input(result.names()[0])]
    return page.list_predictions(validation, paths, names, labels)


def make_confusions_table(validation: classifier.CrossValidation) -> Table:
    """What is taken for what."""
    table = Table("true class", "predicted", "images", title="most frequent confusions", title_justify="left")
    table.columns[2].justify = "right"
    for a, b, n in validation.list_top_confusions(SHOWN):
        table.add_row(Text(a), Text(b), f"{n:,}")
    return table


def make_worst_table(validation: classifier.CrossValidation) -> Table:
    """The classes that are recognised least."""
    table = Table("class", "recognised", title="classes recognised least", title_justify="left")
    table.columns[1].justify = "right"
    for label, share in sorted(validation.compute_recall().items(), key=lambda item: (item[1], item[0]))[:SHOWN]:
        if share < 1:
            table.add_row(Text(label), f"{100 * share:.1f}%")
    return table


def classify(result: Result) -> tuple[classifier.CrossValidation, bool]:
    """Cross-validate, and complete the result's page; the second value is whether there is a place for it."""
    validation = validate_result(result)
    return validation, add_classifier(result, validation)


def show_validation(result: Result, validation: classifier.CrossValidation, written: bool, console: Console) -> None:
    """What a cross-validation found, for a reader."""
    first, second = validation.by_fold
    classes, scores = len(validation.labels), result.summary["k"]
    images = format_count(validation.images, "image")
    console.print(
        f"{100 * validation.accuracy:.1f}% of {images} of {format_count(classes, 'class')} are recognised from "
        f"{format_count(scores, 'score')} (folds: {100 * first:.1f} and {100 * second:.1f}%; the largest class alone: "
        f"{100 * validation.chance:.1f}%)"
    )
    console.print(f"tested on images it has not seen: {validation.split.statement}")
    if validation.accuracy < 1:
        console.print(make_confusions_table(validation))
        console.print(make_worst_table(validation))
    place = result.store.location(REPORT)
    console.print(
        f"the whole confusion matrix is in {place}" if written else f"{place} was left as it is: no place for it there"
    )
