from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.config.profile import Service as Settings
from recipeline.inference.model_info import Feature
from recipeline.serving.http.openapi_schemas import schemas
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.rows.faults import BadRows
from recipeline.serving.rows.schema import Schema
from recipeline.serving.tasks.every import TASKS
from tests.serving.helpers import Make
from tests.serving.http.helpers import describe, schema_of, with_features


def test_a_row_is_the_models_columns_with_their_units_and_training_ranges(client: Any, model: ServedModel) -> None:
    row = describe(client)["components"]["schemas"]["Row"]
    assert row["required"] == list(row["properties"]) == list(model.schema.names)
    assert row["additionalProperties"] is False
    for feature in model.schema.features:
        schema = row["properties"][feature.name]
        assert schema["description"].startswith(feature.unit)
        assert f"trained on {feature.low:g} to {feature.high:g}" in schema["description"]
        assert (schema["minimum"], schema["maximum"]) == (feature.min, feature.max)


def test_a_service_that_refuses_what_is_beyond_the_training_range_says_so_as_a_rule(
    make_client: Make, model: ServedModel
) -> None:
    row = describe(make_client(out_of_range="reject"))["components"]["schemas"]["Row"]
    for feature in model.schema.features:
        assert (row["properties"][feature.name]["minimum"], row["properties"][feature.name]["maximum"]) == (
            feature.low,
            feature.high,
        )


def test_whole_and_missing_values_are_told(make_client: Make, model: ServedModel) -> None:
    changed = with_features(model, {"type": "integer"}, {"nullable": True}, {"type": "integer", "nullable": True})
    columns = [*describe(make_client(changed))["components"]["schemas"]["Row"]["properties"].values()]
    types = [[it["type"] for it in column.get("anyOf", [column])] for column in columns]
    assert types[:4] == [["integer"], ["number", "null", "string"], ["integer", "null", "string"], ["number"]]
    assert columns[1]["anyOf"][2]["enum"] == [""]


def test_rows_have_the_services_limit(make_client: Make, row: dict[str, float]) -> None:
    rows = schema_of(describe(make_client(max_rows=2)), "Rows")
    assert rows.is_valid([row, row])
    assert not rows.is_valid([row, row, row])
    assert not rows.is_valid([])


def test_before_a_model_is_served_rows_are_of_any_columns(make_client: Make) -> None:
    document = describe(make_client(served=None))
    assert schema_of(document, "Rows").is_valid([{"any": 1.5, "other": None}])
    assert "examples" not in document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]


WORDS = ["NA", "?", "-999", "9", "inf", "see note"]
values = st.none() | st.sampled_from([-999, 9, 9.0, 8, 8.5, 11, -1, "", *WORDS]) | st.integers(-3, 12) | st.floats(-3, 12)


@given(st.lists(st.sampled_from(WORDS), unique=True), st.booleans(), st.booleans(), values)
def test_words_for_a_missing_value_are_told_as_they_are_taken(na: list[str], nullable: bool, whole: bool, value: Any) -> None:
    feature = Feature("a", "g", "integer" if whole else "number", nullable, na, min=0, max=10, train_min=1, train_max=9)
    columns = Schema((feature, Feature("b")))

    class Model:
        schema, task = columns, TASKS["regression"]

    described = schemas(Settings(), Model())
    json.dumps(described, allow_nan=False)
    validator = jsonschema_rs.validator_for({"$ref": "#/components/schemas/Row", "components": {"schemas": described}})
    try:
        columns.outside(columns.parse(json.dumps([{"a": value, "b": 1}]).encode(), max_rows=1))
        is_taken = True
    except BadRows:
        is_taken = False
    assert validator.is_valid({"a": value, "b": 1}) is is_taken
    text = described["Row"]["properties"]["a"]["description"]
    assert text.startswith("g; trained on 1 to 9")
    assert all(f"'{word}'" in text for word in na)


@pytest.mark.parametrize("path", ["/predict", "/invocations"])
def test_a_service_takes_the_words_that_its_description_names(make_client: Make, model: ServedModel, path: str) -> None:
    client = make_client(with_features(model, {"nullable": True, "na": ["NA", "-999"]}, {"na": ["NA", "-999"]}))
    document = describe(client)
    first, second, *_ = document["components"]["schemas"]["Row"]["properties"].values()
    assert "'NA', '-999' or null: a missing value" in first["description"]
    assert "no missing value, also not as 'NA', '-999'" in second["description"]
    assert schema_of(document, "Feature").is_valid(client.get("/model").get_json()["features"][0])
    content = document["paths"][path]["post"]["requestBody"]["content"]
    assert path == "/predict" or "one of the recipe's words" in content["text/csv"]["schema"]["description"]
