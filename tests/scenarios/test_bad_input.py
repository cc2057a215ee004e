"""Bad input ends with an exit code and a sentence; Production is kept."""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from tests.classes import turn_into_classes
from tests.conftest import NAME, MakeProject, Outcome, Project, small_recipe


def expect(outcome: Outcome, code: int, *words: str) -> None:
    """Check the exit code, and that stderr ends with a line with `words`.

    Nothing follows but the list beneath it; there is no traceback.
    """
    assert outcome.exit_code == code, outcome.stderr
    assert "Traceback" not in outcome.stderr
    lines = outcome.stderr.splitlines()
    last = max(place for place, line in enumerate(lines) if not line.startswith("  "))
    assert re.match(r"(Error|[a-z-]+): \S.*[.?]$", lines[last]), outcome.stderr
    for word in words:
        assert word in "\n".join(lines[last:])


def still_served(project: Project) -> None:
    """Check that the Production version is the one before, and answers."""
    assert str(project.production().version) == "1"
    model = mlflow.pyfunc.load_model(f"models:/{NAME}/Production")
    assert len(model.predict(model.input_example)) == 3


def csv(rows: pd.DataFrame, **options: Any) -> bytes:
    return rows.to_csv(index=False, **options).encode()


def changed(rows: pd.DataFrame, column: str, value: Any) -> bytes:
    table = rows.astype(object).copy()
    table.loc[4, column] = value
    return csv(table)


