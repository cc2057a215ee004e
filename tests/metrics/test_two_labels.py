from __future__ import annotations

import ast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.inference.model_info import Target
from recipeline.inference.tasks.every import TASKS as ASKED
from recipeline.metrics.tasks.every import TASKS as SCORED
from recipeline.metrics.two_labels import HALF, both_columns, decide, or_half
from tests.conftest import ROOT

SHARES = st.lists(st.floats(0, 1) | st.just(HALF), min_size=1, max_size=30).map(np.array)


@given(SHARES)
def test_both_columns_are_shares_of_a_whole_the_positive_one_last(positive: np.ndarray) -> None:
    columns = both_columns(positive)
    assert columns.shape == (len(positive), 2)
    np.testing.assert_array_equal(columns[:, 1], positive)
    np.testing.assert_allclose(columns.sum(axis=1), 1)
    assert np.isnan(both_columns(np.array([np.nan]))).all()


@given(SHARES, st.floats(0, 1) | st.just(HALF))
def test_a_model_says_the_label_that_its_scores_count(positive: np.ndarray, threshold: float) -> None:
    decided = decide(positive, threshold)
    np.testing.assert_array_equal(decided, [int(it >= threshold) for it in positive])
    said = ASKED["binary"].said(positive, ("no", "yes"), threshold)
    np.testing.assert_array_equal(said, np.array(["no", "yes"])[decided])
    named = SCORED["binary"].given("labels", positive, positive, threshold, ("no", "yes"))[1]
    np.testing.assert_array_equal(named, said)


def test_a_threshold_that_was_not_decided_is_a_half_and_zero_is_one_that_was() -> None:
    assert (or_half(None), or_half(0.0), or_half(0.3)) == (HALF, 0.0, 0.3)
    assert Target("loan", threshold=None).decides_at == HALF
    assert Target("loan", threshold=0.0).decides_at == 0.0
    assert decide(np.array([HALF, np.nan]), HALF).tolist() == [1, 0]


@pytest.mark.parametrize("room", ["evaluation", "inference", "metrics", "monitoring", "promotion", "registry", "serving"])
def test_no_other_default_of_a_threshold_is_written_as_a_number(room: str) -> None:
    found = []
    for path in (ROOT / "recipeline" / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                positional = [*node.args.posonlyargs, *node.args.args]
                given_ = positional[len(positional) - len(node.args.defaults) :]
                pairs = [*zip(given_, node.args.defaults, strict=True)]
                pairs += [
                    (it, default) for it, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if default
                ]
                found += [
                    f"{path.name}: {node.name}"
                    for it, default in pairs
                    if "threshold" in it.arg and isinstance(default, ast.Constant) and default.value is not None
                ]
            elif isinstance(node, ast.IfExp):
                numbers = [it.value for it in (node.body, node.orelse) if isinstance(it, ast.Constant)]
                if 0.5 in numbers and "threshold" in ast.unparse(node):
                    found.append(f"{path.name}: {ast.unparse(node)}")
    assert found == []
