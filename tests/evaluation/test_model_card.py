from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from recipeline.config.recipe import Recipe
from recipeline.config.table import SYNTHETIC
from recipeline.evaluation.model_card import DESCRIPTION_LENGTH, write_model_card
from recipeline.evaluation.results import Diagnosis, Metrics
from recipeline.inference.model_info import Feature, ModelInfo
from tests.conftest import as_recipe, small_recipe
from tests.records import some

SCORES = {"r2": 0.3512, "rmse": 0.6, "mae": 0.4}
TAGS = {"data_source": "file", "data_digest": "0123456789abcdef", "split_method": "grouped"}
DIAGNOSIS = some(
    Diagnosis,
    {
        "by_predicted": [
            {"from": 4.5, "to": 5.5, "rows": 30, "interval_coverage": 0.8},
            {"from": 5.5, "to": 6.5, "rows": 30, "interval_coverage": 0.95},
        ],
        "slices": [
            {"slice": "all rows", "rows": 60, "error": 0.4, "bias": 0.0},
            {"slice": "strong ones", "rows": 12, "error": 0.9, "bias": -0.9},
        ],
    },
)
INFO = some(
    ModelInfo,
    {
        "features": [
            {"name": "alcohol", "unit": "% vol", "train_min": 8.5, "train_max": 14.0},
            {"name": "pH", "unit": "", "train_min": None, "train_max": None},
        ],
        "sample": {"alcohol": 10.0, "pH": None},
    },
)


def metrics(leaks: dict[str, Any] | None = None, scores: dict[str, float] = SCORES, **best: Any) -> Metrics:
    found = {
        "best": {
            "candidate": "LinearRegression",
            "interval_95": {"r2": [0.25, 0.45]},
            "interval_90": {"coverage": 0.91, "mean_width": 1.9},
            "accuracy_within": {"0.5": 0.6},
            "grades": {
                "per_grade": [
                    {"grade": 3, "rows": 8, "mae": 2.0, "bias": 2.0},
                    {"grade": 5, "rows": 40, "mae": 0.3, "bias": 0.1},
                    {"grade": 8, "rows": 5, "mae": 1.2, "bias": -1.2},
                    {"grade": 9, "rows": 4, "mae": 3.0, "bias": -3.0},
                ]
            },
        }
        | best,
        "candidates": {"LinearRegression": scores | {"cv_mean_score": 0.33, "cv_std": 0.04}},
        "mean_predictor": {"rmse": 0.8},
        "test_rows": 60,
        "leaks": leaks,
    }
    return some(Metrics, found)


def card(recipe: Recipe, tags: dict[str, str] = TAGS, **best: Any) -> str:
    return write_model_card(recipe, metrics(**best), DIAGNOSIS, INFO, tags).as_markdown()


def test_the_card_has_all_parts_that_a_reader_looks_for(recipe: Recipe) -> None:
    headings = [line for line in card(recipe).splitlines() if line.startswith("## ")]
    assert headings == [
        "## Model",
        "## Intended use",
        "## Data",
        "## Metrics",
        "## Limits",
        "## Ethical considerations",
        "## Use",
    ]


def test_the_figures_are_those_of_the_evaluation(recipe: Recipe) -> None:
    text = card(recipe)
    assert "Test R2 0.3512 (95 % interval 0.250 to 0.450), RMSE 0.6000, MAE 0.4000." in text
    assert "Cross-validated R2 0.3300 ± 0.0400." in text
    assert "alcohol 8.5 to 14 % vol" in text


def test_one_candidate_is_no_choice(recipe: Recipe) -> None:
    assert "the only candidate trained." in card(recipe)
    found = metrics()
    two = replace(found, candidates=dict.fromkeys(("LinearRegression", "SVR"), found.candidates["LinearRegression"]))
    text = write_model_card(recipe, two, DIAGNOSIS, INFO, TAGS).as_markdown()
    assert "the best of 2 candidates by cross-validated R2." in text


def test_the_grades_that_it_misses_are_named_worst_first(recipe: Recipe) -> None:
    text = card(recipe)
    assert "True quality 3 (8 test rows): off by 2.00 on average, 2.00 too high." in text
    assert "True quality 8 (5 test rows): off by 1.20 on average, 1.20 too low." in text
    assert "True quality 5" not in text  # not much worse
    assert "True quality 9" not in text  # too few rows to tell
    assert text.index("True quality 3") < text.index("True quality 8")


