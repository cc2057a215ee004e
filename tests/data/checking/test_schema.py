from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from recipeline.config.recipe import Recipe
from recipeline.data.checking import schema
from recipeline.data.checking.numbers import FINITE
from recipeline.data.checking.schema import DROPPED, SchemaViolations, TableCheck, validate_table
from recipeline.data.column_profile import describe_columns
from recipeline.data.reading.parquet_files import MemoryRows
from recipeline.data.reading.pieces import Table
from recipeline.data.stored_rows import RowsWriter
from recipeline.errors import DataError
from tests.classes import TARGETS, class_recipe, draw_classes
from tests.conftest import as_recipe, small_recipe
from tests.large import holding
from tests.panels import draw_series, series_content
from tests.tables import opened


def broken(wines: pd.DataFrame, *values: tuple[int, str, Any]) -> list[Table]:
    """Return the wines as the text of a CSV, with other values at some places."""
    table = wines.astype(object).copy()
    for row, column, value in values:
        table.loc[row, column] = value
    return opened(table.to_csv(index=False).encode(), list(wines.columns), "x.csv")


def violations(table: pd.DataFrame | list[Table], recipe: Recipe) -> pd.DataFrame:
    with pytest.raises(SchemaViolations) as error:
        validate_table(table, recipe, origin="x.csv")
    return error.value.table


@pytest.mark.parametrize(
    ("value", "column", "rule", "got"),
    [
        ("abc", "pH", "must be a number", "'abc'"),
        (np.nan, "pH", "must not be missing", "nothing"),
        (None, "alcohol", "must not be missing", "nothing"),
        (np.inf, "alcohol", FINITE, "inf"),
        (-np.inf, "alcohol", FINITE, "-inf"),
        (1e300, "alcohol", FINITE, "1e+300"),
        (31.0, "alcohol", "must be at most 25 % vol", "31.0"),
        (-1.0, "sulphates", "must be at least 0 g/L potassium sulphate", "-1.0"),
        (5.5, "quality", "must be a whole number", "5.5"),
        (True, "pH", "must be a number", "'True'"),
    ],
)
def test_a_value_that_breaks_its_rule_is_named_by_row_column_rule_and_value(
    wines: pd.DataFrame, recipe: Recipe, value: Any, column: str, rule: str, got: str
) -> None:
    faults = violations(broken(wines, (6, column, value)), recipe)
    assert faults.to_dict("records") == [{"row": 7, "column": column, "rule": rule, "got": got}]


def test_all_violations_are_reported_at_once_in_row_order(wines: pd.DataFrame, recipe: Recipe) -> None:
    faults = violations(broken(wines, (9, "pH", "x"), (2, "alcohol", 99), (2, "density", None), (5, "quality", 11)), recipe)
    assert list(faults["row"]) == [3, 3, 6, 10]
    assert list(faults["column"]) == ["density", "alcohol", "quality", "pH"]


def test_a_rule_that_many_rows_break_is_one_line_of_the_message_and_whole_in_the_table(
    wines: pd.DataFrame, recipe: Recipe
) -> None:
    with pytest.raises(SchemaViolations) as error:
        validate_table(wines.assign(pH=99.0), recipe, origin="x.csv")
    assert len(error.value.table) == 400
    assert error.value.details == ("pH: must be at most 5 pH. Broken in 400 rows, for example by 99.0 in row 1.",)


def test_missing_and_extra_columns_are_named(wines: pd.DataFrame, recipe: Recipe) -> None:
    faults = violations(wines.rename(columns={"chlorides": "chloride"}), recipe)
    assert list(faults["column"]) == ["chlorides", "chloride"]
    assert "is it 'chlorides'?" in faults["got"].iloc[1]


def test_columns_come_back_in_recipe_order_whatever_order_they_had(wines: pd.DataFrame, recipe: Recipe) -> None:
    table = validate_table(wines[wines.columns[::-1]], recipe, origin="x")
    assert list(table.columns) == list(recipe.columns)


def test_features_are_floats_and_an_integer_target_is_integer(wines: pd.DataFrame, recipe: Recipe) -> None:
    types = validate_table(wines.astype({"alcohol": int}), recipe, origin="x").dtypes
    assert set(types[list(recipe.features)].astype(str)) == {"float64"}
    assert types[recipe.target] == "int64"


def test_three_rows_are_too_few(wines: pd.DataFrame, recipe: Recipe) -> None:
    with pytest.raises(DataError, match=r"at least 100 rows\. Got 3 instead"):
        validate_table(wines.head(3), recipe, origin="x")


