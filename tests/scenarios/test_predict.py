from __future__ import annotations

import gzip
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from recipeline.cli import environment
from recipeline.commands.predict import choose_output
from tests.conftest import NAME, ROOT, Project
from tests.processes import Command
from tests.scenarios.test_bad_input import Server, changed, csv, expect


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out/scored.csv"


@pytest.fixture
def source(tmp_path: Path, wines: pd.DataFrame) -> Path:
    path = tmp_path / "wines.csv"
    wines.to_csv(path, sep=";", index=False)
    return path


def answers(wines: pd.DataFrame) -> np.ndarray:
    """Return what the model in Production says of the rows, as a client would ask it."""
    model = mlflow.pyfunc.load_model(f"models:/{NAME}/Production")
    return np.asarray(model.predict(wines[model.metadata.get_input_schema().input_names()]))


# --- a file -----------------------------------------------------------------------------------------------------------------


def test_a_file_is_predicted_as_a_client_would_ask_with_intervals_and_the_version(
    trained: Project, source: Path, out: Path, wines: pd.DataFrame
) -> None:
    outcome = trained.ok("predict", input=str(source), output=str(out))
    version = trained.production()
    scored = pd.read_csv(out, sep=";")
    pd.testing.assert_frame_equal(scored[list(wines)], wines.reset_index(drop=True))
    np.testing.assert_allclose(scored["prediction"], answers(wines), rtol=1e-9)
    assert (scored["prediction_lower"] <= scored["prediction"]).all()
    assert (scored["prediction_upper"] >= scored["prediction"]).all()
    assert set(scored["model_version"]) == {int(version.version)}
    assert f"{NAME} version {version.version} ({version.tags['recipeline.candidate']}, trained on file rows)" in outcome.stdout
    assert f"400 rows predicted in {outcome.stdout.split('predicted in ')[1].split(' s')[0]} s" in outcome.stdout
    assert str(out) in outcome.stdout


def test_the_intervals_are_those_of_the_models_description(
    trained: Project, source: Path, out: Path, wines: pd.DataFrame
) -> None:
    from recipeline.registry.loading import load_interval
    from recipeline.tracking.artifacts.manifest import Reader

    trained.ok("predict", input=str(source), output=str(out))
    run_id = trained.production().tags["recipeline.evaluate_run_id"]
    features = [name for name in wines if name != "quality"]
    interval = load_interval(Reader(trained.client), run_id, features)
    assert interval is not None
    scored = pd.read_csv(out, sep=";")
    lower, upper = interval.around(scored["prediction"].to_numpy(), wines[features].to_numpy(dtype=float))
    np.testing.assert_allclose(scored[["prediction_lower", "prediction_upper"]], np.column_stack([lower, upper]))


