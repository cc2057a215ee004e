"""Properties are tried with all examples by `make test-full` only."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import FEW, SHARE, draw_fewer


def tried(test: Callable[[list[int]], object]) -> int:
    """Return how often a property is tried."""
    seen: list[int] = []
    test(seen)
    return len(seen)


@pytest.mark.parametrize(
    ("often", "fewer"), [(5, 5), (FEW, FEW), (20, FEW), (100, round(100 * SHARE)), (500, round(500 * SHARE))]
)
def test_a_property_is_tried_with_a_part_of_its_examples_and_few_are_not_made_less(often: int, fewer: int) -> None:
    @settings(max_examples=often, database=None)
    @given(number=st.integers())
    def holds(seen: list[int], number: int) -> None:
        seen.append(number)

    assert tried(holds) == often
    draw_fewer(holds)
    assert tried(holds) == fewer


def test_other_settings_and_what_is_no_property_stay() -> None:
    @settings(max_examples=60, suppress_health_check=[hypothesis.HealthCheck.filter_too_much])
    @given(st.integers())
    def holds(_: int) -> None: ...

    before = holds._hypothesis_internal_use_settings
    draw_fewer(holds)
    after = holds._hypothesis_internal_use_settings
    assert repr(settings(after, max_examples=60)) == repr(before)
    assert after.max_examples == 24
    always = settings(max_examples=60, derandomize=True, database=None)(given(st.integers())(lambda _: None))
    draw_fewer(always)
    assert always._hypothesis_internal_use_settings.max_examples == (24 if settings.default.derandomize else 60)
    draw_fewer(tried)
    assert not hasattr(tried, "_hypothesis_internal_use_settings")


@given(number=st.integers())
def test_this_one_is_tried_as_the_run_says(request: pytest.FixtureRequest, number: int) -> None:
    assert isinstance(number, int)
    drawn = request.function._hypothesis_internal_use_settings.max_examples
    assert drawn == (round(100 * SHARE) if request.config.option.markexpr == "not full" else 100)