def test_a_target_with_one_value_is_refused(wines: pd.DataFrame, recipe: Recipe) -> None:
    with pytest.raises(DataError, match="Got only 5 instead"):
        validate_table(wines.assign(quality=5), recipe, origin="x")


@pytest.mark.parametrize(("unit", "is_taken"), [(1e-310, False), (1e-200, False), (1e-140, True), (1e-30, True), (1e30, True)])
def test_a_target_whose_squares_have_no_digits_is_refused(wines: pd.DataFrame, unit: float, is_taken: bool) -> None:
    table = wines.assign(quality=wines["quality"] * unit)
    content = small_recipe()
    content["columns"]["quality"] = {}
    if is_taken:
        assert len(validate_table(table, as_recipe(content), origin="x")) == len(wines)
    else:
        with pytest.raises(DataError, match=r"Got only \S+, nearly, instead\. Give it in another unit"):
            validate_table(table, as_recipe(content), origin="x")


@pytest.mark.parametrize(
    ("task", "column", "labels", "positive"), [(task, *case) for task, cases in TARGETS.items() for case in cases]
)
def test_so_is_a_target_of_classes_with_one_label(task: str, column: dict[str, Any], labels: list[Any], positive: Any) -> None:
    rows = draw_classes(labels).assign(y=labels[0])
    with pytest.raises(DataError, match=r"different values in its target 'y'\. Got only \S+ instead"):
        validate_table(rows, class_recipe(task, column, positive), origin="x")


def test_validation_leaves_its_input_as_it_is(wines: pd.DataFrame, recipe: Recipe) -> None:
    before = wines.copy()
    validate_table(wines, recipe, origin="x")
    pd.testing.assert_frame_equal(wines, before)


@pytest.mark.parametrize("weight", [0, -1, np.inf, np.nan])
def test_a_weight_that_is_not_finite_and_above_0_is_a_fault(weight: float) -> None:
    content = series_content()
    content["columns"]["exposure"] = {"role": "weight"}
    rows = draw_series(60).assign(exposure=1.0)
    assert "exposure" in validate_table(rows, as_recipe(content), origin="x")
    rows.loc[3, "exposure"] = weight
    with pytest.raises(SchemaViolations) as error:
        validate_table(rows, as_recipe(content), origin="x")
    (fault,) = error.value.table.itertuples()
    assert (fault.row, fault.column) == (4, "exposure")


def test_unlisted_columns_are_not_read_if_the_recipe_ignores_them(wines: pd.DataFrame) -> None:
    more = wines.assign(note="x", **{"p h": 1})
    with pytest.raises(SchemaViolations, match="note"):
        validate_table(more, as_recipe(small_recipe()), origin="it")
    recipe = as_recipe(small_recipe() | {"other_columns": "ignore"})
    pd.testing.assert_frame_equal(validate_table(more, recipe, origin="it"), validate_table(wines, recipe, origin="it"))


def test_rows_without_a_target_are_left_out_and_counted_if_the_recipe_says_so(wines: pd.DataFrame) -> None:
    holed = wines.astype({"quality": float})
    holed.loc[[3, 7], "quality"] = np.nan
    with pytest.raises(SchemaViolations, match="must not be missing"):
        validate_table(holed, as_recipe(small_recipe()), origin="it")
    table = validate_table(holed, as_recipe(small_recipe() | {"missing_target": "drop"}), origin="it")
    assert len(table) == len(wines) - 2
    assert table.attrs == {DROPPED: 2}
    np.testing.assert_array_equal(table["quality"], wines["quality"].drop([3, 7]))


def test_no_error_and_no_profile_shows_a_value_of_a_sensitive_column(wines: pd.DataFrame) -> None:
    content = small_recipe()
    content["columns"]["salary"] = {"role": "sensitive", "max": 10}
    recipe = as_recipe(content)
    with pytest.raises(SchemaViolations) as raised:
        validate_table(wines.assign(salary=[98765.0] * 3 + [1.0] * (len(wines) - 3)), recipe, origin="it")
    assert "salary" in str(raised.value)
    assert "98765" not in str(raised.value) + raised.value.table.to_csv()
    table = validate_table(wines.assign(salary=1.0), recipe, origin="it")
    assert "salary" not in str(describe_columns(table, recipe))
    assert "salary" not in recipe.features