def test_the_run_says_what_was_done(trained: Project, source: Path, out: Path) -> None:
    outcome = trained.ok("predict", input=str(source), output=str(out))
    run = trained.client.get_run(outcome.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["rows"] == 400
    assert run.data.metrics["rejected"] == 0
    assert run.data.metrics["rows_per_second"] > 0
    tags = {name: run.data.tags[f"recipeline.{name}"] for name in ("step", "output", "model_name", "outcome")}
    assert tags == {"step": "predict", "output": str(out), "model_name": NAME, "outcome": "ok"}


def test_other_columns_and_their_order_do_not_matter(trained: Project, tmp_path: Path, out: Path, wines: pd.DataFrame) -> None:
    table = wines[list(wines)[::-1]].drop(columns="quality").assign(colour="red")
    table.to_csv(tmp_path / "in.csv", index=False)
    trained.ok("predict", input=str(tmp_path / "in.csv"), output=str(out))
    np.testing.assert_allclose(pd.read_csv(out)["prediction"], answers(wines), rtol=1e-9)


def test_a_folder_of_files_is_predicted_as_one(trained: Project, tmp_path: Path, out: Path, wines: pd.DataFrame) -> None:
    folder = tmp_path / "in"
    (folder / "2/later").mkdir(parents=True)
    (folder / "1.csv.gz").write_bytes(gzip.compress(csv(wines.head(100))))
    wines.iloc[100:200].to_parquet(folder / "2/a.parquet")
    wines.iloc[200:].to_parquet(folder / "2/later/b.parquet")
    (folder / "_SUCCESS").touch()
    trained.ok("predict", input=str(folder), output=str(out))
    np.testing.assert_allclose(pd.read_csv(out)["prediction"], answers(wines), rtol=1e-9)


def test_a_uri_is_fetched_and_its_secrets_are_kept_nowhere(trained: Project, out: Path, wines: pd.DataFrame) -> None:
    address = Server(csv(wines)).url.replace("http://", "http://joe:s3cret@") + "?sig=TOPSECRET"
    outcome = trained.ok("predict", input=address, output=str(out))
    assert len(pd.read_csv(out)) == 400
    kept = outcome.stdout + outcome.stderr + str(trained.client.get_run(outcome.run_id).data.to_dictionary())
    assert "s3cret" not in kept
    assert "TOPSECRET" not in kept
    expect(trained.run("predict", input=Server(b"", status=404).url, output=str(out)), 6, "HTTP 404", "input=PATH")


def test_without_an_output_it_lies_in_the_folder_the_command_was_typed_in(
    trained: Project, source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(out.parent)
    trained.ok("predict", input=str(source))
    assert (out.parent / "wines.predictions.csv").exists()


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("a/wines.csv.gz", "wines.predictions.csv"),
        ("wines.parquet", "wines.predictions.parquet"),
        ("s3://bucket/a/wines.PARQUET?x=1.csv", "wines.predictions.parquet"),
        ("wines", "wines.predictions.csv"),
        ("http://me:secret@host/a/wines.csv;token=secret?sig=secret", "wines.predictions.csv"),
        ("http://me:se/cret@host/wines.csv", "wines.predictions.csv"),
        ("http:/me:secret@host/wines.csv#secret", "wines.predictions.csv"),
        ("http:/me:se?cret@host/wines.csv", "input.predictions.csv"),
        (".", "input.predictions.csv"),
    ],
)
def test_the_name_of_the_output_is_made_of_the_inputs(tmp_path: Path, name: str, output: str) -> None:
    assert choose_output(tmp_path, name, "") == tmp_path / output


def test_values_beyond_the_training_rows_are_predicted_with_a_warning(
    trained: Project, tmp_path: Path, out: Path, wines: pd.DataFrame
) -> None:
    (tmp_path / "in.csv").write_bytes(changed(wines, "alcohol", 24))
    outcome = trained.ok("predict", input=str(tmp_path / "in.csv"), output=str(out))
    assert "Warning: rows with values outside of the training range: " in outcome.stdout
    assert "alcohol" in outcome.stdout.split("Warning: ")[1]


# --- bad rows ---------------------------------------------------------------------------------------------------------------


BAD: dict[str, tuple[Callable[[pd.DataFrame], bytes], list[str]]] = {
    "empty file": (lambda _: b"", ["empty file"]),
    "header only": (lambda rows: csv(rows.head(0)), ["header only"]),
    "missing column": (lambda rows: csv(rows.drop(columns="pH")), ["lacks a column of the model: 'pH'"]),
    "text in a number": (lambda rows: changed(rows, "pH", "acid"), ["row 5, pH: must be a number. Got 'acid' instead."]),
    "NaN": (lambda rows: changed(rows, "pH", None), ["row 5, pH: must not be missing"]),
    "infinity": (lambda rows: changed(rows, "pH", "inf"), ["row 5, pH: must be finite"]),
    "out of range": (lambda rows: changed(rows, "alcohol", 40.0), ["row 5, alcohol: must be at most 25 % vol. Got 40.0"]),
    "a line with more fields": (lambda rows: csv(rows) + b"1," * 20, ["row 401, must have 12 fields. Got 21 instead."]),
    "a column that is added": (lambda rows: csv(rows.assign(model_version=1)), ["Got 'model_version' instead"]),
}


