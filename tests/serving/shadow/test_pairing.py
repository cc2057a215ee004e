"""Rows of one version as another takes them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.inference.model_info import Feature, ModelInfo, Target
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.rows.beside import Beside
from recipeline.serving.rows.schema import Schema
from recipeline.serving.shadow.pairing import Pairing

PORT = Feature("port", type="category", categories=("Cork", "Kiel"), train_min=0.0, train_max=1.0)
AGE = Feature("age", min=0.0, max=150.0, nullable=True)
NIGHT = Feature("night", type="boolean")


def version(*features: Feature, others: tuple[str, ...] = ()) -> ServedModel:
    """Return a version of these columns; only its schema is asked."""
    info = ModelInfo(Target("y"), features, other_columns=others)
    nothing: Any = None
    return ServedModel("M", "1", "", info, {}, Schema.of(info), None, nothing, "", "", "", 0)


def convert(champion: ServedModel, challenger: ServedModel, rows: list[dict[str, Any]]) -> tuple[np.ndarray, list[bool]]:
    beside = Beside()
    values = champion.schema.parse(json.dumps(rows).encode(), max_rows=100, beside=beside)
    taken, places = Pairing(champion, challenger).take(values, beside)
    return taken, [place in places for place in range(len(rows))]


def test_columns_that_differ_in_their_training_range_alone_are_taken_as_they_are() -> None:
    other = replace(AGE, train_min=1.0, train_max=2.0, unit="years", quantiles={"0.5": 1.0})
    values = np.array([[1.0], [np.nan]])
    taken, places = Pairing(version(AGE), version(other)).take(values, Beside())
    assert taken is values
    assert [*places] == [0, 1]


rows = st.fixed_dictionaries(
    {"port": st.sampled_from(["Cork", "Kiel", "Lund", "Nice"]), "age": st.none() | st.integers(0, 150), "night": st.booleans()},
    optional={"person": st.integers(0, 9) | st.text(max_size=3)},
)


@given(st.lists(rows, min_size=1, max_size=6), st.permutations(["port", "age", "night"]), st.integers(1, 3))
def test_a_challenger_gets_the_codes_that_it_would_read_itself(
    asked: list[dict[str, Any]], names: list[str], count: int
) -> None:
    """For every order, number and categories of its columns."""
    columns = {"port": replace(PORT, categories=("Lund", "Kiel", "Oslo"), train_max=2.0), "age": AGE, "night": NIGHT}
    other = version(*(columns[name] for name in names[:count]))
    taken, mask = convert(version(PORT, AGE, NIGHT, others=("person",)), other, asked)
    own = [{name: row[name] for name in names[:count]} for row in asked]
    assert mask == [True] * len(asked)
    np.testing.assert_equal(taken, other.schema.parse(json.dumps(own).encode(), max_rows=100))


def test_a_column_that_the_champion_does_not_take_comes_from_beside_it_where_a_row_has_it() -> None:
    champion, other = version(AGE, others=("port",)), version(PORT, AGE)
    taken, mask = convert(champion, other, [{"age": 1, "port": "Kiel"}, {"age": 2}, {"age": 3, "port": "Cork"}])
    assert (taken.tolist(), mask) == ([[1.0, 1.0], [0.0, 3.0]], [True, False, True])


@pytest.mark.parametrize(
    ("change", "takes"),
    [
        ({"nullable": False}, [True, False, True]),
        ({"max": 50.0}, [True, True, False]),
        ({"type": "boolean"}, [True, True, False]),
        ({"na": ("90",)}, [True, True, True]),
    ],
)
def test_rows_that_break_the_challengers_rules_are_left_out_and_the_others_are_not(
    change: dict[str, Any], takes: list[bool]
) -> None:
    taken, mask = convert(version(AGE), version(replace(AGE, **change)), [{"age": 1}, {"age": None}, {"age": 90}])
    assert mask == takes
    assert len(taken) == sum(takes)


def test_a_part_of_a_request_has_its_own_words() -> None:
    champion, other = version(PORT), version(replace(PORT, categories=("Nice", "Oslo")))
    beside = Beside()
    body = json.dumps([{"port": "Oslo"}, {"port": "Nice"}, {"port": "Cork"}]).encode()
    values = champion.schema.parse(body, max_rows=9, beside=beside)
    taken = [Pairing(champion, other).take(values[place : place + 1], beside, place)[0].tolist() for place in range(3)]
    assert taken == [[[1.0]], [[0.0]], [[2.0]]]
