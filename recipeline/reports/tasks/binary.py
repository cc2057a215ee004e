"""Two classes on cards: the positive label, and the threshold of its decision."""

from __future__ import annotations

from recipeline.config.recipe import Recipe
from recipeline.data.target_codes import TargetCodes
from recipeline.evaluation.results import Best, Dependence
from recipeline.evaluation.tasks.results import word_of
from recipeline.reports.blocks import Plot, Section, Table
from recipeline.reports.kinds.every import KINDS
from recipeline.reports.plots.classes import plot_thresholds
from recipeline.reports.plots.model import plot_dependence
from recipeline.reports.tasks.base import Evaluated, with_unit
from recipeline.reports.tasks.multiclass import Multiclass


class Binary(Multiclass):
    """The probability of the positive label."""

    bias = "bias (mean probability - share)"

    def predicted_label(self, codes: TargetCodes) -> str:
        """Return the name of the probability that ranges are of."""
        return f"probability of {word_of(codes.labels[1])}"

    def true_label(self, codes: TargetCodes) -> str:
        """Return the name of the share that it is compared with."""
        return f"share of {word_of(codes.labels[1])}"

    def watched(self, codes: TargetCodes, rows: list[int]) -> list[int]:
        """Return the place of the positive label."""
        return [1]

    def show_decision(self, found: Evaluated) -> list[Section]:
        """Return what the decision is judged by, by threshold."""
        curve, decisions = found.diagnosis.thresholds, found.best.decisions
        if curve is None or decisions is None or decisions.threshold is None:
            return []
        chosen = decisions.threshold
        rows = [list(row) for row in zip(curve.thresholds, curve.out_of_fold, curve.test, strict=True)]
        marked = curve.thresholds.index(chosen) if chosen in curve.thresholds else None
        own = f", {curve.measure} {curve.out_of_fold[marked]:.4g} out of fold" if marked is not None else ""
        title = f"From which probability on is {word_of(decisions.labels[-1].label)} decided? From {chosen:.3g}{own}"
        what = curve.measure[:1].upper() + curve.measure[1:]
        return [
            Section(
                "Threshold",
                [
                    Plot(
                        "thresholds",
                        f"{what} by threshold. The threshold is {decisions.rule}. The test rows did not choose it: on them it "
                        "need not be the best.",
                        lambda: plot_thresholds(curve.thresholds, curve.out_of_fold, curve.test, chosen, curve.measure, title),
                        Table(
                            ["threshold", f"{curve.measure}, out of fold", f"{curve.measure}, test rows"], rows, marked=marked
                        ),
                    )
                ],
            )
        ]

    def show_dependence(self, name: str, place: int, curve: Dependence, recipe: Recipe, best: Best) -> Plot:
        """Return the mean probability of the positive label by the value of a column."""
        values, mean, feature = list(curve.values), list(curve.mean), with_unit(recipe, name)
        label = self.predicted_label(self.codes_of(best, recipe))
        return Plot(
            f"dependence_{place}",
            f"The mean {label} of all training rows if {name} had the same value in each.",
            lambda: plot_dependence(KINDS[recipe.columns[name].type].points(values), mean, feature, label),
            Table([feature, f"mean {label}"], [list(row) for row in zip(values, mean, strict=True)]),
        )