def test_a_table_whose_target_is_missing_everywhere_is_told_from_an_empty_one(wines: pd.DataFrame) -> None:
    recipe = as_recipe(small_recipe() | {"missing_target": "drop"})
    with pytest.raises(DataError, match="no value of the target 'quality' in any of its 12 rows"):
        validate_table(wines.head(12).assign(quality=np.nan), recipe, origin="it")
    with pytest.raises(DataError, match="it has no rows: header only"):
        validate_table(wines.head(0), recipe, origin="it")


# --- patterns ------------------------------------------------------------------------------------------------------------


def wide(**columns: Any) -> Recipe:
    named = {"gene *": {"max": 9}, "quality": {"type": "integer"}, "site": {"type": "category"}, **columns}
    return as_recipe(small_recipe() | {"columns": named, "data": {"min_rows": 10}})


def genes(*names: str, rows: int = 20) -> pd.DataFrame:
    columns = {name: np.linspace(0, 1, rows) for name in names}
    return pd.DataFrame({"site": ["a"] * rows, **columns, "quality": np.arange(rows) % 5})


def test_a_pattern_is_read_as_the_columns_of_the_table_that_it_matches() -> None:
    found = validate_table(genes("gene b", "gene a"), wide(**{"gene a": {"max": 2}}), origin="it")
    assert list(found) == ["gene b", "quality", "site", "gene a"]
    with pytest.raises(SchemaViolations, match=r"gene b: must be at most 9"):
        validate_table(genes("gene b").assign(**{"gene b": 10.0}), wide(), origin="it")


def test_a_pattern_that_matches_nothing_and_a_column_that_no_pattern_matches_are_faults() -> None:
    with pytest.raises(SchemaViolations) as error:
        validate_table(genes("gen 1", "Unnamed: 0"), wide(), origin="it")
    assert [line.partition(". ")[0] for line in error.value.details] == [
        "gene *: a pattern must match a column of the table.",
        "gen 1: only the recipe's columns may be there",
        "Unnamed: 0: only the recipe's columns may be there",
    ]


def test_each_of_several_files_has_the_columns_that_a_pattern_matches_in_one() -> None:
    tables = [Table(MemoryRows(pa.Table.from_pandas(genes(*names))), name, name) for name, names in FILES.items()]
    with pytest.raises(SchemaViolations, match=r"b\.csv, gene 2: the column is missing"):
        validate_table(tables, wide(), origin="it")


FILES = {"a.csv": ("gene 1", "gene 2"), "b.csv": ("gene 1",)}


