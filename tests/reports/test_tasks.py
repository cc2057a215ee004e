"""Sections of cards by task."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recipeline.config.recipe import Recipe
from recipeline.evaluation.results import Dependence
from recipeline.evaluation.tasks.results import word_of
from recipeline.reports.blocks import Facts, Plot, Table
from recipeline.reports.page import render
from recipeline.reports.tasks.base import Evaluated, label_of
from recipeline.reports.tasks.every import TASKS
from recipeline.reports.tasks.regression import summarise_pairs
from tests.conftest import as_recipe, small_recipe
from tests.reports.cards.helpers import facts, notes, table, titles
from tests.reports.evaluated import CASES, THRESHOLD, card_of_evaluate, evaluate

CLASSES = [name for name, it in CASES.items() if it.task != "regression"]


def plot_of(found: Evaluated, name: str) -> Plot:
    """Return a plot of the evaluation by its name."""
    task = TASKS[found.metrics.task]
    sections = [*task.show_predictions(found), *task.show_groups(found), *task.show_uncertainty(found)]
    (plot,) = (it for section in sections for it in section.blocks if isinstance(it, Plot) and it.name == name)
    return plot


def test_the_target_is_labelled_with_its_unit_where_it_has_one(recipe: Recipe) -> None:
    unit = recipe.columns["quality"].unit
    assert label_of(recipe) == f"quality ({unit})"
    content = small_recipe()
    content["columns"]["quality"].pop("unit")
    assert label_of(as_recipe(content)) == "quality"


def test_pairs_are_summed_up_by_grade_or_by_tenth() -> None:
    assert summarise_pairs([5.0, 6.0, 6.0], [5.1, 5.9, 6.3]).rows == [
        [5.0, 1, 5.1, 5.1, 5.1],
        [6.0, 2, 5.9, 6.1, 6.3],
    ]
    many = summarise_pairs(np.arange(100.0), np.arange(100.0))
    assert [row[1] for row in many.rows] == [10] * 10


@pytest.mark.parametrize("name", CLASSES)
def test_every_card_of_classes_is_drawn_whole(name: str) -> None:
    page = render(card_of_evaluate(name))
    assert page.failures == []
    assert "R2" not in page.html.replace("R20", "").replace("R21", "")
    assert page.html.count("<figure data-plot=") == page.html.count("<summary>The values</summary>")  # a table for each picture


@pytest.mark.parametrize("name", CLASSES)
def test_shares_of_the_confusion_are_of_the_true_labels(name: str) -> None:
    found = evaluate(name)
    rows = table(card_of_evaluate(name), "Decided labels")
    counts = np.array([[*row.values()][1:] for row in rows])
    assert counts.sum() == len(found.rows)
    true = found.rows["target"].map(lambda it: str(bool(it)).lower() if CASES[name].column == "boolean" else str(it))
    assert [row["true label"] for row in rows] == [word_of(it.label) for it in found.best.decisions.labels]
    assert counts.sum(axis=1).tolist() == [int((true == row["true label"]).sum()) for row in rows]


def test_two_labels_have_a_threshold_and_its_curve_marked_where_it_is() -> None:
    card = card_of_evaluate("two labels")
    assert facts(card)["Threshold"] == THRESHOLD
    assert 0 < facts(card)["Cost per row"] < 1
    plot = plot_of(evaluate("two labels"), "thresholds")
    marked = plot.values.rows[plot.values.marked or 0]
    assert marked[0] == THRESHOLD
    assert marked[2] == pytest.approx(facts(card)["Cost per row"])
    assert "fn 4" in plot.shows


def test_many_labels_have_a_panel_each_and_no_threshold() -> None:
    card = card_of_evaluate("ten labels")
    assert "Threshold" not in titles(card)
    assert {row["label"] for row in table(card, "ROC and precision-recall")} == {str(label) for label in range(10)}
    assert len(table(card, "Probabilities by label")[0]) == 1 + 2 * 10


def test_the_decided_point_lies_on_the_curve() -> None:
    found = evaluate("two labels")
    decided, *_ = plot_of(found, "roc").values.rows
    label, what, rate, recall, *_ = decided
    assert (label, what) == ("good", "decided")
    said = found.rows["predicted Logistic"] >= THRESHOLD
    true = found.rows["target"] == "good"
    assert recall == pytest.approx(said[true].mean())
    assert rate == pytest.approx(said[~true].mean())
    decided = plot_of(found, "precision_recall").values.rows[0]
    assert [*decided][2:4] == [pytest.approx(recall), pytest.approx(true[said].mean())]


def test_a_label_that_no_test_row_has_is_named_and_the_others_are_drawn() -> None:
    card = card_of_evaluate("a label that no test row has")
    assert "No test row has the label c: there is no curve of it." in notes(card)
    assert {row["label"] for row in table(card, "ROC and precision-recall")} == {"a", "b"}
    sets = plot_of(evaluate("a label that no test row has"), "sets")
    assert [row[0] for row in sets.values.rows] == ["a", "b"]
    one = card_of_evaluate("two labels of which the test rows have one")
    assert any("one label only" in note for note in notes(one))
    assert "Threshold" not in titles(one)


def test_bars_of_a_label_add_up_to_its_rows() -> None:
    values = plot_of(evaluate("two labels"), "scores_by_label").values
    shares = np.array([row[1:] for row in values.rows], dtype=float)
    assert shares.sum(axis=0) == pytest.approx([1, 1])
    counts = plot_of(evaluate("two labels"), "reliability").values.rows
    assert sum(int(str(row[2])) for row in counts) == len(evaluate("two labels").rows)
    assert all(row[5] <= row[4] <= row[6] for row in counts)


def test_sets_are_told_by_label_and_by_size() -> None:
    found = evaluate("ten labels")
    (section,) = TASKS["multiclass"].show_uncertainty(found)
    facts_, plot, sizes = section.blocks
    assert isinstance(facts_, Facts)
    assert isinstance(plot, Plot)
    assert isinstance(sizes, Table)
    mean = facts_.values["Labels in a set, on average"]
    assert sum(int(str(size)) * float(str(share)) for size, _, share in sizes.rows) == pytest.approx(mean)
    weighted = sum(int(str(row[1])) * float(str(row[2])) for row in plot.values.rows) / len(found.rows)
    assert weighted == pytest.approx(found.best.interval_90.coverage)


def test_true_labels_among_the_worst_rows_are_words_as_the_decided_ones_are() -> None:
    (section,) = (it for it in card_of_evaluate("true and false").sections if it.title == "Errors by slice")
    worst = next(it for it in section.blocks if isinstance(it, Table))
    row = dict(zip(worst.columns, worst.rows[0], strict=True))
    assert type(row["y"]) is type(row["predicted"]) is bool
    assert 0 <= float(str(row["probability of the true label"])) < 0.5


def test_slices_have_intervals_and_a_bias_where_there_is_one() -> None:
    two, many = (table(card_of_evaluate(name), "Errors by slice") for name in ("two labels", "ten labels"))
    assert all(row["95 % from"] <= row["Brier score"] <= row["to"] for row in [*two, *many])
    assert "bias" in two[0]
    assert "bias" not in many[0]


@pytest.mark.parametrize("case", ["two labels", "ten labels", "a constant score"])
def test_out_of_fold_rows_without_a_prediction_are_left_out(case: str) -> None:
    found = evaluate(case)
    rows = found.rows.copy()
    rows.loc[rows.index[:7], [name for name in rows if str(name).startswith("predicted")]] = np.nan
    section = TASKS[found.metrics.task].show_out_of_fold("Logistic", rows, found.recipe)
    (plot,) = (it for it in section.blocks if isinstance(it, Plot))
    assert "The 7 earliest rows are left out" in plot.shows
    assert np.array([row[1:] for row in plot.values.rows], dtype=float).sum(axis=0) == pytest.approx(1)


def test_a_dependence_of_classes_is_of_probabilities() -> None:
    two, many = evaluate("two labels"), evaluate("ten labels")
    plot = TASKS["binary"].show_dependence("x", 1, Dependence((0.0, 1.0), (0.2, 0.7)), two.recipe, two.best)
    assert plot.values.columns == ["x", "mean probability of good"]
    curve = Dependence((0.0, 1.0), (0.1, 0.1), {str(label): (0.1, 0.1 + 0.05 * label) for label in range(10)})
    plot = TASKS["multiclass"].show_dependence("x", 1, curve, many.recipe, many.best)
    assert len(plot.values.columns) == 11
    figure = plot.draw()
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [it.get_text() for it in legend.get_texts()] == ["7", "8", "9"]


def test_a_regression_has_the_sections_that_it_had() -> None:
    rows = pd.DataFrame({"target": [5.0, 6.0, np.nan], "predicted A": [5.1, 5.9, np.nan]})
    recipe = as_recipe(small_recipe())
    section = TASKS["regression"].show_out_of_fold("A", rows, recipe)
    assert section.title == "Predicted against true"
    (plot,) = (it for it in section.blocks if isinstance(it, Plot))
    assert [row[0] for row in plot.values.rows] == [5, 6]
    assert TASKS["regression"].show_groups(evaluate("two labels")) == []


def test_the_scores_are_said_in_the_words_of_the_task() -> None:
    said = {name: task.scores for name, task in TASKS.items()}
    assert said["regression"] == "R2, root mean squared and mean absolute error"
    assert said["binary"] == said["multiclass"]
    (plot,) = (it for it in card_of_evaluate("two labels").sections[1].blocks if isinstance(it, Plot))
    assert plot.shows == f"{said['binary']} on the test rows, with 95 % bootstrap intervals over distinct rows."
