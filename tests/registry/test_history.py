from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recipeline.errors import UsageError
from recipeline.registry.history import LOCAL, during, local_now, parse_time, terms
from recipeline.registry.results import Entry

#: A Tuesday.
NOW = datetime(2026, 11, 24, 15, 30, tzinfo=timezone(timedelta(hours=1)))


def entry(number: int, when: datetime, before: str, after: str) -> Entry:
    return Entry("", when.isoformat(), "promote", before, after, "ann", "here", "better", "run", number=number)


def test_a_term_ends_where_the_next_one_begins_and_the_last_one_is_open() -> None:
    days = [datetime(2026, 11, day, tzinfo=UTC) for day in (1, 5, 9)]
    served = terms([entry(1, days[0], "", "1"), entry(2, days[1], "1", "2"), entry(3, days[2], "2", "1")])
    assert [(term.version, term.since, term.until) for term in served] == [
        ("1", days[0], days[1]),
        ("2", days[1], days[2]),
        ("1", days[2], None),
    ]
    assert terms([]) == []


@pytest.mark.parametrize(
    ("text", "start", "hours"),
    [
        ("2026-11-17", "2026-11-17T00:00+01:00", 24),
        ("2026-11-17T14:30", "2026-11-17T14:30+01:00", 0),
        ("2026-11-17T14:30+00:00", "2026-11-17T15:30+01:00", 0),
        ("2026-11-17 14:30", "2026-11-17T14:30+01:00", 0),
        ("now", "2026-11-24T15:30+01:00", 0),
        ("today", "2026-11-24T00:00+01:00", 24),
        ("Yesterday", "2026-11-23T00:00+01:00", 24),
        ("tuesday", "2026-11-17T00:00+01:00", 24),
        ("last Tuesday", "2026-11-17T00:00+01:00", 24),
        ("monday", "2026-11-23T00:00+01:00", 24),
        ("wednesday", "2026-11-18T00:00+01:00", 24),
    ],
)
def test_a_time_is_a_day_or_a_moment(text: str, start: str, hours: int) -> None:
    first = datetime.fromisoformat(start)
    assert parse_time(text, NOW) == (first, first + timedelta(hours=hours))


def test_a_time_in_whole_seconds_is_all_of_its_second() -> None:
    start, end = parse_time("2026-11-23 12:00:00+01:00", NOW)
    assert end - start == timedelta(seconds=1)
    start, end = parse_time("2026-11-23 12:00:05.25+01:00", NOW)
    assert end == start


@given(st.text(max_size=20))
def test_what_is_no_time_is_wrong_usage(text: str) -> None:
    try:
        start, end = parse_time(text, NOW)
    except UsageError:
        return
    assert start.tzinfo
    assert timedelta(0) <= end - start <= timedelta(days=1)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(-10, 500))
def test_at_every_moment_since_the_first_change_exactly_one_term_runs(steps: list[int], moment: int) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    changes, when = [], start
    for number, step in enumerate(steps):
        changes.append(entry(number + 1, when, str(number), str(number + 1)))
        when += timedelta(minutes=step)
    at = start + timedelta(minutes=moment)
    assert len(during(terms(changes), at, at)) == (1 if moment >= 0 else 0)


@given(st.lists(st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)), min_size=1, max_size=6))
def test_terms_follow_each_other_also_where_the_clock_was_set_back_between_them(times: list[datetime]) -> None:
    served = terms([entry(number, when.replace(tzinfo=UTC), "", str(number)) for number, when in enumerate(times)])
    assert all(term.until is None or term.since <= term.until for term in served)
    assert [term.version for term in during(served, served[-1].since, served[-1].since)][-1] == str(len(times) - 1)


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this machine be where it is UTC+1 in winter and UTC+2 in summer."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize(
    ("text", "start", "hours"),
    [
        ("2026-07-01T14:30", "2026-07-01T12:30+00:00", 0),
        ("2026-12-01T14:30", "2026-12-01T13:30+00:00", 0),
        ("2026-07-01", "2026-06-30T22:00+00:00", 24),
        ("2026-10-25", "2026-10-24T22:00+00:00", 25),  # the clock is set back
        ("2026-03-29", "2026-03-28T23:00+00:00", 23),
        ("yesterday", "2026-10-24T22:00+00:00", 25),
        ("sunday", "2026-10-24T22:00+00:00", 25),
    ],
)
def test_a_time_of_this_machine_has_the_offset_that_it_had_then(text: str, start: str, hours: int) -> None:
    now = datetime(2026, 10, 26, 12, 0, tzinfo=UTC).astimezone(LOCAL)
    found = tuple(it.astimezone(UTC) for it in parse_time(text, now))
    first = datetime.fromisoformat(start)
    assert found == (first, first + timedelta(hours=hours))


@pytest.mark.usefixtures("in_berlin")
@given(st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)))
@example(datetime(2026, 10, 25, 0, 30))  # half past two
@example(datetime(2026, 10, 25, 1, 30))  # half past two again
@example(datetime(2026, 3, 29, 1, 0))
def test_a_moment_in_this_machines_zone_is_the_same_one(when: datetime) -> None:
    moment = when.replace(tzinfo=UTC)
    local = moment.astimezone(LOCAL)
    assert local.astimezone(UTC) == moment
    assert local.isoformat() == moment.astimezone().isoformat()
    assert local_now().tzinfo is LOCAL
