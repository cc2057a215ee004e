"""A table of categories, dates, booleans and gaps, alike at every door.

From its file to a monitored service.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipeline.config.profile import Service as Settings
from recipeline.registry.stages import CHAMPION
from recipeline.registry.versions import Registry
from recipeline.serving.http.app import create_app
from recipeline.serving.model.copies import fetch_version
from recipeline.serving.model.loading import load_copy
from recipeline.serving.prometheus import Metrics
from recipeline.serving.state import Service
from tests.conftest import NAME, MakeProject, Outcome, Project
from tests.serving.helpers import answer, post, store_of

pytestmark = pytest.mark.xdist_group("typed")  # whose tests share a chain

COLUMNS: dict[str, Any] = {
    "pickup": {"type": "datetime"},  # the first: a column of dates and one of numbers have no common type
    "city": {"type": "category", "nullable": True},
    "km": {"unit": "km", "min": 0, "nullable": True},
    "night": {"type": "boolean"},
    "seats": {"type": "integer", "min": 1, "max": 8},
    "fare": {"min": -50},
}
FEATURES = [name for name in COLUMNS if name != "fare"]


def draw_fares(rows: int = 400, seed: int = 0, cities: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1)) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    city = rng.choice(["Cork", "Kiel", "Nice", "007"], rows, p=cities)
    pickup = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 365 * 24 * 3600, rows), unit="s")
    km = rng.gamma(2, 3, rows).round(2)
    fare = 3 + 1.8 * km + pd.Series(city).map({"Cork": 4, "Kiel": 2, "Nice": 1, "007": 9}) + 2 * (pickup.hour >= 20)
    table = pd.DataFrame(
        {
            "city": city,
            "pickup": pickup.strftime("%Y-%m-%d %H:%M:%S"),
            "km": km,
            "night": np.where(rng.random(rows) < 0.3, "yes", "no"),
            "seats": rng.integers(1, 5, rows),
            "fare": (fare + rng.normal(0, 1, rows)).round(2),
        }
    )
    table.loc[rng.random(rows) < 0.05, "city"] = None
    table.loc[rng.random(rows) < 0.05, "km"] = None
    return table


@pytest.fixture(scope="module")
def fares(make_project: MakeProject) -> Project:
    """A project of typed columns with one chain behind it, its cards drawn."""
    project = make_project(draw_fares())
    impute = "sklearn.impute.SimpleImputer"

    def change(content: dict[str, Any]) -> None:
        content |= {
            "target": "fare",
            "columns": COLUMNS,
            "candidates": {
                "Ridge": {
                    "alias": "ridge",
                    "estimator": "sklearn.linear_model.Ridge",
                    "preprocess": {"number": [impute, "sklearn.preprocessing.StandardScaler"]},
                },
                "Tree": {
                    "alias": "tree",
                    "estimator": "sklearn.tree.DecisionTreeRegressor",
                    "params": {"max_depth": 5},
                    "preprocess": {"number": [impute], "category": "ordinal", "datetime": ["hour", "elapsed"]},
                },
            },
            "promotion": {**content["promotion"], "guard_rails": {}},
        }
        content["gates"] = {"validation_criteria": [{"metric": "r2", "threshold": 0.5}]}

    project.write_recipe(change)
    project.draws = True
    outcome = project.ok("main")
    assert "could not be drawn" not in outcome.stderr
    return project


@pytest.fixture(scope="module")
def client(fares: Project, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    store = store_of(fares)
    champion = Registry(store, NAME).holder(CHAMPION)
    assert champion is not None
    model = load_copy(fetch_version(store, champion, tmp_path_factory.mktemp("copies")))
    assert model.path.startswith("compiled")
    service = Service(NAME, Settings(), Metrics(), ())
    service.find_registry()
    service.serve(model)
    return create_app(service).test_client()


def test_a_typed_table_is_promoted_on_its_columns(fares: Project) -> None:
    assert float(fares.production().tags["recipeline.r2"]) > 0.8


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "city": st.sampled_from(["Cork", "007", "Atlantis", None]),
            "pickup": st.datetimes(pd.Timestamp("2000-01-01"), pd.Timestamp("2050-01-01")).map(
                lambda it: it.isoformat(" ")[:19]
            ),
            "km": st.none() | st.floats(0, 100).map(lambda it: round(it, 3)),
            "night": st.booleans(),
            "seats": st.integers(1, 8),
        }
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=ROWS)
def test_service_batch_and_mlflow_answer_alike_row_by_row(
    fares: Project, client: FlaskClient, rows: list[dict[str, Any]]
) -> None:
    served = answer(client, rows)["predictions"]
    assert answer(client, {"dataframe_records": rows}, "/invocations")["predictions"] == served
    table = pd.DataFrame(rows)[FEATURES]
    sent = client.post("/invocations", data=table.to_csv(index=False), headers={"Content-Type": "text/csv"})
    assert sent.get_json()["predictions"] == served
    fares.client  # noqa: B018 - it names the store
    theirs = mlflow.pyfunc.load_model(f"models:/{NAME}/Production")
    frame = table.astype({"pickup": "datetime64[us]", "night": float, "seats": float, "km": float})
    np.testing.assert_allclose(np.asarray(theirs.predict(frame)), served, rtol=1e-9)


def test_a_file_is_predicted_as_the_service_answers(
    fares: Project, client: FlaskClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("batch")
    table = draw_fares(200, seed=1)[FEATURES]
    table.loc[3, "city"] = "Atlantis"
    table.to_csv(folder / "in.csv", index=False)
    outcome = fares.ok("predict", input=str(folder / "in.csv"), output=str(folder / "out.csv"))
    assert "city 1" in outcome.stdout
    scored = pd.read_csv(folder / "out.csv")
    rows = json.loads(table.assign(night=table["night"] == "yes").to_json(orient="records"))
    np.testing.assert_allclose(scored["prediction"], answer(client, rows)["predictions"], rtol=1e-9)
    table.assign(pickup=pd.to_datetime(table["pickup"])).to_parquet(folder / "in.parquet")
    fares.ok("predict", input=str(folder / "in.parquet"), output=str(folder / "out.parquet"))
    np.testing.assert_allclose(pd.read_parquet(folder / "out.parquet")["prediction"], scored["prediction"], rtol=1e-12)


def test_a_value_of_another_kind_is_a_fault_at_each_door(fares: Project, client: FlaskClient, tmp_path: Path) -> None:
    bad = {"city": 7, "pickup": "yesterday", "km": "far", "night": "maybe", "seats": 1.5}
    response = post(client, bad)
    assert response.status_code == 422
    assert [fault["field"] for fault in response.get_json()["faults"]] == FEATURES
    pd.DataFrame([bad | {"city": "Cork"}]).to_csv(tmp_path / "bad.csv", index=False)
    outcome = fares.run("predict", input=str(tmp_path / "bad.csv"), output=str(tmp_path / "out.csv"))
    assert outcome.exit_code == 3
    for rule in (
        "pickup: must be a date",
        "km: must be a number",
        "night: must be true or false",
        "seats: must be a whole number",
    ):
        assert rule in outcome.stderr


def test_the_sample_row_is_shown_with_values_of_its_types(fares: Project, client: FlaskClient) -> None:
    shown = fares.ok("predict").stdout
    sample = client.get("/model").get_json()["sample"]
    for name in FEATURES:
        value = sample[name]
        text = str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
        assert re.search(rf"│ {name} +│ {re.escape(text)} +│", shown)
    assert f"fare: {answer(client, sample)['predictions'][0]:.2f}" in shown


def test_a_new_category_is_a_warning(client: FlaskClient) -> None:
    row = {"city": "Atlantis", "pickup": "2030-01-01", "km": 1, "night": False, "seats": 2}
    (warning,) = answer(client, row)["warnings"]
    assert (warning["field"], warning["rule"]) == ("city", "trained on 007, Cork, Kiel, Nice")


def test_the_description_and_its_examples_are_of_the_types(client: FlaskClient) -> None:
    described = client.get("/openapi.json").get_json()
    properties = described["components"]["schemas"]["Row"]["properties"]
    assert properties["night"]["type"] == "boolean"
    assert properties["pickup"]["type"] == "string"


@pytest.mark.parametrize(("seed", "cities", "code"), [(5, (0.4, 0.3, 0.2, 0.1), 0), (6, (0.05, 0.05, 0.1, 0.8), 5)])
def test_drift_of_a_category_is_found_and_quiet_rows_are_not(
    fares: Project, tmp_path_factory: pytest.TempPathFactory, seed: int, cities: tuple[float, ...], code: int
) -> None:
    path = tmp_path_factory.mktemp("live") / "live.csv"
    table = draw_fares(300, seed, cities).drop(columns="fare")
    later = pd.to_datetime(table["pickup"]) + pd.Timedelta(days=400)
    table.assign(pickup=later.dt.strftime("%Y-%m-%d %H:%M:%S")).to_csv(path, index=False)
    outcome = fares.run("monitor", data=str(path))
    assert outcome.exit_code == code, outcome.stdout + outcome.stderr
    assert ("city: PSI" in outcome.stdout) == (code == 5)


def test_the_card_of_a_closer_look_is_drawn(fares: Project) -> None:
    outcome = fares.ok("report")
    assert "could not be drawn" not in outcome.stderr


def test_the_served_model_is_made_of_scikit_learn_alone(fares: Project) -> None:
    fares.client  # noqa: B018 - it names the store
    info = mlflow.models.get_model_info(f"models:/{NAME}/Production")
    assert "code" not in info.flavors["python_function"]
    names = {str(it.name): str(it.type) for it in info.signature.inputs}
    assert names["city"].endswith("string")
    assert names["pickup"].endswith("datetime")


def test_rows_are_added_to_those_of_a_recipe_that_had_another_type(fares: Project, tmp_path: Path) -> None:
    draw_fares(100, seed=8).assign(tip=1.0).to_csv(tmp_path / "new.csv", index=False)
    whole = fares.recipe_path.read_text(encoding="utf-8")

    def retrain(columns: dict[str, Any]) -> Outcome:
        content = yaml.safe_load(whole)
        fares.recipe_path.write_text(yaml.safe_dump(content | {"columns": columns, "other_columns": "ignore"}, sort_keys=False))
        return fares.run("retrain", data=str(tmp_path / "new.csv"), promote="never")

    try:
        outcome = retrain(COLUMNS | {"seats": {"type": "category"}})
        assert outcome.exit_code == 0, outcome.stderr
        outcome = retrain({"tip": {}, **COLUMNS})
        assert outcome.exit_code == 3
        assert "The rows of version 1 lack columns of the recipe: tip." in outcome.stderr
    finally:
        fares.recipe_path.write_text(whole, encoding="utf-8")