def test_slices_are_named_too(recipe: Recipe) -> None:
    assert "strong ones (12 test rows): off by 0.90 on average, 0.90 too low." in card(recipe)


def test_where_nothing_is_much_worse_the_card_says_so(recipe: Recipe) -> None:
    assert "No examined slice of the test rows has more than 1.5 times" in card(recipe, grades={}, scores=SCORES | {"mae": 0.8})


def test_without_a_diagnosis_there_is_a_card(recipe: Recipe) -> None:
    text = write_model_card(recipe, metrics(), None, INFO, TAGS).as_markdown()
    assert "True quality 3" in text
    assert "Of all ranges" not in text


def test_test_rows_with_a_twin_are_told_with_the_figure_without_them(recipe: Recipe) -> None:
    assert "none of which has a twin in training" in card(recipe)
    leaks = {"leaked_rows": 12, "r2_without_twin": {"LinearRegression": 0.2}}
    text = write_model_card(recipe, metrics(leaks), DIAGNOSIS, INFO, TAGS).as_markdown()
    assert "of which 12 have a twin in training, which makes scores optimistic: R2 without them 0.2000." in text


def test_a_description_is_no_longer_than_every_store_takes_and_says_where_the_rest_is(recipe: Recipe) -> None:
    many = tuple(Feature(f"column {n}", "g/L", train_min=0.0, train_max=1.0) for n in range(400))
    found = write_model_card(recipe, metrics(), DIAGNOSIS, replace(INFO, features=many), TAGS)
    assert len(found.as_description()) == DESCRIPTION_LENGTH
    assert found.as_description().endswith("… the full text is model_card.md of the run of register.")
    whole = write_model_card(recipe, metrics(), DIAGNOSIS, INFO, TAGS)
    assert whole.as_description() == whole.as_markdown()


def test_the_range_where_the_interval_holds_least_is_named(recipe: Recipe) -> None:
    assert "The interval's coverage is lowest at predictions of 4.50 to 5.50: 80 % of 30." in card(recipe)


def test_what_people_say_of_the_model_comes_from_the_recipe() -> None:
    said = {"intended_use": "To guess.", "out_of_scope": "judging people.", "ethics": "None at all."}
    text = card(as_recipe(small_recipe() | {"model_card": said}))
    assert "- To guess." in text
    assert "- Not for: judging people." in text
    assert "- None at all." in text


def test_a_recipe_that_says_nothing_has_a_card_that_says_so() -> None:
    text = card(as_recipe(small_recipe() | {"model_card": {}}))
    assert "To predict quality for rows like those it was trained on." in text
    assert "Not stated in the recipe" in text


def test_made_up_rows_are_announced_first(recipe: Recipe) -> None:
    text = card(recipe, TAGS | {"data_source": "synthetic"})
    headline, _, heading, _, first = text.splitlines()[:5]
    assert "SYNTHETIC" in headline
    assert (heading, first.split(":")[0]) == ("## Model", "- Trained on SYNTHETIC rows")


def test_the_example_is_code_that_builds_a_row(recipe: Recipe) -> None:
    text = card(recipe)
    code = text[text.index("```python") + 9 : text.rindex("```")]
    assert "models:/SmallModel/Production" in code
    compile(code, "example", "exec")
    assert "{'alcohol': 10.0, 'pH': None}" in code


@pytest.mark.parametrize("nasty", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>"])
def test_text_of_the_recipe_cannot_become_html_in_the_registry(nasty: str) -> None:
    text = card(as_recipe(small_recipe() | {"model_card": {"intended_use": nasty}}))
    assert "<script" not in text
    assert "<img" not in text


def test_a_line_of_the_recipe_stays_one_line_without_links_and_pictures() -> None:
    said = {"ethics": "one\n# two\n![three](http://example.com/x.png)"}
    text = card(as_recipe(small_recipe() | {"model_card": said}))
    assert "- one \\# two !\\[three\\](http" in text


@pytest.mark.parametrize(("source", "rows"), [("file", "rows"), (SYNTHETIC, "SYNTHETIC rows")])
def test_the_first_line_is_what_a_list_of_versions_shows(recipe: Recipe, source: str, rows: str) -> None:
    first = card(recipe, TAGS | {"data_source": source}).splitlines()[0]
    assert first == f"LinearRegression: test R2 0.3512, RMSE 0.6000, MAE 0.4000 on 60 {rows}"
