"""Columns under the recipe's names; the layout keeps the file's own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from recipeline.data.readers import open_rows
from recipeline.data.reading.formats import Format
from recipeline.errors import DataError
from tests.tables import opened

FORMAT = Format(rename={"p H": "pH"})


def test_a_single_column_under_another_name_tells_the_separator() -> None:
    (table,) = opened(b"p H;note\n3.5;a,b\n", ["pH"], format=FORMAT)
    assert (table.file.columns, table.file.layout.schema.names) == (["pH", "note"], ["p H", "note"])
    (piece,) = table.file.pieces()
    assert piece.rows.to_pylist() == [{"pH": "3.5", "note": "a,b"}]


def test_an_index_of_parquet_that_the_recipe_names_otherwise_is_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.0]}, index=pd.Index([3.5], name="p H"))
    frame.to_parquet(tmp_path / "rows.parquet")
    file = open_rows(tmp_path / "rows.parquet", ["a", "pH"], "it", FORMAT)
    assert (sorted(file.columns), file.index) == (["a", "pH"], frozenset())
    file = open_rows(tmp_path / "rows.parquet", ["a", "pH"], "it")
    assert file.index == {"p H"}


def test_a_file_without_the_name_is_left_as_it_is() -> None:
    (table,) = opened(b"pH,a\n3.5,1\n", ["pH", "a"], format=FORMAT)
    assert type(table.file).__name__ == "CsvFile"


@pytest.mark.parametrize("rename", [{"p H": "pH"}, {"p H": "pH", "PH": "pH"}])
def test_two_columns_that_are_one_are_refused_by_both_names(rename: dict[str, str]) -> None:
    header = b"p H,pH\n" if len(rename) == 1 else b"PH,p H\n"
    with pytest.raises(DataError, match=r"Got '(PH|p H)' and '(pH|p H)', both 'pH' by data.rename, instead"):
        opened(header + b"1,2\n", ["pH"], format=Format(rename=rename))
