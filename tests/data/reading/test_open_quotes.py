from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recipeline.data.reading import open_quotes
from recipeline.errors import DataError
from tests.tables import opened

QUOTE = '"'

texts = st.text(st.sampled_from('ab", \n\r'), max_size=6)


def names(text: str) -> list[str]:
    """Return the values of the last column that the reader finds."""
    table = opened(text.encode(), ["km", "name"])[0]
    return [name for piece in table.file.pieces() for name in piece.rows.column("name").to_pylist()]


@given(st.lists(texts, min_size=1, max_size=3), st.sampled_from(["", "\n", "\r\n", "\n\n"]), st.booleans())
@example(["\n"], "\n", True)
@example(['""'], "", True)
@example([""], "", True)
def test_values_whose_quotes_are_closed_are_read_and_one_that_is_not_is_refused(
    values: list[str], end: str, quoted: bool
) -> None:
    cells = [f'"{value.replace(QUOTE, 2 * QUOTE)}"' if quoted or {*value} & {*'",\n\r'} else value for value in values]
    text = "\n".join(["km,name", *(f"{place},{cell}" for place, cell in enumerate(cells))])
    assert names(text + end) == values
    for rest in ("", values[-1].replace(QUOTE, 2 * QUOTE)):
        with pytest.raises(DataError, match=r"must close each of its quotes\. Got one that is never closed"):
            names(f'{text}\n9,"{rest}{end}')


@pytest.mark.parametrize("kept", [8, 1 << 16])
def test_rows_behind_an_open_quote_are_not_lost_in_silence(monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    monkeypatch.setattr(open_quotes, "_KEPT", kept)
    rows = [f"{number},port" for number in range(30)]
    assert len(names("\n".join(["km,name", *rows]))) == 30
    rows[3] = '3,"port'
    with pytest.raises(DataError, match="never closed"):
        names("\n".join(["km,name", *rows]))


@pytest.mark.parametrize("rows", ['1,5" pipe', '1,"a\nb"', "1,", '1,"a" ', "1,a\n\n"])
def test_other_quotes_are_read_as_ever(rows: str) -> None:
    assert len(names(f"km,name\n{rows}")) == 1
