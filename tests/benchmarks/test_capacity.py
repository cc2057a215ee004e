"""The model of capacity: its shape, its inputs, and the figures of the document."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import capacity
from benchmarks.capacity import SCENARIOS, Measured, Plant, Prices, measure_line, read, report, shown, worker_load
from tests.conftest import ROOT

KNOWN: Measured = read(Measured, ROOT / "benchmarks/measured.json", "inputs")
PRICES: Prices = read(Prices, ROOT / "benchmarks/prices.json")
makers = st.sampled_from([make for make, _ in SCENARIOS])


def test_the_document_has_the_report_of_the_inputs_that_are_checked_in() -> None:
    text = (ROOT / "docs/capacity.md").read_text(encoding="utf-8")
    missing = [part for part in report(KNOWN, PRICES).split("\n\n") if part not in text]
    assert missing == [], "python -m benchmarks.capacity prints what docs/capacity.md must have"


def test_each_measured_input_says_what_when_and_how_and_is_used() -> None:
    content = json.loads((ROOT / "benchmarks/measured.json").read_text(encoding="utf-8"))
    assert content["machine"]
    assert {*content["inputs"]} == {field.name for field in fields(Measured)}
    for name, it in content["inputs"].items():
        assert set(it) == {"value", "what", "date", "command"}, name
        assert it["value"] > 0
        assert it["what"]
        assert it["command"]


def test_the_report_fits_eighty_columns() -> None:
    assert max(map(len, report(KNOWN, PRICES).splitlines())) <= 80


@settings(max_examples=25)
@given(makers, st.floats(1, 1e9), st.floats(1.1, 10))
def test_a_greater_load_costs_more_and_breaks_the_same_parts_at_the_same_loads(make: Any, load: float, factor: float) -> None:
    small, great = (make(it, KNOWN, PRICES, Plant()) for it in (load, load * factor))
    assert [part.limit for part in great.parts] == pytest.approx([part.limit for part in small.parts])
    assert all(after >= before for (_, before), (_, after) in zip(small.bill, great.bill, strict=True))
    assert small.first.limit == min(part.limit for part in small.parts)


@settings(max_examples=10, deadline=None)
@given(makers, st.sampled_from([field.name for field in fields(Measured)]), st.sampled_from([1.3, 4.0]))
def test_a_dearer_input_makes_no_part_break_later(make: Any, name: str, factor: float) -> None:
    known = replace(KNOWN, **{name: getattr(KNOWN, name) * factor})
    if name == "start_seconds" or name.endswith("_power") or name == "line_bytes":
        return  # a longer start gives the server more time; a power of more than 1 needs the rows; TB count bytes
    before, after = (make(1.0, it, PRICES, Plant()) for it in (KNOWN, known))
    for old, new in zip(before.parts, after.parts, strict=True):
        assert new.limit <= old.limit * 1.02  # a simulated queue has noise


@given(makers, st.floats(1.5, 8), st.sampled_from([field.name for field in fields(Prices)]))
def test_prices_change_the_bill_and_nothing_else(make: Any, factor: float, name: str) -> None:
    prices = replace(PRICES, **{name: getattr(PRICES, name) * factor})
    before, after = (make(1e6, KNOWN, it, Plant()) for it in (PRICES, prices))
    assert before.parts == after.parts
    total = [sum(dollars for _, dollars in it.bill) for it in (before, after)]
    assert total[0] <= total[1] <= total[0] * factor * (1 + 1e-9)


def test_a_worker_may_be_at_work_for_less_of_its_time_where_waits_must_be_short() -> None:
    loads = [worker_load(0.001, wait) for wait in (0.001, 0.005, 0.02)]
    assert loads == sorted(loads)
    assert 0 < loads[0] < loads[2] < 1


def test_twice_the_tracking_workers_take_at_least_twice_the_services() -> None:
    small, great = (capacity.most_pollers(0.0145, 10, workers, 1.0) for workers in (1, 2))
    assert great >= 2 * small * 0.98


def test_a_measured_line_is_what_is_checked_in() -> None:
    found = measure_line()
    assert found[0] == pytest.approx(KNOWN.line_bytes, rel=0.05)
    assert found[1] == pytest.approx(KNOWN.line_archived_bytes, rel=0.1)


def test_inputs_of_ones_own_are_read_from_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dear = tmp_path / "prices.json"
    dear.write_text(json.dumps({"core_hour": 4, "gb_month": 1, "thousand_puts": 1, "thousand_gets": 1}))
    capacity.main([f"prices={dear}"])
    assert capsys.readouterr().out != report(KNOWN, PRICES) + "\n"
    (tmp_path / "none.json").write_text("{}")
    with pytest.raises(KeyError, match="core_hour"):
        read(Prices, tmp_path / "none.json")


FIGURES = [
    (0, "0"),
    (0.0931, "0.093"),
    (2.66, "2.7"),
    (12.6, "13"),
    (2777, "2,800"),
    (1e6, "1 M"),
    (4.6e8, "460 M"),
    (1e9, "1 G"),
]


@pytest.mark.parametrize(("value", "text"), FIGURES)
def test_figures_have_two_digits(value: float, text: str) -> None:
    assert shown(value) == text
