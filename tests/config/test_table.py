from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from recipeline.config.table import Column, Data, Loader
from recipeline.data.kinds.every import KINDS
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


@pytest.mark.parametrize(("form", "is_taken"), [("%d/%m/%Y", True), ("%Y-%m-%d", True), ("%Y-%d-%m", False), ("", True)])
def test_a_format_that_reads_iso_8601_as_other_dates_is_refused(form: str, is_taken: bool) -> None:
    if is_taken:
        assert Column(type="datetime", format=form).format == form
    else:
        with pytest.raises(ValueError, match="as another date than ISO 8601"):
            Column(type="datetime", format=form)


@pytest.mark.parametrize("form", ["garbage", "%Q", "%", "%s", "mixed", "ISO8601", "%%", "%G-%d", "%c"])
def test_a_format_that_reads_no_date_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match="must be a format of dates in the codes of strptime"):
        Column(type="datetime", format=form)


@pytest.mark.parametrize(
    "form",
    [
        "%d.%m.%y",
        "%Y%m%d",
        "%b %d, %Y %I:%M %p",
        "%Y-%m",
        "%d/%m/%Y %H:%M:%S.%f %z",
        "%H:%M",
        "%G-%V-%u",
        "%Y %j",
        "%a %d %B %Y %Z",
    ],
)
def test_a_format_is_one_that_pandas_reads(form: str) -> None:
    text = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC).strftime(form)
    column = Column(type="datetime", format=form)
    read = KINDS["datetime"].read(pa.array([text]), (), column)
    assert not read.unreadable.any()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["a", "b", "a"], ["'columns.pH.values'", "there once", "Got a twice"]),
        (["a", " b"], ["'columns.pH.values.1'", "pattern"]),
        (["a", "NA", 7], ["'columns.pH.values' must not be words of na", "Got NA, 7"]),
    ],
)
def test_values_that_no_row_can_have_are_refused(tmp_path: Path, values: list[Any], words: list[str]) -> None:
    def change(content: dict[str, Any]) -> None:
        content["columns"]["pH"] = {"type": "category", "values": values}
        content["na"] = ["NA", 7]

    assert_refused(tmp_path, change, words)
