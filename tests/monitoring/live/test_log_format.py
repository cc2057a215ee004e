from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recipeline import __version__
from recipeline.errors import UnavailableError
from recipeline.monitoring.live.log_files import find_log
from recipeline.monitoring.live.log_format import FORMAT, STAMP, is_readable
from recipeline.monitoring.live.prediction_log import PredictionLog
from tests.monitoring.helpers import FEATURES, entry, log


def of_format(time: float, **keys: Any) -> str:
    return json.dumps(keys | json.loads(entry(time)))


def test_a_line_begins_with_its_format_and_its_writer() -> None:
    line = json.loads(STAMP + entry(1)[1:].encode())
    assert line == {"format": FORMAT, "recipeline": __version__, **json.loads(entry(1))}
    assert is_readable(line, "a file")


def test_lines_with_and_without_a_format_are_read_as_one_log(tmp_path: Path) -> None:
    lines = [entry(1), of_format(2, format=FORMAT, recipeline=__version__), of_format(3, format=1), entry(4)]
    live = PredictionLog(log(tmp_path, one=lines), FEATURES, "2")
    assert [piece.times.tolist() for piece in live.pieces()] == [[1, 2, 3, 4]]
    assert live.left_out == 0


@pytest.mark.parametrize(
    ("keys", "writer", "fix"),
    [
        ({"recipeline": "7.1.0rc1"}, "recipeline 7.1.0rc1", "Upgrade recipeline to 7.1.0rc1, or a later version."),
        ({}, "a later version", "Upgrade recipeline."),
        ({"recipeline": "\x1b[2J"}, "a later version", "Upgrade recipeline."),
        ({"recipeline": ["1.0"]}, "a later version", "Upgrade recipeline."),
        ({"recipeline": "1." + "0" * 99}, "a later version", "Upgrade recipeline."),
    ],
)
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_later_format_is_refused_in_a_sentence(
    tmp_path: Path, keys: dict[str, Any], writer: str, fix: str, is_packed: bool
) -> None:
    # Not even a line that has nothing else in common with today's is left out without a word.
    (file,) = log(tmp_path, one=[entry(1), json.dumps({"format": FORMAT + 1, **keys})])
    if is_packed:
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    with pytest.raises(UnavailableError) as refused:
        list(PredictionLog(find_log(tmp_path), FEATURES, "2").pieces())
    sentence = refused.value.sentence
    assert sentence.startswith("The log predictions-one.jsonl")
    assert f" has lines of format {FORMAT + 1}, written by {writer}; this is recipeline {__version__}, " in sentence
    assert sentence.endswith(f"which reads up to {FORMAT}. {fix}")


@given(st.one_of(st.none(), st.booleans(), st.floats(), st.text(), st.lists(st.integers()), st.integers(max_value=0)))
@example("1")
@example(1.0)
def test_a_line_whose_format_is_no_number_is_left_out_and_counted(found: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        live = PredictionLog(log(Path(folder), one=[entry(1), of_format(2, format=found), entry(3)]), FEATURES, "2")
        assert [piece.times.tolist() for piece in live.pieces()] == [[1, 3]]
    assert live.left_out == 1
