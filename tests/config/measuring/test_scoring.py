from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import fbeta_score

from recipeline.config.measuring.scoring import build_scorer
from recipeline.errors import UsageError
from tests.classes import class_content
from tests.conftest import as_recipe, small_recipe


def numbers(*more: Any) -> dict[str, Any]:
    return small_recipe() | {"metrics": {"more": list(more)}}


def own(function: str, **more: Any) -> dict[str, Any]:
    return {"name": "own", "function": function, "greater_is_better": False, **more}


def weighted(true: np.ndarray, said: np.ndarray, weights: np.ndarray) -> float:
    """Return the weighted error, of weights that must be given."""
    return float(np.average(np.abs(true - said), weights=weights))


def test_metrics_are_found_by_name_and_by_import_path_with_their_parameters() -> None:
    scorer = build_scorer(as_recipe(numbers("mae", "pinball_0.9", own("sklearn.metrics.max_error"))))
    assert [it.metric.name for it in scorer.more] == ["pinball_0.9", "own"]
    assert scorer.score(np.array([1.0, 2.0]), np.array([1.0, 4.0]))["own"] == 2
    content = class_content("binary", {"type": "category"}, "good")
    content["metrics"]["more"] = [own("sklearn.metrics.fbeta_score", params={"beta": 2, "pos_label": "good"})]
    target, said = np.array([1.0, 0, 1, 0]), np.array([0.9, 0.8, 0.1, 0.2])
    found = build_scorer(as_recipe(content), ("bad", "good")).score(target, said)
    assert found["own"] == pytest.approx(fbeta_score([1, 0, 1, 0], [1, 1, 0, 0], beta=2))
    weights = np.array([1.0, 2.0, 3.0, 4.0])
    found = build_scorer(as_recipe(content), ("bad", "good")).score(target, said, weights)
    assert found["own"] == pytest.approx(fbeta_score([1, 0, 1, 0], [1, 1, 0, 0], beta=2, sample_weight=weights))
    needs_weights = build_scorer(as_recipe(numbers(own(f"{__name__}.weighted"))))
    assert needs_weights.score(target, said, weights)["own"] == pytest.approx(0.52)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (own("custom.nowhere.profit"), "'metrics.more.0.function' must be the import path of an installed object."),
        (own("sklearn.metrics.max_eror"), "has no 'max_eror', instead. Did you mean 'max_error'?"),
        (own("math.pi"), "must be a function of true and predicted values and params. Got 'math.pi', a float,"),
        (own("math.sqrt"), "must be a function of true and predicted values and params. Got 'math.sqrt'"),
        (own("sklearn.metrics.max_error", params={"beta": 2}), "unexpected keyword argument 'beta'"),
        (own("sklearn.metrics.fbeta_score"), "must be a function of true and predicted values"),
    ],
)
def test_a_function_that_cannot_be_called_is_refused_before_anything_runs(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        build_scorer(as_recipe(numbers(entry)))
    assert words in str(caught.value)
