"""Nobody is lost in a queue, and more servers let nobody wait for longer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.queueing import draw_arrivals, draw_polls, greatest_load, rise, waits

times = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 3)), min_size=1, max_size=40)


def split(customers: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.cumsum([gap for gap, _ in customers]), np.array([takes for _, takes in customers])


@given(times, st.integers(1, 5))
def test_each_customer_is_served_by_a_server_that_is_free_and_none_is_idle_while_one_waits(
    customers: list[tuple[float, float]], servers: int
) -> None:
    arrivals, services = split(customers)
    found = waits(arrivals, services, servers)
    begins = arrivals + found
    ends = begins + services
    assert (found >= 0).all()
    for place in range(len(arrivals)):
        others = np.arange(len(arrivals)) != place
        at_work = int(((begins <= begins[place]) & (ends > begins[place]) & others & (np.arange(len(arrivals)) < place)).sum())
        assert at_work < servers
        if found[place] > 1e-9:  # just before it began, all were at work
            just_before = begins[place] - min(found[place], 1e-9) / 2
            assert int(((begins < just_before + 1e-9) & (ends >= just_before - 1e-9)).sum()) >= servers


@given(times, st.integers(1, 4))
def test_a_server_more_lets_nobody_wait_for_longer(customers: list[tuple[float, float]], servers: int) -> None:
    arrivals, services = split(customers)
    assert (waits(arrivals, services, servers + 1) <= waits(arrivals, services, servers) + 1e-9).all()


@given(times, st.floats(1, 3))
def test_a_longer_work_lets_nobody_wait_less(customers: list[tuple[float, float]], factor: float) -> None:
    arrivals, services = split(customers)
    assert (waits(arrivals, services * factor, 2) >= waits(arrivals, services, 2) - 1e-9).all()


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (1, 0.8), (4, 0.7)])
def test_the_mean_wait_is_that_of_erlang(servers: int, load: float) -> None:
    random, customers = np.random.default_rng(3), 40_000
    found = waits(draw_arrivals(load * servers, customers, random), random.exponential(1, customers), servers).mean()
    offered = load * servers
    terms = [offered**k / math.factorial(k) for k in range(servers)]
    last = offered**servers / math.factorial(servers) / (1 - load)
    assert found == pytest.approx(last / (sum(terms) + last) / (servers - offered), rel=0.1)


@settings(max_examples=30)
@given(st.integers(1, 30), st.floats(1, 10), st.floats(0, 0.3))
def test_pollers_ask_as_often_as_they_are_told(pollers: int, every: float, jitter: float) -> None:
    asked = draw_polls(pollers, every, 50 * every, jitter, np.random.default_rng(1))
    assert (np.diff(asked) >= 0).all()
    assert len(asked) / pollers == pytest.approx(50, abs=2 + 50 * jitter / 3)


@settings(max_examples=20)
@given(
    st.floats(1, 1e5),
    st.floats(1, 4),
    st.floats(0.5, 1.5),
    st.floats(0, 20),
    st.floats(0, 1e4),
    st.floats(0, 1e4),
    st.floats(0, 20),
)
def test_a_surge_loses_no_request_without_counting_it(
    before: float, factor: float, room: float, start: float, places: float, more_places: float, later: float
) -> None:
    found = rise(before, before * factor, before * room, start_seconds=start, places=places)
    assert found.arrived == pytest.approx(found.answered + found.refused + found.waiting)
    assert min(found.answered, found.refused, found.waiting) >= 0
    assert found.waiting <= places + 1e-6
    roomier = rise(before, before * factor, before * room, start_seconds=start, places=places + more_places)
    assert roomier.refused <= found.refused + 1e-6
    slower = rise(before, before * factor, before * room, start_seconds=start + later, places=places)
    assert slower.refused >= found.refused - 1e-6


def test_the_greatest_load_is_that_where_the_wait_meets_its_limit() -> None:
    assert greatest_load(lambda load: load / (1 - load), 3.0, steps=20) == pytest.approx(0.75, abs=1e-4)
    assert greatest_load(lambda _: 9.0, 3.0) == 0
