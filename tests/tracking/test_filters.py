from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given

from recipeline.errors import UsageError
from recipeline.tracking.filters import quoted
from tests.conftest import ROOT
from tests.test_escape import TEXTS


@given(TEXTS)
def test_a_value_of_a_filter_is_one_quoted_word_or_refused(text: str) -> None:
    if "\\" in text or {"'", '"'} <= {*text}:
        with pytest.raises(UsageError, match="that the store can look for"):
            quoted(text)
    else:
        word = quoted(text)
        assert (word[0], word[1:-1]) == (word[-1], text)
        assert word[0] not in text


def test_no_filter_of_mlflow_holds_a_raw_value() -> None:
    raw = re.compile(r"""f(["']).*(?:name|tags\.\S+|attributes\.\S+) (?:=|!=|LIKE) ['\\"]*\{(?!quoted)""")
    assert not [path for path in Path(ROOT / "recipeline").rglob("*.py") if raw.search(path.read_text(encoding="utf-8"))]
