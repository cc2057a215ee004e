from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import yaml
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from recipeline.config.recipe import load_recipe
from recipeline.data.checking.schema import validate_table
from recipeline.data.kinds.datetime import parse_one
from recipeline.scaffolding.column_look import Look
from recipeline.scaffolding.date_formats import FORMATS, DateFormats
from recipeline.scaffolding.recipe_draft import draft_recipe
from tests.tables import opened

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2068, 12, 31)).map(lambda it: it.replace(microsecond=0))


def look_at(*pieces: list[str]) -> Look:
    look = Look("day")
    for piece in pieces:
        look.add(pa.array(piece), ("?",))
    return look


@settings(max_examples=40)
@given(st.sampled_from(FORMATS), st.lists(MOMENTS, min_size=1, max_size=20), st.integers(0, 20))
def test_dates_of_any_format_are_read_as_they_were_written_or_not_at_all(form: str, moments: list[datetime], cut: int) -> None:
    written = [moment.strftime(form) for moment in moments]
    look = look_at(written[:cut], written[cut:])
    assert form in look.dates.possible
    if look.format:
        assert look.found == "datetime"
        assert [datetime.strptime(text, look.format) for text in written] == [datetime.strptime(text, form) for text in written]
    else:
        assert look.found == ""
        assert "day or month may come first" in look.fault


@settings(max_examples=50)
@given(st.lists(st.text("0123456789/.- :aAmMpP", max_size=16), min_size=1, max_size=5))
@example(["2024-12-31"])  # ISO 8601 is read beside any format
def test_a_column_with_a_value_that_is_no_date_is_none_of_dates(words: list[str]) -> None:
    look = look_at(["31/12/2024", *words])
    assume(look.missing < len(words))
    if look.found == "datetime":
        for word in filter(None, (word.strip() for word in words)):
            assert pd.notna(parse_one(word, look.format))


@pytest.mark.parametrize(
    ("values", "found", "form"),
    [
        (["31/12/2024", "01/02/2024", ""], "datetime", "%d/%m/%Y"),
        (["12/31/2024 23:59", "?", "01/02/2024 00:00"], "datetime", "%m/%d/%Y %H:%M"),
        (["31.12.2024", "2024-12-31"], "datetime", "%d.%m.%Y"),
        (["Jan 31, 2024", "May 02, 2024"], "datetime", "%b %d, %Y"),
        (["May 02, 2024"], "datetime", "%B %d, %Y"),
        (["2024-12-31"] * 2, "datetime", ""),
        (["01/02/2024", "03/04/2024"] * 9, "", ""),
        (["1.10.12", "1.10.13"] * 9, "category", ""),
        (["31/12/2024", "12/31/2024"] * 9, "category", ""),
        (["31/12/2024", "soon"] * 9, "category", ""),
    ],
)
def test_dates_have_the_one_format_that_reads_them_all(values: list[str], found: str, form: str) -> None:
    look = look_at(values)
    assert (look.found, look.format) == (found, form)


def test_two_formats_of_dates_in_two_pieces_are_none() -> None:
    known = DateFormats()
    known.add(pa.array(["31/12/2024"]), ())
    known.add(pa.array(["12/31/2024"]), ())
    assert known.known == ()


def test_a_drafted_recipe_reads_dates_in_their_format_and_says_which_may_be_either(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=60)
    table = pd.DataFrame(
        {
            "start": days.strftime("%d/%m/%Y"),
            "end": [f"0{1 + place % 9}/0{1 + place % 8}/2024" for place in range(60)],
            "y": range(60),
        }
    )
    path = tmp_path / "trips.csv"
    table.to_csv(path, index=False)
    text = draft_recipe(path, "y", name="Trips")
    columns = yaml.safe_load(text)["columns"]
    assert columns["start"] == {"type": "datetime", "format": "%d/%m/%Y"}
    assert columns["end"] == {"type": "category", "nullable": True, "role": "ignore"}
    assert "# ignored: end: dates whose day or month may come first, for example 01/01/2024: type: datetime for the" in text
    (tmp_path / "recipe.yaml").write_text(text)
    recipe = load_recipe(tmp_path / "recipe.yaml", {})
    read = validate_table(opened(path.read_bytes(), list(table), "it"), recipe, origin="it")
    assert read["start"].tolist() == days.tolist()
