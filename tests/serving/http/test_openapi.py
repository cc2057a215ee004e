from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from schemathesis import APIOperation, Case, GenerationMode, Response
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi import checks

from recipeline.serving.model.loading import ServedModel
from tests.serving.helpers import Make, Row
from tests.serving.http.helpers import describe, schema_of, with_features, with_kinds, with_labels

CONFORMS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
#: /invocations takes more than its description tells, and of it these would not be true.
TAKES_JUST_WHAT_IT_SAYS = [checks.positive_data_acceptance, checks.negative_data_rejection]
MANY, FEW = 60, 3


def within(value: Any, key: str) -> Iterator[Any]:
    """Yield what stands under `key`, at any depth."""
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if name == key:
            yield inner
        yield from within(inner, key)


# --- the document --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settled", [{}, {"tokens": ("secret",)}, {"served": None}, {"out_of_range": "reject"}])
def test_the_description_is_valid_openapi_and_its_schemas_are_valid_json_schemas(make_client: Make, settled: Any) -> None:
    document = describe(make_client(**settled), Authorization="Bearer secret")
    assert document["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(document).validate()
    for schema in [*document["components"]["schemas"].values(), *within(document["paths"], "schema")]:
        jsonschema_rs.meta.validate(schema)


@pytest.mark.parametrize(
    "settled", [{}, {"served": None}, {"out_of_range": "reject"}, {"labels": ["bad", "good"]}, {"labels": [1, 2]}]
)
def test_there_is_nothing_that_client_generators_stop_at(make_client: Make, model: ServedModel, settled: Any) -> None:
    labels = settled.get("labels")
    document = describe(make_client(with_labels(model, "binary", labels)) if labels else make_client(**settled))
    enums = [*within(document["components"]["schemas"], "enum")]
    assert all(isinstance(value, str) for values in enums for value in values)
    assert all(isinstance(items, dict) for items in within(document, "items"))
    assert not [value for values in within(document, "enum") for value in values if isinstance(value, list | dict)]
    for kind in ("anyOf", "oneOf", "allOf"):  # an object inside needs a name
        assert not [one for choices in within(document, kind) for one in choices if one.get("type") == "object"]


def test_every_reference_leads_somewhere(client: Any) -> None:
    document = describe(client)
    for reference in set(within(document, "$ref")):
        _, _, kind, name = reference.split("/")
        assert name in document["components"][kind], reference


def test_it_lists_exactly_the_routes_of_the_service(client: Any) -> None:
    routes = {
        (rule.rule, method.lower())
        for rule in client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    listed = {(path, method) for path, operations in describe(client)["paths"].items() for method in operations}
    assert listed == routes


def test_every_operation_has_a_name_of_its_own(client: Any) -> None:
    names = list(within(describe(client)["paths"], "operationId"))
    assert len(names) == len(set(names))


# --- the columns ---------------------------------------------------------------------------------------------------------


def test_the_sample_is_an_example_and_keeps_the_rules(client: Any, row: dict[str, float]) -> None:
    check_row_examples(client, row)


def check_row_examples(client: Any, row: dict[str, Any]) -> None:
    document = describe(client)
    examples = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert examples["one row"]["value"] == row
    for example in examples.values():
        assert schema_of(document, "Rows").is_valid(example["value"])


@pytest.mark.parametrize("out_of_range", ["warn", "reject"])
def test_columns_of_every_kind_have_examples_that_keep_the_rules_and_are_answered(
    make_client: Make, model: ServedModel, out_of_range: str
) -> None:
    client = make_client(with_kinds(model), out_of_range=out_of_range)
    check_row_examples(client, client.service.model.info.sample)
    check_all_examples(client)
    document = describe(client)
    schemathesis.openapi.from_dict(document).validate()
    assert schema_of(document, "Model").is_valid(client.get("/model").get_json())
    for row in ({"type": "list"}, {}):
        assert not schema_of(document, "Row").is_valid(row)


def test_lists_without_names_may_have_values_of_every_kind(make_client: Make, model: ServedModel) -> None:
    client = make_client(with_kinds(model))
    body = {"instances": [list(client.service.model.info.sample.values())]}
    assert schema_of(describe(client), "Invocation").is_valid(body)
    assert client.post("/invocations", json=body).status_code == 200


def test_a_column_of_a_newer_version_is_described_as_one_of_numbers(make_client: Make, model: ServedModel) -> None:
    client = make_client(with_features(model, {"type": "duration"}))
    check_all_examples(client)
    name = model.schema.names[0]
    assert describe(client)["components"]["schemas"]["Row"]["properties"][name]["type"] == "number"


def test_the_examples_of_both_ways_to_predict_are_answered(client: Any) -> None:
    check_all_examples(client)


def check_all_examples(client: Any) -> None:
    for path in ("/predict", "/invocations"):
        body = describe(client)["paths"][path]["post"]["requestBody"]["content"]
        for kind, content in body.items():
            for name, example in content["examples"].items():
                sent = {"json": example["value"]} if kind == "application/json" else {"data": example["value"]}
                answer = client.post(path, content_type=kind, **sent)
                assert answer.status_code == 200, (path, name, answer.get_data())


def test_only_what_the_version_can_answer_may_be_asked_for(make_client: Make, model: ServedModel) -> None:
    info = replace(model.info, target=replace(model.info.target, type="number"))
    names = [
        wish["name"] for wish in describe(make_client(replace(model, info=info)))["paths"]["/predict"]["post"]["parameters"]
    ]
    assert names == ["interval"]


@pytest.mark.parametrize(
    ("task", "labels", "kind"),
    [("binary", ["bad", "good"], "category"), ("binary", [False, True], "boolean"), ("multiclass", [3, 5, 7], "integer")],
)
def test_answers_of_classes_are_described_by_their_labels(
    make_client: Make, model: ServedModel, row: Row, task: str, labels: list[Any], kind: str
) -> None:
    client = make_client(with_labels(model, task, labels, kind))
    document = describe(client)
    schemathesis.openapi.from_dict(document).validate()
    assert [wish["name"] for wish in document["paths"]["/predict"]["post"]["parameters"]] == ["set"]
    answer = client.post("/predict?set=true", json=[row, row]).get_json()
    invoked = client.post("/invocations", json={"inputs": [row]}).get_json()
    described = client.get("/model").get_json()
    assert described["target"]["labels"] == labels
    assert ("threshold" in described["target"]) == (task == "binary")
    before = describe(make_client(served=None))
    for told in (document, before):
        for name, found in (("Prediction", answer), ("Predictions", invoked), ("Model", described)):
            assert schema_of(told, name).is_valid(found), name
    for wrong in ("worse", 4.5, None):
        assert not schema_of(document, "Prediction").is_valid(answer | {"predictions": [wrong]})
    assert not schema_of(document, "Prediction").is_valid(
        {key: value for key, value in answer.items() if key != "probabilities"}
    )
    check_all_examples(client)


# --- who is told what ----------------------------------------------------------------------------------------------------


def test_a_service_with_tokens_tells_its_columns_only_to_whom_it_tells_the_model(make_client: Make, model: ServedModel) -> None:
    client = make_client(tokens=("secret",))
    name = model.schema.names[0]
    assert name not in str(describe(client))
    assert name not in str(describe(client, Authorization="Bearer wrong"))
    assert name in str(describe(client, Authorization="Bearer secret"))


def test_exactly_the_addresses_that_ask_for_a_token_are_described_so(make_client: Make) -> None:
    client = make_client(tokens=("secret",))
    document = describe(client)
    assert document["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            refused = client.open(path, method=method).status_code == 401
            assert (operation["security"] == [{"token": []}]) is refused is ("401" in operation["responses"])


def test_a_service_without_tokens_describes_none(client: Any) -> None:
    document = describe(client)
    assert not list(within(document, "security"))
    assert "securitySchemes" not in document["components"]


# --- the service keeps to it ---------------------------------------------------------------------------------------------


def never(*statuses: int) -> Any:
    """Return a check that an answer has none of these statuses."""

    def check(_: object, response: Response, case: Case[Any]) -> None:
        assert response.status_code not in statuses, (case, response.text)

    return check


def throw(app: Flask, mode: GenerationMode) -> None:
    """Send generated requests to every operation; check each answer.

    Against the description.
    """
    load_all_checks()
    for found in schemathesis.openapi.from_wsgi("/openapi.json", app).get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.POSITIVE or operation.method == "post":  # there is nothing in a GET that could be wrong
            more = TAKES_JUST_WHAT_IT_SAYS if operation.path == "/predict" else []
            throw_at(operation, mode, [never(500, 503), *CONFORMS, *more])


def throw_at(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, wanted: list[Any]) -> None:
    @settings(
        max_examples=MANY if operation.method == "post" else FEW,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case[Any]) -> None:
        case.validate_response(case.call(), checks=wanted)

    check()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("settled", [{}, {"out_of_range": "reject"}], ids=lambda settled: settled.get("out_of_range", "warn"))
def test_generated_requests_are_answered_as_described_and_never_with_a_5xx(
    make_client: Make, settled: dict[str, str], mode: GenerationMode
) -> None:
    throw(make_client(**settled).application, mode)


@pytest.mark.parametrize("path", ["/predict", "/invocations", "/model"])
def test_a_service_without_a_model_answers_as_described(make_client: Make, path: str) -> None:
    app = make_client(served=None).application
    operation = schemathesis.openapi.from_wsgi("/openapi.json", app)[path]["GET" if path == "/model" else "POST"]
    throw_at(operation, GenerationMode.POSITIVE, [never(500), *CONFORMS])
