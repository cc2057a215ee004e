from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from recipeline.config.candidate import Candidate, Component, Distribution
from tests.config.helpers import Change, assert_refused


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["candidates"]["ElasticNet"].update(members=["DecisionTree"]), ["either an estimator or members"]),
        (
            lambda c: c["candidates"]["ElasticNet"].update(search={"space": {"a": {"uniform": [2, 1]}}}),
            ["uniform needs its lower limit first"],
        ),
        (lambda c: c["candidates"]["ElasticNet"].update(search={"space": {"a": {}}}), ["exactly one of choice"]),
    ],
)
def test_a_candidate_that_cannot_be_is_refused(tmp_path: Path, change: Change, words: list[str]) -> None:
    assert_refused(tmp_path, change, words)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"integer": (3, 3)}, "integer needs its lower limit first"),
        ({"loguniform": (0.0, 1.0)}, "loguniform needs limits above 0"),
        ({"choice": (1,), "uniform": (0.0, 1.0)}, "exactly one of choice"),
    ],
)
def test_a_distribution_that_nothing_can_be_drawn_from_is_refused(limits: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Distribution(**limits)


@pytest.mark.parametrize("own", [{"params": {"a": 1}}, {"preprocess": ("a.B",)}])
def test_members_bring_their_own_settings(own: Any) -> None:
    assert Candidate(alias="m", members=("A", "B")).estimator is None
    with pytest.raises(ValidationError, match="members have their own"):
        Candidate(alias="m", members=("A", "B"), **own)


def test_a_preprocessing_step_may_be_an_import_path_alone() -> None:
    found = Candidate.model_validate({"alias": "a", "estimator": "a.B", "preprocess": ("c.D",)})
    assert found.preprocess.number == (Component(estimator="c.D"),)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (["hour", "hour"], ["each part must be there once", "hour"]),
        ([{"difference": ["start", "end"]}] * 2, ["each part must be there once", "the difference of start and end"]),
        ([{"difference": ["start", "ned"]}], ["features of the type datetime", "'ned'", "Did you mean 'end'?"]),
        ([{"difference": ["start", "alcohol"]}], ["features of the type datetime", "'alcohol'"]),
        ([{"difference": ["start", "quality"]}], ["features of the type datetime", "'quality'"]),
    ],
)
def test_parts_of_dates_that_cannot_be_are_refused(tmp_path: Path, parts: list[Any], words: list[str]) -> None:
    def change(content: dict[str, Any]) -> None:
        content["columns"] |= {"start": {"type": "datetime"}, "end": {"type": "datetime"}}
        next(iter(content["candidates"].values()))["preprocess"] = {"datetime": parts}

    assert_refused(tmp_path, change, words)
