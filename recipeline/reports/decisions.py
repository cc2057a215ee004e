"""Blocks of cards on decided labels: confusion, and curves with their point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recipeline.evaluation.tasks.results import Band, Decisions, LabelCurves, word_of
from recipeline.reports.blocks import Block, Cell, Note, Plot, Table
from recipeline.reports.plots.classes import Drawn, plot_confusion, plot_curves
from recipeline.reports.tasks.base import Evaluated

#: A confusion matrix of more labels is not read.
MOST_CELLS = 16

#: So many of the most frequent confusions are listed where the matrix is not drawn.
_LISTED = 20


def show_decisions(decisions: Decisions) -> list[Block]:
    """Return the confusion of labels, with precision and recall of each."""
    labels, counts = [word_of(it.label) for it in decisions.labels], np.array(decisions.confusion)
    right = float(np.trace(counts)) / max(1, int(counts.sum()))
    how = (
        ""
        if decisions.threshold is None
        else f" The label {labels[-1]} is decided from a probability of {decisions.threshold:.3g} on."
    )
    of_label = Table(
        ["label", "rows", "share of the rows", "decided", "precision", "recall"],
        [
            [word_of(it.label), it.rows, it.rows / max(1, int(counts.sum())), it.said, it.precision, it.recall]
            for it in decisions.labels
        ],
        "Labels of the test rows",
    )
    if len(labels) > MOST_CELLS:
        wrong = sorted(
            ((int(counts[row, column]), labels[row], labels[column]) for row, column in np.argwhere(counts) if row != column),
            key=lambda it: -it[0],
        )
        rows: list[list[Cell]] = [[true, said, count] for count, true, said in wrong[:_LISTED]]
        return [Table(["true label", "decided label", "rows"], rows, "The most frequent confusions"), of_label]
    counted: list[list[Cell]] = [[label, *map(int, row)] for label, row in zip(labels, counts, strict=True)]
    plot = Plot(
        "confusion",
        f"Confusion of the test rows: the share of each true label's rows, and their number, by decided label.{how}",
        lambda: plot_confusion(labels, counts, f"How often is the decided label right? In {right:.1%} of the rows"),
        Table(["true label", *(f"decided {label}" for label in labels)], counted),
    )
    return [plot, of_label]


def show_curves(found: Evaluated) -> list[Block]:
    """Return ROC and precision-recall curves, and a warning on labels without rows."""
    curves, decisions = found.diagnosis.curves, found.best.decisions
    if not curves or decisions is None:
        return [Note("The test rows have one label only: there are no curves.")]
    places = {it.label: place for place, it in enumerate(decisions.labels)}
    points = [_point(np.array(decisions.confusion), places[it.label]) for it in curves]
    rows = sum(it.rows for it in decisions.labels)
    rocs = [_drawn(it, it.roc, point[:2], ((0, 0), (1, 1))) for it, point in zip(curves, points, strict=True)]
    recalls = [
        _drawn(it, it.precision_recall, point[1:], ((0, it.rows / rows), (1, it.rows / rows)))
        for it, point in zip(curves, points, strict=True)
    ]
    rest = f" of the label {word_of(curves[0].label)}" if len(curves) == 1 else " of each label against all others"
    missing = [word_of(it.label) for it in decisions.labels if not it.rows]
    lacks = [Note(f"No test row has the label {', '.join(missing)}: there is no curve of it.", "warning")] if missing else []
    told, sure = (_scored(found, name) for name in ("roc_auc", "average_precision"))
    return [
        *lacks,
        Plot(
            "roc",
            f"ROC{rest}: recall by false positive rate on the test rows.",
            lambda: plot_curves(rocs, "false positive rate", "recall", f"Are labels told apart? {told}"),
            _points(rocs, "false positive rate", "recall"),
        ),
        Plot(
            "precision_recall",
            f"Precision-recall curve{rest}: precision by recall on the test rows. Without skill, precision is the share of the "
            "label.",
            lambda: plot_curves(recalls, "recall", "precision", f"How sure is a find? {sure}"),
            _points(recalls, "recall", "precision"),
        ),
    ]


def _scored(found: Evaluated, name: str) -> str:
    """Return a metric of the best candidate on the test rows with its name."""
    return f"{found.metrics.labels[name]} {found.metrics.scores[name]:.3f} on the test rows"


def _drawn(
    it: LabelCurves,
    band: Band,
    point: Sequence[float | None],
    chance: tuple[tuple[float, float], tuple[float, float]],
) -> Drawn:
    x, y = point
    return Drawn(word_of(it.label), band.x, band.y, band.low, band.high, None if x is None or y is None else (x, y), chance)


def _point(confusion: np.ndarray, place: int) -> tuple[float | None, float | None, float | None]:
    """Return false positive rate, recall and precision of one label; None of no rows."""
    hits, true, said = confusion[place, place], confusion[place].sum(), confusion[:, place].sum()
    others = confusion.sum() - true

    def share(part: float, whole: float) -> float | None:
        return float(part / whole) if whole else None

    return share(said - hits, others), share(hits, true), share(hits, said)


def _points(curves: Sequence[Drawn], x: str, y: str) -> Table:
    """Return the points of curves, every fifth, and the decided ones."""
    rows: list[list[Cell]] = []
    for it in curves:
        if it.point:
            rows.append([it.label, "decided", *it.point, None, None])
        low, high = (side or (None,) * len(it.x) for side in (it.low, it.high))
        rows += [[it.label, "curve", *row] for row in list(zip(it.x, it.y, low, high, strict=True))[::5]]
    return Table(["label", "point", x, y, "95 % from", "to"], rows)