@pytest.mark.parametrize("case", BAD)
def test_rows_that_cannot_be_predicted_end_with_3_and_leave_no_output(
    trained: Project, tmp_path: Path, out: Path, wines: pd.DataFrame, case: str
) -> None:
    make, words = BAD[case]
    (tmp_path / "bad.csv").write_bytes(make(wines))
    expect(trained.run("predict", input=str(tmp_path / "bad.csv"), output=str(out)), 3, *words)
    assert list(out.parent.iterdir()) == []


def test_bad_rows_are_set_aside_where_asked_for(trained: Project, tmp_path: Path, out: Path, wines: pd.DataFrame) -> None:
    (tmp_path / "in.csv").write_bytes(changed(wines, "pH", "acid"))
    outcome = trained.ok("predict", input=str(tmp_path / "in.csv"), output=str(out), on_bad_rows="reject")
    assert "399 rows predicted" in outcome.stdout
    assert f"1 bad row set aside: {out.parent}/scored.rejects.csv" in outcome.stdout
    [rejected] = pd.read_csv(out.parent / "scored.rejects.csv").to_dict("records")
    assert (rejected["row"], rejected["fault"]) == (5, "pH: must be a number. Got 'acid' instead.")
    assert trained.client.get_run(outcome.run_id).data.metrics["rejected"] == 1
    np.testing.assert_allclose(pd.read_csv(out)["prediction"], np.delete(answers(wines), 4), rtol=1e-9)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"on_bad_rows": "rejekt"}, "Did you mean 'reject'?"),
        ({"model_uri": "WineQualityBestModel"}, "model_uri must be models:/"),
        ({"model_uri": f"models:/{NAME}/Produktion"}, "Did you mean 'Production'?"),
        ({"output": "s3://bucket/scored.csv"}, "output must be a local file"),
        ({"output": "scored.xlsx"}, "must be a CSV or Parquet file. Got 'scored.xlsx'"),
        ({"input": ""}, "output is set without input"),
        ({"output": "nowhere/scored.csv"}, "a folder that exists"),
    ],
)
def test_a_parameter_that_cannot_be_ends_with_2(trained: Project, source: Path, out: Path, params: Any, words: str) -> None:
    expect(trained.run("predict", **{"input": str(source), "output": str(out)} | params), 2, words)


def test_the_input_is_never_overwritten(trained: Project, source: Path) -> None:
    before = source.read_bytes()
    expect(trained.run("predict", input=str(source), output=str(source)), 2, "must differ from the input")
    rejects = source.rename(source.with_name("scored.rejects.csv"))
    target = source.with_name("scored.csv")
    expect(
        trained.run("predict", input=str(rejects), output=str(target), on_bad_rows="reject"), 2, "must differ from the input"
    )
    assert rejects.read_bytes() == before


def test_a_project_that_was_fetched_refuses_a_relative_output(
    trained: Project, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(environment, "find_project", lambda: tmp_path / "tmpab12cd_9/project")
    monkeypatch.setenv("MLFLOW_RUN_ID", trained.client.create_run("0").info.run_id)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained.uri)
    expect(trained.run("predict", input=str(source), output="scored.csv"), 2, "must be an absolute path")
    monkeypatch.setattr(environment, "find_project", lambda: tmp_path / "project")
    assert not environment.is_fetched_project()


# --- the model --------------------------------------------------------------------------------------------------------------


def test_without_an_input_the_sample_row_is_predicted(trained: Project) -> None:
    outcome = trained.ok("predict")
    assert "volatile acidity" in outcome.stdout
    assert "g/L acetic acid" in outcome.stdout
    assert "quality: " in outcome.stdout
    assert "(90 % interval " in outcome.stdout
    run_id = outcome.run_id
    assert trained.client.list_artifacts(run_id) == []


