"""A recipe has the settings of its task, and a positive label where it needs one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.classes import class_content
from tests.config.helpers import refusal
from tests.conftest import small_recipe

CATEGORY = {"type": "category", "values": ["a", "b"]}


@pytest.mark.parametrize(
    ("column", "positive", "words"),
    [
        (CATEGORY, None, "'target.positive' is missing: name the label whose probability is predicted, one of a, b."),
        (CATEGORY, "c", "'target.positive' must be one of a, b. Got \"c\" instead."),
        ({"type": "boolean"}, "yes", 'must be a label of a column of the type boolean. Got "yes" instead.'),
        ({"type": "integer"}, True, "must be a label of a column of the type integer. Got true instead."),
    ],
)
def test_the_positive_label_is_one_of_the_column(column: dict[str, Any], positive: Any, words: str) -> None:
    assert words in refusal(class_content("binary", column, positive))


def test_settings_of_another_task_are_refused_by_name() -> None:
    found = refusal(class_content("multiclass", {"type": "category"}, decision={"threshold": 0.3}))
    assert "'decision' is a setting of the task binary, and this recipe's is multiclass." in found
    slices = {"guard_rails": {"slices": {"low": {"max": 4}}}}
    assert "slices.low.max' is a setting of the task regression" in refusal(
        class_content("binary", {"type": "boolean"}, promotion=slices)
    )
    numbers = small_recipe()
    numbers["candidates"]["ElasticNet"]["calibrate"] = "sigmoid"
    assert "'candidates.ElasticNet.calibrate' is a setting of the task binary or multiclass" in refusal(numbers)