def parquet(rows: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.to_parquet(buffer)
    return buffer.getvalue()


@dataclass(frozen=True)
class Given:
    """Good rows: a feature, one with a range, the target."""

    rows: pd.DataFrame
    number: str = "pH"
    ranged: str = "alcohol"
    target: str = "quality"

    @property
    def header(self) -> str:
        return str(self.rows.columns[-1])


BAD: dict[str, tuple[Callable[[Given], bytes], list[str]]] = {
    "empty file": (lambda _: b"", ["empty file"]),
    "header only": (lambda it: csv(it.rows.head(0)), ["header only"]),
    "wrong separator": (lambda it: csv(it.rows, sep="&"), ["separated by semicolon, comma, tab, bar"]),
    "missing column": (lambda it: csv(it.rows.drop(columns=it.number)), ["{number}: the column is missing"]),
    "extra column": (lambda it: csv(it.rows.assign(colour="red")), ["colour: only the recipe's columns"]),
    "text in a number": (
        lambda it: changed(it.rows, it.number, "acid"),
        ["row 5, {number}: must be a number. Got 'acid' instead."],
    ),
    "NaN": (lambda it: changed(it.rows, it.number, None), ["row 5, {number}: must not be missing"]),
    "infinity": (lambda it: changed(it.rows, it.number, "inf"), ["row 5, {number}: must be finite"]),
    "out of range": (lambda it: changed(it.rows, it.ranged, 40.0), ["row 5, {ranged}: must be at most 25 % vol. Got 40.0"]),
    "three rows": (lambda it: csv(it.rows.head(3)), ["at least 100 rows", "Got 3 instead"]),
    "a target with one value": (
        lambda it: csv(it.rows.assign(**{it.target: it.rows[it.target].iloc[0]})),
        ["in its target '{target}'"],
    ),
    "a missing label": (lambda it: changed(it.rows, it.target, None), ["row 5, {target}: must not be missing"]),
    "a cut-off Parquet file": (lambda it: parquet(it.rows)[:-50], ["whole CSV or Parquet file"]),
    "a field too many on every line": (
        lambda it: csv(it.rows).replace(b"\n", b",9\n").replace(f"{it.header},9".encode(), it.header.encode(), 1),
        ["must have {fields} fields. Broken in {rows} rows"],
    ),
    "a line with more fields": (
        lambda it: csv(it.rows) + b"1," * 20,
        ["row {after}, must have {fields} fields. Got 21 instead."],
    ),
}


def refused(project: Project, given: Given, path: Path, case: str) -> None:
    """Check that main refuses the rows of a case, and that Production is as it was."""
    make, words = BAD[case]
    path.write_bytes(make(given))
    count = len(given.rows)
    told = {"number": given.number, "ranged": given.ranged, "target": given.target, "rows": count, "after": count + 1}
    told["fields"] = len(given.rows.columns)
    expect(project.run("main", data=str(path)), 3, *(word.format(**told) for word in words))
    still_served(project)


@pytest.mark.parametrize("case", BAD)
def test_rows_that_cannot_be_used_end_with_3(trained: Project, tmp_path: Path, wines: pd.DataFrame, case: str) -> None:
    refused(trained, Given(wines), tmp_path / "bad.csv", case)


@pytest.fixture(scope="module", params=["binary", "multiclass"])
def classes(request: pytest.FixtureRequest, make_project: MakeProject, wines: pd.DataFrame) -> Project:
    """A project of classes with a version in Production."""
    project = make_project(wines)
    turn_into_classes(project, request.param, z={"unit": "% vol", "max": 25})
    project.ok("main", model="lr")
    return project


@pytest.mark.full
@pytest.mark.parametrize("case", BAD)
def test_so_do_rows_of_classes(classes: Project, tmp_path: Path, case: str) -> None:
    refused(classes, Given(pd.read_csv(classes.data, sep=";"), "x", "z", "y"), tmp_path / "bad.csv", case)


@pytest.mark.parametrize(
    ("data", "words"), [("nowhere.csv", "does not exist"), (".", "A folder of rows must hold CSV and Parquet files only")]
)
def test_a_path_that_is_no_file_ends_with_3(trained: Project, data: str, words: str) -> None:
    expect(trained.run("ingest", data=data), 3, words)
    still_served(trained)


def test_an_expected_failure_is_written_on_its_run(project: Project) -> None:
    outcome = project.run("main", data=str(project.folder))
    expect(outcome, 3, "A folder of rows must hold CSV and Parquet files only")
    for run in project.runs():
        assert run.info.status == "FAILED"
        assert run.data.tags["recipeline.error"] in outcome.stderr
        assert (run.data.tags["recipeline.outcome"], run.data.tags["recipeline.exit_code"]) == ("error", "3")
    assert project.runs("main")


def test_violations_are_kept_with_the_failed_run(project: Project, wines: pd.DataFrame) -> None:
    project.data.write_bytes(changed(wines, "pH", "acid"))
    expect(project.run("ingest"), 3)
    [run] = project.runs("ingest")
    assert [file.path for file in project.client.list_artifacts(run.info.run_id) if file.path == "violations.csv"]


class Server:
    """A real HTTP server that answers every request alike."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/wines.csv"


def pin(project: Project, url: str, digest: str) -> None:
    download = {"name": "uci", "url": url, "sha256": digest}
    project.write_recipe(lambda c: c.update(data={"download": download, "synthetic": small_recipe()["data"]["synthetic"]}))


def test_a_tampered_download_ends_with_3_and_is_never_used(ran: Project, wines: pd.DataFrame) -> None:
    good = csv(wines)
    server = Server(good + b"\n")
    pin(ran, server.url, hashlib.sha256(good).hexdigest())
    for _ in range(2):
        expect(ran.run("main", data="auto"), 3, "must have the sha256")
    assert list(ran.versions()) == ["1"]
    still_served(ran)


def test_a_download_that_the_server_refuses_ends_with_6_and_is_not_replaced_by_made_up_rows(project: Project) -> None:
    pin(project, Server(b"", status=404).url, "0" * 64)
    expect(project.run("main", data="auto"), 6, "HTTP 404")


def test_without_a_connection_auto_takes_the_synthetic_sample_and_says_so(project: Project) -> None:
    pin(project, "http://127.0.0.1:9/wines.csv", "0" * 64)
    outcome = project.ok("ingest", data="auto")
    assert "No connection to 127.0.0.1:9 (the connection was refused): these are SYNTHETIC rows" in outcome.stderr
    assert project.tags(outcome.run_id)["recipeline.data_source"] == "synthetic"
    expect(project.run("ingest", data="uci"), 6, "No connection")


def test_a_good_download_is_used_and_tagged_with_its_name(project: Project, wines: pd.DataFrame) -> None:
    good = csv(wines)
    pin(project, Server(good).url, hashlib.sha256(good).hexdigest())
    tags = project.tags(project.ok("ingest", data="auto").run_id)
    assert (tags["recipeline.data_source"], tags["recipeline.data_digest"]) == ("uci", hashlib.sha256(good).hexdigest())


@pytest.mark.parametrize(
    ("step", "params", "words"),
    [
        ("train", {"model": "xgboost"}, "model must be all, or names or aliases"),
        ("main", {"model": "lr,linear"}, "Got 'linear' instead"),
        ("split", {"method": "stratified"}, "split method must be grouped or random"),
        ("main", {"split": "grouping"}, "Did you mean 'grouped'?"),
        ("main", {"cache": "maybe"}, "cache must be on or off"),
        ("promote", {"promote": "alway"}, "Did you mean 'always'?"),
        ("main", {"promote": "yes"}, "promote must be one of auto, manual, never, always"),
        ("main", {"profile": "locl"}, "Did you mean 'local'?"),
        ("main", {"profile": "nowhere.yaml"}, "nowhere.yaml cannot be read: No such file or directory."),
        ("main", {"recipe": "nowhere.yaml"}, "nowhere.yaml cannot be read: No such file or directory."),
        ("main", {"colour": "red"}, "No such option"),
    ],
)
def test_a_word_that_does_not_exist_ends_with_2_and_opens_no_run(
    trained: Project, step: str, params: dict[str, str], words: str
) -> None:
    before = [run.info.run_id for run in trained.runs()]
    expect(trained.run(step, **params), 2, words)
    assert [run.info.run_id for run in trained.runs()] == before
    still_served(trained)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(candidats={}), "Did you mean 'candidates'?"),
        (
            lambda c: c["candidates"]["DecisionTree"].update(estimator="sklearn.tree.DecisionTreeRegresor"),
            "Did you mean 'DecisionTreeRegressor'?",
        ),
        (lambda c: c["candidates"]["DecisionTree"].update(estimator="lightgbmm.Regressor"), "'lightgbmm' cannot be found"),
        (
            lambda c: c["candidates"]["DecisionTree"]["params"].update(max_dept=6),
            "'candidates.DecisionTree.params.max_dept' is not a parameter of sklearn.tree.DecisionTreeRegressor. "
            "Did you mean 'max_depth'?",
        ),
        (
            lambda c: c["candidates"]["DecisionTree"]["params"].update(max_depth=-6),
            "'candidates.DecisionTree.params.max_depth' must be an int in the range [1, inf) or None. Got -6 instead.",
        ),
        (
            lambda c: c["candidates"]["ElasticNet"].update(search={"space": {"alpha": {"choice": [0.1]}}}),
            "'candidates.ElasticNet.search.space.alpha' is not a parameter of the candidate. Did you mean 'elasticnet__alpha'?",
        ),
        (
            lambda c: c["candidates"]["DecisionTree"].update(search={"space": {"max_depth": {"uniform": [2, 8]}}}),
            "'candidates.DecisionTree.search.space.max_depth' must be an int in the range [1, inf) or None. Got 2.000006",
        ),
        (lambda c: c["candidates"]["DecisionTree"].update(estimator="json.dumps", params={}), "candidates.DecisionTree"),
    ],
)
def test_a_recipe_that_cannot_be_ends_with_2_before_a_run_is_opened_or_a_row_read(
    ran: Project, change: Any, words: str
) -> None:
    before = [run.info.run_id for run in ran.runs()]
    ran.write_recipe(change)
    for command in ("main", "train", "retrain"):
        outcome = ran.run(command, **({} if command == "train" else {"data": str(ran.folder)}))
        expect(
            outcome, 2, "recipe.yaml: ", words, f"Correct it in {ran.recipe_path}" if "installed" not in outcome.stderr else ""
        )
    assert [run.info.run_id for run in ran.runs()] == before
    still_served(ran)


def test_a_rule_of_the_split_that_cannot_be_is_told_by_check_and_before_a_run_is_opened(project: Project) -> None:
    faults = {"json.dump": "Got 'json.dump', missing a required argument", "custom.nowhere.rule": "'custom.nowhere' cannot be"}
    for path, words in faults.items():
        project.write_recipe(lambda c, path=path: c.update(split={"custom": path}))
        for command in ("check", "split", "main"):
            outcome = project.run(command)
            assert (outcome.exit_code, outcome.stdout) == (2, "")
            assert "recipe.yaml: 'split.custom' must be " in outcome.stderr
            assert words in outcome.stderr
            assert "Traceback" not in outcome.stderr
    assert project.runs() == []


def test_check_tells_functions_of_recipe_and_profile_that_cannot_be_called(project: Project) -> None:
    project.write_recipe(lambda c: c.update(data={"loader": {"path": "custom.red_wine.draw", "params": {"n": 3}}}))
    project.write_profile(service={"hooks": "math.hypot.no"})
    expect(project.run("check"), 2, "'data.loader.path' must be a function that takes", "service.hooks must be the import path")
    project.write_profile(service={"hooks": "math.fmod"})
    project.write_recipe(lambda c: c["data"].update(synthetic="math.pi"))
    expect(
        project.run("check"), 2, "'data.synthetic' must be a function", "service.hooks must be a function that takes the Flask"
    )
    assert project.runs() == []


def test_a_candidate_that_cannot_be_is_told_before_the_first_of_the_steps_that_a_later_one_needs(project: Project) -> None:
    project.write_recipe(lambda c: c["candidates"]["DecisionTree"]["params"].update(max_dept=6))
    for command in ("train", "evaluate", "register", "promote"):
        expect(project.run(command), 2, "candidates.DecisionTree.params.max_dept")
    assert project.runs() == []


def test_a_candidate_that_has_been_built_before_is_not_built_again_to_be_checked(
    ran: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("built")

    monkeypatch.setattr("recipeline.training.candidates.build_candidate", fail)
    assert "train: reused" in ran.ok("main").stderr


def test_an_environment_variable_that_is_not_set_ends_with_2_and_is_named(ran: Project) -> None:
    ran.write_profile(data="${WINES_ARE_HERE}")
    expect(ran.run("main"), 2, "uses the environment variable WINES_ARE_HERE")
    still_served(ran)


def test_run_ids_that_cannot_be_built_on_end_with_6(ran: Project) -> None:
    [split], [ingest] = ran.runs("split"), ran.runs("ingest")
    ran.run("ingest", data=str(ran.folder))
    failed = next(run for run in ran.runs("ingest") if run.info.status == "FAILED")
    expect(ran.run("train", split_run_id=ingest.info.run_id), 6, "a run of ingest")
    expect(ran.run("split", ingest_run_id=failed.info.run_id), 6, "which is FAILED")
    expect(ran.run("split", ingest_run_id="no-such-run"), 6, "which the store does not have")
    ran.client.delete_run(split.info.run_id)
    expect(ran.run("train", split_run_id=split.info.run_id), 6, "which was deleted", "mlflow runs restore")
    still_served(ran)


def test_an_unfinished_run_cannot_be_built_on(project: Project) -> None:
    outcome = project.ok("ingest")
    project.client.update_run(outcome.run_id, status="RUNNING")
    expect(project.run("split", ingest_run_id=outcome.run_id), 6, "which is RUNNING")


def test_a_broken_upstream_artifact_ends_with_6_and_names_it(project: Project) -> None:
    outcome = project.ok("ingest")
    (Path(project.client.get_run(outcome.run_id).info.artifact_uri.removeprefix("file://")) / "dataset.parquet").unlink()
    expect(project.run("split"), 6, "dataset.parquet", "Run the step that writes it again")


@pytest.mark.parametrize("place", ["file/mlflow.db", "", "garbage.db"])
def test_a_store_that_cannot_be_written_ends_with_6(ran: Project, place: str) -> None:
    (ran.folder / "file").write_text("a file, no folder")
    (ran.folder / "garbage.db").write_text("not a database " * 100)
    ran.write_profile(store={"tracking_uri": f"sqlite:///{ran.folder}/{place}"})
    expect(ran.run("main"), 6, "The MLflow store", "reachable and writable")
    still_served(ran)


def test_a_server_that_is_down_ends_with_6_at_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    expect(project.run("main"), 6, "http://127.0.0.1:9")


def test_a_deleted_experiment_ends_with_6_and_the_command_that_brings_it_back(project: Project) -> None:
    project.ok("ingest")
    project.client.delete_experiment(project.client.get_experiment_by_name("Small").experiment_id)
    expect(project.run("ingest"), 6, "mlflow experiments restore")


def test_a_bug_keeps_its_traceback_and_ends_with_1(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from recipeline.data import column_profile

    def bug(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(column_profile, "describe_columns", bug)
    outcome = project.run("ingest")
    assert outcome.exit_code == 1
    assert "Traceback" in outcome.stderr
    assert "ZeroDivisionError: a bug" in outcome.stderr
    [run] = project.runs("ingest")
    assert (run.info.status, run.data.tags["recipeline.exit_code"]) == ("FAILED", "1")


def test_the_run_of_mlflow_is_adopted_and_failed_with_the_sentence(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = project.client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", project.uri)
    outcome = project.run("train", model="xgboost")
    expect(outcome, 2)
    run = project.client.get_run(run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["recipeline.error"].startswith("model must be all")


def test_the_run_of_mlflow_is_adopted_by_the_step_and_its_experiment_kept(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = project.client.create_run("0").info.run_id
    project.client.log_param(run_id, "model", "lr")
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", project.uri)
    assert project.ok("main", model="lr").run_id == run_id
    assert {run.info.experiment_id for run in project.runs()} == {"0"}
    assert project.client.get_run(run_id).info.run_name == "main · wines.csv · v1 promoted"


def test_a_run_that_another_command_has_finished_is_left_alone(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    before = project.ok("ingest").run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", before)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", project.uri)
    outcome = project.ok("ingest")
    assert outcome.run_id != before
    assert "is a run of another command" in outcome.stderr


def test_an_inherited_run_id_that_does_not_exist_ends_with_6(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "f" * 32)
    expect(project.run("ingest"), 6, "MLFLOW_RUN_ID")


def test_a_store_that_goes_away_in_the_middle_ends_with_6_and_the_next_command_recovers(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database file is replaced by a folder while the step works."""
    from recipeline.data import column_profile

    database, aside = project.folder / "mlflow.db", project.folder / "aside.db"
    real = column_profile.describe_columns

    def lose_the_store(*arguments: Any) -> Any:
        mlflow.tracking._tracking_service.utils._get_store(project.uri).engine.dispose()
        database.rename(aside)
        database.mkdir()
        return real(*arguments)

    monkeypatch.setattr(column_profile, "describe_columns", lose_the_store)
    expect(project.run("ingest"), 6, "The MLflow store")
    database.rmdir()
    aside.rename(database)
    monkeypatch.undo()
    project.ok("split")


def harm_model(project: Project, harm: str) -> None:
    """Remove, cut off or change the files of all logged models."""
    for path in (project.folder / "mlruns").rglob("model.skops"):
        if harm == "removed":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("step", "harm"),
    [
        ("evaluate", "removed"),
        ("register", "cut off"),
        ("promote", "removed"),
        *(
            pytest.param(*one, marks=pytest.mark.full)
            for one in (("evaluate", "cut off"), ("register", "removed"), ("promote", "cut off"))
        ),
    ],
)
def test_a_model_whose_files_are_not_whole_is_neither_judged_nor_registered_nor_promoted(
    project: Project, step: str, harm: str
) -> None:
    project.ok({"evaluate": "train", "register": "evaluate", "promote": "register"}[step])
    harm_model(project, harm)
    expect(project.run(step), 6, "is missing" if harm == "removed" else "has changed or is truncated")
    assert "Production" not in project.versions().values()


