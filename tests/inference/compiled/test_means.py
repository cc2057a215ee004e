from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import VotingClassifier

from recipeline.inference.compiled.form import Compiled, UnknownKindError
from recipeline.inference.compiled.means import describe_mean, mean_of, weights_of


def member(kind: str, *, exact: bool = True, is_light: bool = True, by: float = 1.0) -> Compiled:
    return Compiled(kind, exact, lambda rows: by * rows, is_light)


def voting(*members: object, weights: list[float] | None = None) -> VotingClassifier:
    return VotingClassifier([(str(place), it) for place, it in enumerate(members)], weights=weights)


def test_a_mean_has_what_all_of_its_members_have() -> None:
    both = mean_of(voting(1, 2), [member("trees"), member("linear", exact=False, is_light=False, by=3)])
    assert (both.kind, both.exact, both.is_light) == ("mean of trees, linear", False, False)
    assert both.predict(np.array([1.0, 2.0])).tolist() == [2.0, 4.0]
    assert describe_mean([member("trees"), member("trees")]) == "mean of trees"


def test_weights_are_those_of_the_members_that_are_left() -> None:
    model = voting("a", "drop", "c", weights=[1, 7, 3])
    assert mean_of(model, [member("a"), member("c", by=5)]).predict(np.array([[2.0]])).tolist() == [[8.0]]
    assert weights_of(voting("a"), 1) is None


@pytest.mark.parametrize(
    ("model", "members"), [(voting(), 0), (voting("a", "b", weights=[1, -1]), 2), (voting("a", weights=[1, 2]), 1)]
)
def test_a_mean_of_nothing_and_weights_of_others_are_no_known_kind(model: VotingClassifier, members: int) -> None:
    with pytest.raises((UnknownKindError, IndexError)):
        weights_of(model, members)
