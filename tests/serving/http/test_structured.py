from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.serving.http.structured import LONGEST, as_counts, as_text
from tests.serving.http.helpers import read_counts

odd = ["*", "a;b", 'a"b', "a\\", "%41", "p H", "Säure", "a\r\nX: 1"]
names = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(odd)


@given(st.dictionaries(names, st.integers(1, 10**9), min_size=1, max_size=400))
def test_names_are_read_back_with_their_counts_or_counted_together(counts: dict[str, int]) -> None:
    header = as_counts(counts)
    found = read_counts(header)
    left = found.pop(None, 0)
    assert list(found.items()) == list(counts.items())[: len(found)]
    assert left == sum(list(counts.values())[len(found) :])
    assert len(header) <= LONGEST + 30


@pytest.mark.parametrize(
    ("counts", "header"),
    [
        ({"alcohol": 2, "pH": 1}, '"alcohol";count=2, "pH";count=1'),
        ({"*": 1}, '"*";count=1'),
        ({"x" * LONGEST: 3, "b": 1}, "*;count=4"),
        ({f"column {number}": 1 for number in range(1000)}, None),
    ],
)
def test_what_does_not_fit_is_counted_under_a_name_that_no_column_has(counts: dict[str, int], header: str | None) -> None:
    assert header in (None, as_counts(counts))
    assert sum(read_counts(as_counts(counts)).values()) == sum(counts.values())


def test_other_text_than_ascii_is_a_display_string() -> None:
    assert as_text('100 % "Säure"') == '%"100 %25 %22S%c3%a4ure%22"'
