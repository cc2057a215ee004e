from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recipeline.config.table import Column, Data, Loader
from tests.config.helpers import Change, assert_refused


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["split"].update(test_size=1.5), ["'split.test_size'", "less than 1", "Got 1.5 instead"]),
        (lambda c: c["split"].update(method="stratified"), ["'split.method'", "'grouped' or 'random'", "stratified"]),
        (lambda c: c["columns"]["pH"].update(min=6), ["columns.pH", "min must not be above max"]),
        (lambda c: c["cv"].update(folds=1), ["'cv.folds'", "greater than or equal to 2"]),
        (lambda c: c["data"]["download"].update(sha256="abc"), ["data.download.sha256", "pattern"]),
        (lambda c: c["data"].update(loader={"path": "a.b"}), ["a download or a loader, not both"]),
        (lambda c: c["data"].update(synthetic="draw"), ["'data.synthetic'", "pattern"]),
        (lambda c: c["data"].update(encoding="klingon"), ["'data.encoding'", "an encoding that Python knows"]),
        (lambda c: c["data"].update(encoding="base64"), ["'data.encoding'", "an encoding that Python knows"]),
        (lambda c: c["data"].update(separator=";;"), ["'data.separator'", "pattern"]),
        (lambda c: c["data"].update(decimal=";"), ["'data.decimal'", "'.' or ','"]),
        (lambda c: c["data"].update(separator=",", decimal=","), ["'separator' and 'decimal' must differ"]),
        (lambda c: c["data"].update(thousands="."), ["'data.thousands' is not a known key"]),
        (lambda c: c["data"].update(sql={"url": "a", "query": "b"}), ["'data.sql.url'", "pattern"]),
    ],
)
def test_a_table_that_cannot_be_is_refused(tmp_path: Path, change: Change, words: list[str]) -> None:
    assert_refused(tmp_path, change, words)


def test_a_column_may_be_open_on_either_side_and_hold_a_single_value() -> None:
    assert Column(min=1.0).max is None
    assert Column(max=1.0).min is None
    assert Column(min=1.0, max=1.0).type == "number"


@pytest.mark.parametrize("origin", [{"loader": Loader(path="a.b")}, {"synthetic": "a.b"}, {}])
def test_rows_may_come_from_a_loader_from_a_sample_or_from_nowhere(origin: Any) -> None:
    assert Data(**origin).download is None
