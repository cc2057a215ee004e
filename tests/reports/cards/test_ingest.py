from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from recipeline.artifacts import COLUMN_PROFILE
from recipeline.config.recipe import Recipe
from recipeline.data.checking.schema import validate_table
from recipeline.data.column_profile import describe_columns
from recipeline.reports.cards.ingest import make_card
from tests.classes import class_recipe
from tests.conftest import as_recipe, small_recipe
from tests.reports.cards.helpers import Saved, facts, notes, table


def saved(rows: pd.DataFrame, recipe: Recipe, source: str = "uci") -> Saved:
    tags = {"data_source": source, "data_origin": "https://host.example/a.csv", "data_digest": "a" * 64}
    return Saved({COLUMN_PROFILE: describe_columns(rows, recipe, rows.attrs)}, **tags)


def test_the_rows_are_counted_with_their_copies_and_where_they_are_from_is_told(wines: pd.DataFrame, recipe: Recipe) -> None:
    card = make_card(saved(wines, recipe))
    copies = len(wines) - len(wines.drop_duplicates())
    assert card.tone == "good"
    assert card.verdict == f"400 rows of 12 columns, all valid by the recipe; {copies} are copies."
    assert facts(card)["Source"] == "https://host.example/a.csv"
    assert facts(card)["sha256"] == "a" * 16
    assert notes(card) == []


def test_made_up_rows_are_announced(wines: pd.DataFrame, recipe: Recipe) -> None:
    card = make_card(saved(wines, recipe, "synthetic"))
    assert card.tone == "warning"
    assert "SYNTHETIC" in notes(card)[0]


def test_each_column_stands_beside_what_is_possible_at_all(wines: pd.DataFrame, recipe: Recipe) -> None:
    rows = {row["column"]: row for row in table(make_card(saved(wines, recipe)), "Schema and profile")}
    assert list(rows) == list(recipe.columns)
    assert (rows["alcohol"]["to"], rows["alcohol"]["greatest"]) == (25, wines["alcohol"].max())


def test_a_column_without_values_has_no_distribution(wines: pd.DataFrame, recipe: Recipe) -> None:
    card = make_card(saved(wines.assign(pH=np.nan), recipe))
    assert "pH" not in [row["column"] for row in table(card, "Distributions")]
    assert facts(card)["Missing values"] == 400


def test_rows_that_are_left_out_are_counted_and_a_column_without_values_is_a_warning(
    wines: pd.DataFrame, recipe: Recipe
) -> None:
    content = small_recipe() | {"rows": {"filter": {"alcohol": {"min": 10}}}}
    content["columns"]["pH"]["nullable"] = True
    kept = validate_table(wines.assign(pH=np.nan), filtered := as_recipe(content), origin="it")
    card = make_card(saved(kept, filtered))
    count = int((wines["alcohol"] < 10).sum())
    assert facts(card)["Rows left out"] == count
    assert notes(card) == [
        f"{count} rows are left out, as the recipe's rows.filter says.",
        "no row has a value of pH: set role: ignore for such columns.",
    ]
    assert "Rows left out" not in facts(make_card(saved(wines, recipe)))


def test_a_sample_is_told_beside_the_facts_and_not_as_a_warning(wines: pd.DataFrame, recipe: Recipe) -> None:
    profile = replace(describe_columns(wines, recipe), sampled_rows=1234)
    card = make_card(Saved({COLUMN_PROFILE: profile}, data_source="uci", data_origin="x", data_digest="a"))
    (note,) = card.notes
    assert note.tone == "plain"
    assert note.text.startswith("Quantiles, histograms and correlations are from a sample of 1,234 rows;")


def test_a_table_without_numbers_has_a_card_without_correlations() -> None:
    table = pd.DataFrame({"cap": ["b", "x"] * 20, "odour": ["n", "p", "a", "n"] * 10, "y": ["e", "p"] * 20})
    columns = {name: {"type": "category"} for name in table}
    results = saved(table, class_recipe("binary", {}, "p", columns=columns))
    results.recipe = class_recipe("binary", {}, "p", columns=columns)
    card = make_card(results)
    assert [section.title for section in card.sections] == ["Source", "Schema and profile", "Distributions"]
    assert "odour" in str(card.sections[2].blocks)


def test_of_a_wide_table_all_columns_of_numbers_are_counted() -> None:
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(12, 310)), columns=[f"g{it}" for it in range(309)] + ["y"])
    columns: dict[str, dict[str, str]] = {str(name): {} for name in rows} | {"kind": {"type": "category"}}
    content = small_recipe() | {"target": "y", "columns": columns, "gates": {}, "promotion": {}, "monitoring": {}}
    results = saved(rows.assign(kind="a"), as_recipe(content))
    results.recipe = as_recipe(content)
    assert "The strongest 40 of 310 are shown." in str(make_card(results).sections[3].blocks)