def test_without_a_production_it_ends_with_6_and_says_what_makes_one(project: Project) -> None:
    outcome = project.run("predict")
    expect(outcome, 6, f"No version of {NAME} is in Production. Run `make pipeline`")


def test_every_way_to_name_the_model_leads_to_it(trained: Project, source: Path, out: Path) -> None:
    version = trained.production()
    trained.ok("predict", input=str(source), output=str(out))
    expected = out.read_bytes()
    for uri in (f"models:/{NAME}/Production", f"models:/{NAME}@champion", f"models:/{NAME}/{version.version}"):
        trained.ok("predict", input=str(source), output=str(out), model_uri=uri)
        assert out.read_bytes() == expected
    expect(trained.run("predict", model_uri=f"models:/{NAME}@nobody"), 6, "has the alias 'nobody'")
    expect(trained.run("predict", model_uri="models:/Nothing/latest"), 6, "No version of Nothing is in the registry")


def test_a_model_without_a_description_is_asked_with_a_warning_and_without_intervals(
    trained: Project, source: Path, out: Path, wines: pd.DataFrame
) -> None:
    version = trained.production()
    for uri in (version.source, f"runs:/{version.run_id}/model"):
        outcome = trained.ok("predict", input=str(source), output=str(out), model_uri=uri)
        scored = pd.read_csv(out, sep=";")
        assert list(scored)[-2:] == ["prediction", "model_version"]
        np.testing.assert_allclose(scored["prediction"], answers(wines), rtol=1e-9)
        assert "has no model_info.json" in outcome.stdout
        expect(trained.run("predict", model_uri=uri), 6, "No sample row in the model_info.json of")


def test_a_model_whose_file_was_changed_is_not_asked(project: Project, source: Path, out: Path) -> None:
    project.ok("main", model="lr", promote="always")
    for path in (project.folder / "mlruns").rglob("model.skops"):
        path.write_bytes(path.read_bytes()[:-20])
    expect(project.run("predict", input=str(source), output=str(out)), 6, "has changed or is truncated")
    assert list(out.parent.iterdir()) == []


def test_a_model_trained_on_made_up_rows_is_announced(project: Project) -> None:
    project.ok("main", data="synthetic", model="lr", promote="always")
    assert "It was trained on SYNTHETIC rows: its predictions do not apply" in project.ok("predict").stdout


# --- the end ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 143),
        *(pytest.param(*other, marks=pytest.mark.full) for other in ((signal.SIGINT, 130), (signal.SIGKILL, -9))),
    ],
)
def test_a_command_that_is_ended_in_the_middle_leaves_no_output(
    trained: Project, tmp_path: Path, out: Path, wines: pd.DataFrame, number: int, code: int
) -> None:
    source = tmp_path / "in.csv"
    rows = csv(wines).split(b"\n", 1)
    with source.open("wb") as file:
        file.write(rows[0] + b"\n")
        for _ in range(8000):
            file.write(rows[1])
    words = ["--recipe", str(trained.recipe_path), "--profile", str(trained.profile_path)]
    words += ["--input", str(source), "--output", str(out)]
    log, environment = tmp_path / "log", {**os.environ, "PYTHONPATH": str(ROOT)}
    process = Command("recipeline", "predict", *words, environment=environment, stdout=Path(os.devnull), stderr=log)
    deadline = time.monotonic() + 60
    while not list(out.parent.glob(".scored.csv.*.part")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(number)
    assert process.wait(timeout=60) == code, log.read_text(encoding="utf-8")
    assert not out.exists()
    if number != signal.SIGKILL:
        assert list(out.parent.iterdir()) == []


def test_a_full_disk_ends_with_6(trained: Project, source: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recipeline.data.writers.os.fsync", full)
    expect(trained.run("predict", input=str(source), output=str(out)), 6, "output cannot be written to", "No space")
    assert list(out.parent.iterdir()) == []
