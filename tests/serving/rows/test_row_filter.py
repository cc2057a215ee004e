"""Rows of a request that training would leave out, by codes and words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.data.checking.conditions import Condition, keep_rows
from recipeline.inference.model_info import Feature
from recipeline.serving.rows.beside import Beside
from recipeline.serving.rows.row_filter import NO_FILTER, RowFilter
from recipeline.serving.rows.schema import Schema

FEATURES = (
    Feature("km", nullable=True, train_min=0, train_max=9),
    Feature("port", type="category", nullable=True, categories=("Cork", "Kiel"), train_min=0.0, train_max=1.0),
    Feature("day", type="datetime", nullable=True),
    Feature("night", type="boolean", nullable=True),
)
DAYS = ["2009-05-01", "2010-01-01", "2012-01-01T10:00:00"]
CONDITIONS = {
    "km": [{"min": 3.0}, {"max": 3.0, "missing": True}, {"in_": (1.0, 2.0)}, {"not_in": (5.0,)}, {"missing": True}],
    "port": [{"in_": ("Cork", "Nice")}, {"not_in": ("Nice",)}, {"in_": ("Kiel",), "missing": True}, {"missing": False}],
    "day": [{"min": "2010-01-01"}, {"max": "2010-01-01", "missing": True}, {"not_in": ("2010-01-01",)}],
    "night": [{"in_": (True,)}, {"not_in": (True,), "missing": True}],
}
VALUES = {
    "km": st.none() | st.integers(0, 9),
    "port": st.none() | st.sampled_from(["Cork", "Kiel", "Nice", "Lund"]),
    "day": st.none() | st.sampled_from(DAYS),
    "night": st.none() | st.booleans(),
}


def condition_on(feature: Feature, stated: dict[str, Any]) -> Condition:
    return Condition(feature.name, type=feature.type, **stated)


def word(value: Any) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("feature", FEATURES, ids=lambda it: it.name)
@given(data=st.data())
def test_codes_break_the_conditions_that_the_words_of_a_table_break(feature: Feature, data: st.DataObject) -> None:
    condition = condition_on(feature, data.draw(st.sampled_from(CONDITIONS[feature.name])))
    sent = data.draw(st.lists(VALUES[feature.name], min_size=1, max_size=5))
    schema, beside = Schema((feature,)), Beside()
    values = schema.parse(json.dumps([{feature.name: it} for it in sent]).encode(), max_rows=9, beside=beside)
    found = RowFilter([condition], [feature]).find(values, beside)
    broken = found[0].rows if found else np.zeros(len(sent), dtype=bool)
    kept = keep_rows([condition], {feature.name: pa.array(list(map(word, sent)), pa.string())}, len(sent))
    assert (~broken).tolist() == kept.tolist()


def test_a_condition_on_another_column_is_asked_where_it_is_sent_and_one_on_the_target_never() -> None:
    conditions = [Condition("year", min=2010.0, type="integer"), Condition("price", max=3.0, is_target=True)]
    found, beside = RowFilter(conditions, FEATURES), Beside()
    values = np.zeros((4, len(FEATURES)))
    assert found.find(values, None) == found.find(values, beside) == []
    schema = Schema((Feature("km"),), others=frozenset({"year", "price"}))
    rows = [{"km": 1, "year": 2009}, {"km": 1, "year": 2011}, {"km": 1}, {"km": 1, "year": None, "price": 9}]
    schema.parse(json.dumps(rows).encode(), max_rows=9, beside=beside)
    (unlike,) = found.find(values, beside)
    assert (unlike.column, unlike.place, unlike.rows.tolist()) == ("year", None, [True, False, False, True])
    assert NO_FILTER.find(values, beside) == []