WAYS: dict[str, tuple[dict[str, Any], dict[str, list[float]], str]] = {
    "valid": ({}, {}, ""),
    "without targets": ({"missing_target": "drop"}, {"quality": [math.nan, 3, 4, math.nan] * 10}, ""),
    "one target at the end": ({}, {"quality": [5, 6, *[5.0] * 38]}, ""),
    "filtered": ({"rows": {"filter": {"pH": {"min": 3.3}}}}, {}, ""),
    "a late fault": ({}, {"pH": [*[3.0] * 39, 99]}, "breaks their rules in 1 place"),
    "faults in every row": ({}, {"pH": [99.0] * 40, "alcohol": [-1.0] * 40}, "in 80 places"),
    "one target": ({}, {"quality": [5.0] * 40}, "must have different values in its target 'quality'. Got only 5"),
    "no target": (
        {"missing_target": "drop"},
        {"quality": [math.nan] * 40},
        "no value of the target 'quality' in any of its 40",
    ),
    "few rows": ({"data": {"min_rows": 41}}, {}, "at least 41 rows. Got 40"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cells", [1, 100, 200, 10**6])
def test_a_table_is_checked_in_batches_as_it_is_at_once(wines: pd.DataFrame, way: str, cells: int) -> None:
    keys, values, words = WAYS[way]
    content = small_recipe()
    content = content | {**keys, "data": content.get("data", {}) | {"min_rows": 10} | keys.get("data", {})}
    recipe, table = as_recipe(content), wines.head(40).astype({"quality": float}).assign(**values)
    with holding(1):
        check = TableCheck(table, recipe, origin="it")
        if words:
            with pytest.raises(DataError, match=re.escape(words)) as at_once:
                validate_table(table, recipe, origin="it")
            with pytest.raises(DataError) as found:
                [*check.batches(cells)]
            assert (str(found.value), found.value.details) == (str(at_once.value), at_once.value.details)
            return
        whole, batches = validate_table(table, recipe, origin="it"), [*check.batches(cells)]
    assert (len(batches) == 1) == (cells > 40 * 12)
    assert check.left_out == whole.attrs
    assert [len(it) > 0 for it in batches[:-1]].count(True) >= (len(batches) > 1)
    whole.attrs.clear()
    pd.testing.assert_frame_equal(pd.concat(batches), whole)


def test_of_too_many_faults_the_first_are_listed_and_all_are_counted(
    wines: pd.DataFrame, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "MOST_FAULTS", 30)
    with holding(1), pytest.raises(SchemaViolations, match=r"in 80 places\. violations\.csv lists the first 30\.") as error:
        validate_table(wines.head(40).assign(pH=99.0, alcohol=-1.0), recipe, origin="it")
    assert len(error.value.table) == 30
    assert "Broken in 40 rows" in error.value.details[0]


def test_the_last_batch_waits_for_what_is_to_be_known_before(wines: pd.DataFrame, recipe: Recipe) -> None:
    def refuse() -> None:
        raise DataError("it was changed while it was read")

    found: list[int] = []
    with holding(1), pytest.raises(DataError, match="it was changed"):
        found.extend(len(batch) for batch in TableCheck(wines, recipe, origin="it").batches(1000, refuse))
    assert 0 < sum(found) < len(wines)


def test_a_batch_that_ends_with_the_table_leaves_one_without_rows_of_the_same_types(tmp_path: Path) -> None:
    columns = {"when": {"type": "datetime"}, "port": {"type": "category"}, "y": {"type": "number"}}
    recipe = as_recipe(small_recipe() | {"target": "y", "columns": columns, "data": {"min_rows": 10}})
    when, rows = pd.date_range("2020-01-01", periods=14, unit="us"), np.arange(14)
    table = pd.DataFrame({"when": when, "port": rows.astype(str), "y": rows.astype(float)})
    with holding(1), RowsWriter(tmp_path / "rows.parquet") as file:
        batches = [*TableCheck(table, recipe, origin="it").batches(14 * 3 - 1)]
        for batch in batches:
            file.append(batch)
    assert [len(it) for it in batches] == [14, 0]
    assert batches[0].dtypes.equals(batches[1].dtypes)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "rows.parquet"), validate_table(table, recipe, origin="it"))


LONG = 2**60


@pytest.mark.parametrize("kind", ["integer", "number"])
@pytest.mark.parametrize("name", ["group", "label", "account"])
@pytest.mark.parametrize("form", ["text", "Parquet"])
def test_whole_numbers_that_a_float_merges_with_the_next_one_are_no_names(name: str, form: str, kind: str) -> None:
    columns = {"x": {}, "far": {"type": "integer"}, "label": {"type": "integer"}, "junk": {"type": "integer", "role": "ignore"}}
    columns |= {"weight": {"type": "integer", "role": "weight"}}
    columns |= {"group": {"type": kind}, "account": {"type": kind, "role": "id"}}
    content = small_recipe() | {"target": "label", "columns": columns, "gates": {}, "promotion": {}, "monitoring": {}}
    task = {"task": "multiclass", "candidates": {"L": {"alias": "l", "estimator": "sklearn.linear_model.LogisticRegression"}}}
    recipe = as_recipe(content | task | {"split": {"group": "group"}})
    rows = pd.DataFrame({column: np.arange(120) for column in columns}).assign(far=LONG, junk=LONG, weight=LONG)
    if form == "text":
        rows = rows.astype(str)
    assert validate_table(rows, recipe, origin="it")["far"].iloc[0] == LONG  # a feature's next number is as good
    rows.loc[7, name] = str(2**53 + 1) if form == "text" else 2**53 + 1
    found = violations(rows, recipe)
    assert found[["row", "column"]].to_numpy().tolist() == [[8, name]]
    assert found["rule"].item() == "must be below 2^53 in size: longer numbers are names, of the type category"
    assert "9007199254740993" in found["got"].item()


def test_a_long_number_that_is_predicted_is_no_name() -> None:
    rows = pd.DataFrame({"x": range(120), "y": range(LONG, LONG + 120 * 1024, 1024)})
    content = small_recipe() | {"target": "y", "gates": {}, "promotion": {}, "monitoring": {}}
    recipe = as_recipe(content | {"columns": {"x": {}, "y": {}}})
    assert validate_table(rows, recipe, origin="it")["y"].iloc[0] == LONG
    whole = as_recipe(content | {"columns": {"x": {}, "y": {"type": "integer"}}})
    assert {*violations(rows, whole)["rule"]} == {"must be below 2^53 in size: longer ones are of the type number"}
