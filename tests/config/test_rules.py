from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from recipeline.config.rules import GuardRails, Limits, Monitoring, Promotion, Slice


def test_a_slice_has_a_limit_on_one_side_at_least() -> None:
    assert (Slice(min=3.0).max, Slice(max=3.0).min) == (None, None)
    with pytest.raises(ValidationError, match="give min, max, or both"):
        Slice()


def test_what_is_drift_has_been_a_warning_before() -> None:
    assert Limits(warn=0.1, drift=0.1).drift == 0.1
    with pytest.raises(ValidationError, match=r"warn must not be above drift\. Got 0\.2 and 0\.1 instead"):
        Limits(warn=0.2, drift=0.1)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
@pytest.mark.parametrize("rules", [Promotion, Monitoring])
def test_a_chance_of_error_is_neither_none_nor_certain(rules: Any, share: float) -> None:
    with pytest.raises(ValidationError, match="alpha"):
        rules(alpha=share)


def test_a_guard_rail_that_is_not_given_is_open_and_none_is_negative() -> None:
    assert GuardRails().model_dump() == {
        **{"mae": None, "metrics": {}, "slices": {}, "slice_mae": None, "slice_loss": None},
        "latency_ms": None,
    }
    with pytest.raises(ValidationError, match="slice_mae"):
        GuardRails(slice_mae=-0.1)
