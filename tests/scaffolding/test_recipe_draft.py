"""A drafted recipe is one that loads, and takes the table it was drafted from."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.config.recipe import load_recipe
from recipeline.config.table import RESERVED_COLUMNS
from recipeline.data.schema import validate_table
from recipeline.data.tables import read_table
from recipeline.errors import DataError, UsageError
from recipeline.scaffolding.recipe_draft import draft_recipe
from recipeline.training.candidates import build_candidate

NAMES = st.text(st.characters(exclude_categories=("C", "Z", "M"), exclude_characters='$",;|'), min_size=1, max_size=12).filter(
    lambda name: name not in RESERVED_COLUMNS and name.isprintable()
)


def frame(rows: int = 30, **columns: object) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.normal(size=rows), "b": rng.normal(size=rows), "y": rng.normal(size=rows)} | columns)


def draft(
    folder: Path, table: pd.DataFrame, target: str = "y", *, sep: str = ",", name: str = "My table", **more: object
) -> str:
    path = folder / "table.csv"
    table.to_csv(path, index=False, sep=sep)
    return draft_recipe(path, target, name=name, **more)


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(NAMES, min_size=2, max_size=6, unique=True),
    title=st.text(max_size=20),
    sep=st.sampled_from([",", ";", "\t", "|"]),
    gaps=st.booleans(),
)
def test_a_recipe_of_any_names_loads_and_takes_its_table(names: list[str], title: str, sep: str, gaps: bool) -> None:
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(30, len(names))), columns=names)
    if gaps:
        table.iloc[3, 0] = np.nan
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = draft(folder, table, names[-1], sep=sep, name=title)
        (folder / "recipe.yaml").write_text(text, encoding="utf-8")
        recipe = load_recipe(folder / "recipe.yaml", {})
        assert (list(recipe.columns), recipe.target) == (names, names[-1])
        assert recipe.columns[names[0]].nullable == gaps
        content = (folder / "table.csv").read_bytes()
        read = validate_table(read_table(content, columns=names, origin="it"), recipe, origin="it")
        np.testing.assert_allclose(read[names].to_numpy(float), table.to_numpy(float))
        features, target = read[names[:-1]].to_numpy(float), read[names[-1]].to_numpy(float)
        for candidate in recipe.candidates:
            if "Forest" not in candidate:
                build_candidate(recipe, candidate).fit(features, target).predict(features)


def test_a_parquet_file_is_a_table_too(tmp_path: Path) -> None:
    frame().to_parquet(tmp_path / "t.parquet")
    assert "target: y" in draft_recipe(tmp_path / "t.parquet", "y", name="t")


def test_columns_that_hold_no_numbers_are_named_with_an_example(tmp_path: Path) -> None:
    table = frame(town=["Rome"] * 29 + ["3"], date="2026-01-01")
    with pytest.raises(DataError) as raised:
        draft(tmp_path, table)
    assert raised.value.details == (
        "town: text in 29 of 30 rows, for example 'Rome'",
        "date: text in 30 of 30 rows, for example '2026-01-01'",
    )
    frame(day=pd.Timestamp("2026-01-01")).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="day: type timestamp"):
        draft_recipe(tmp_path / "t.parquet", "y", name="t")


def test_words_for_missing_values_are_in_the_recipe(tmp_path: Path) -> None:
    table = frame(c=["?"] * 3 + ["1"] * 27)
    text = draft(tmp_path, table, na=("?",))
    assert "na:\n- '?'" in text
    assert "c:\n    nullable: true" in text
    with pytest.raises(DataError, match="c: text in 3 of 30 rows, for example '\\?'"):
        draft(tmp_path, table)


@pytest.mark.parametrize(
    ("target", "rows", "words"),
    [("Y", 30, "Did you mean 'y'"), ("price", 30, "must be a column of table.csv"), ("y", 8, "must have at least 20 rows")],
)
def test_a_target_that_is_not_there_and_too_few_rows_are_refused(tmp_path: Path, target: str, rows: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        draft(tmp_path, frame(rows), target)


@pytest.mark.parametrize("content", [b"", b"a\n", b"\xff\xfe\x00", b"PAR1"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError):
        draft_recipe(tmp_path / "t.csv", "y", name="t")
    with pytest.raises(DataError, match="cannot be read: "):
        draft_recipe(tmp_path, "y", name="t")


def test_a_column_without_any_value_is_named(tmp_path: Path) -> None:
    for values in ([np.nan] * 30, ["?"] * 30):
        with pytest.raises(DataError, match=r"empty: no value in any row"):
            draft(tmp_path, frame(empty=values), na=["?"])


@pytest.mark.parametrize("slashes", ["/", "//"])
def test_an_address_in_the_place_of_a_file_is_refused_without_its_password(slashes: str) -> None:
    with pytest.raises(DataError, match="cannot be read: ") as error:
        draft_recipe(Path(f"http:{slashes}user:Zq7x/Kw9v@host/a.csv;token=Zq7x"), "y", name="a")
    assert not [half for half in ("Zq7x", "Kw9v") if half in str(error.value)]