def test_a_model_that_answers_otherwise_than_it_was_evaluated_is_not_promoted(project: Project) -> None:
    from recipeline.tracking.artifacts.artifact_cache import file_digest

    project.ok("register")
    evaluate = project.first("evaluate")
    folder = Path(evaluate.info.artifact_uri.removeprefix("file://"))
    golden = pd.read_parquet(folder / "golden.parquet")
    golden.assign(prediction=golden["prediction"] + 0.1).to_parquet(folder / "golden.parquet")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["golden.parquet"] = file_digest(folder / "golden.parquet")
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    project.client.set_tag(evaluate.info.run_id, "recipeline.manifest_digest", file_digest(folder / "manifest.json"))
    expect(project.run("promote"), 6, "does not reproduce the golden rows")
    assert project.versions() == {"1": "Staging"}


def test_credentials_in_an_address_are_kept_nowhere(project: Project, wines: pd.DataFrame) -> None:
    address = Server(csv(wines)).url.replace("http://", "http://joe:s3cret@") + "?sig=TOPSECRET"
    outcome = project.ok("ingest", data=address)
    run = project.client.get_run(outcome.run_id)
    kept = [outcome.stdout, outcome.stderr, str(run.data.tags), str(run.inputs)]
    kept += [path.read_text(encoding="utf-8") for path in (project.folder / "mlruns").rglob("*.json")]
    assert not [text for text in kept if "s3cret" in text or "TOPSECRET" in text]


