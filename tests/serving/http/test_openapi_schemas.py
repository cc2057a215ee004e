from __future__ import annotations

from typing import Any

from recipeline.serving.model.loading import ServedModel
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
    types = [column["type"] for column in describe(make_client(changed))["components"]["schemas"]["Row"]["properties"].values()]
    assert types[:4] == ["integer", ["number", "null"], ["integer", "null"], "number"]


def test_rows_have_the_services_limit(make_client: Make, row: dict[str, float]) -> None:
    rows = schema_of(describe(make_client(max_rows=2)), "Rows")
    assert rows.is_valid([row, row])
    assert not rows.is_valid([row, row, row])
    assert not rows.is_valid([])


def test_before_a_model_is_served_rows_are_of_any_columns(make_client: Make) -> None:
    document = describe(make_client(served=None))
    assert schema_of(document, "Rows").is_valid([{"any": 1.5, "other": None}])
    assert "examples" not in document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
