from __future__ import annotations

import json
import math
import subprocess
import sys
from io import StringIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.cli.output.results import CommandResult
from recipeline.cli.output.stdout import kept_stdout, print_json
from tests.conftest import ROOT

#: Prints by all means that a library has, on both streams; `{}` stands for what keeps stdout.
NOISE = """
import os, subprocess, sys
from recipeline.cli.output.stdout import kept_stdout
with kept_stdout() as stream:
    print("by print")
    os.write(1, b"by the descriptor\\n")
    subprocess.run(["echo", "by a child"], check=True)
    print("the result", file=stream)
print("after")
"""


def noise(shell: str = "") -> subprocess.CompletedProcess[str]:
    words = ["sh", "-c", f'exec "$0" -c "$1" {shell}', sys.executable, NOISE]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


def test_only_the_result_is_on_stdout_whoever_prints() -> None:
    done = noise()
    assert (done.returncode, done.stdout) == (0, "the result\nafter\n"), done.stderr
    assert sorted(done.stderr.splitlines()) == ["by a child", "by print", "by the descriptor"]


def test_a_closed_stderr_is_no_failure_and_brings_nothing_else_to_stdout() -> None:
    done = noise("2>&-")
    assert (done.returncode, done.stdout) == (0, "the result\nafter\n")


def test_a_stream_of_another_program_is_left_where_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with kept_stdout() as stream:
        print("words")
        print("the result", file=stream)
    assert capsys.readouterr() == ("the result\n", "words\n")


def printed(**fields: Any) -> Any:
    stream = StringIO()
    print_json(CommandResult("toy", "", "ok", 0, **fields), stream)
    [line] = stream.getvalue().splitlines()
    return json.loads(line)


#: Letters of one to four bytes, and what terminals, JSON and UTF-8 have trouble with: control characters, half a character.
texts = st.text(st.sampled_from('aä€😀\x00\x1b\x85\u2028\u202e\ud800\n\r\t"\\'), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


def without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nan(it) for key, it in value.items()}
    if isinstance(value, list):
        return [without_nan(it) for it in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@given(value=values, text=texts)
def test_any_text_and_any_values_are_one_line_of_json_that_reads_back(value: Any, text: str) -> None:
    found = printed(output=text, error=text, values=value)
    assert (found["output"], found["error"], found["values"]) == (text, text, without_nan(value))


def test_numbers_of_numpy_are_numbers_and_what_json_has_not_is_text_or_null() -> None:
    found = printed(
        values={"whole": np.int64(3), "real": np.float32(0.5), "nan": np.float64("nan"), "path": ROOT, "pair": (1, math.inf)}
    )
    assert found["values"] == {"whole": 3, "real": 0.5, "nan": None, "path": str(ROOT), "pair": [1, None]}