@pytest.mark.parametrize("slashes", ["/", "//"])
@pytest.mark.parametrize(
    "password", ["Zq7x/Kw9v", *(pytest.param(it, marks=pytest.mark.full) for it in ("Zq7x", "Zq7x?Kw9v", "Zq7x@Kw9v"))]
)
def test_no_command_shows_the_password_of_an_address_that_cannot_be_read(
    trained: Project, tmp_path: Path, password: str, slashes: str
) -> None:
    before = {run.info.run_id for run in trained.runs()}
    address = f"http:{slashes}user:{password}@127.0.0.1:9/a.csv;token=Zq7x?sig=Kw9v"
    (log := tmp_path / "predictions-a.jsonl").touch()
    for command, params in (
        ("ingest", {"data": address}),
        ("main", {"data": address}),
        ("retrain", {"data": address}),
        ("predict", {"input": address}),
        ("monitor", {"data": address}),
        ("monitor", {"data": str(log), "labels": address}),
        ("predict", {"input": str(trained.data), "output": address}),
        ("predict", {"model_uri": address}),
        ("backup", {"output": address}),
        ("restore", {"input": address}),
    ):
        outcome = trained.run(command, **params)
        assert outcome.exit_code in (2, 6), (command, outcome.stderr)
        kept = (
            outcome.stdout
            + outcome.stderr
            + str([run.data.to_dictionary() for run in trained.runs() if run.info.run_id not in before])
        )
        where = [kept[max(kept.find(half) - 200, 0) :][:500] for half in ("Zq7x", "Kw9v") if half in kept]
        assert not where, (command, params)


@pytest.mark.parametrize("scheme", ["http", "s3", "postgresql", "file"])
def test_an_address_whose_host_cannot_be_read_is_one_sentence(trained: Project, scheme: str) -> None:
    address = f"{scheme}://user:Zq7xKw9v@[::1/rows.csv"
    for command, params in (
        ("ingest", {"data": address}),
        ("predict", {"input": address}),
        ("predict", {"input": str(trained.data), "output": address}),
        ("predict", {"input": str(trained.data), "output": f"{address}/"}),
        ("promote", {"to": address}),
    ):
        outcome = trained.run(command, **params)
        assert outcome.exit_code in (2, 3, 6), (command, outcome.stderr)
        assert "Traceback" not in outcome.stderr
        assert scheme == "file" or "Zq7x" not in outcome.stdout + outcome.stderr


def test_an_address_that_redirects_without_end_is_not_blamed_on_the_store(project: Project) -> None:
    expect(project.run("ingest", data="http:///x.csv"), 6, "http:///x.csv must answer with the file")
