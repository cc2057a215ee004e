"""Monitoring and retraining as a user types them, on real stores."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from prometheus_client import CollectorRegistry
from pyarrow import fs

from custom.red_wine import draw
from recipeline.monitoring.live.log_format import STAMP
from recipeline.serving.logs.archiver import Archiver
from recipeline.serving.logs.files import RotatingFiles
from recipeline.serving.prometheus import ArchiveMetrics
from tests.conftest import MakeProject, Outcome, Project
from tests.data.server import body, serving
from tests.faults import in_fork
from tests.scenarios.test_bad_input import expect

pytestmark = pytest.mark.xdist_group("monitor")


@pytest.fixture(scope="module")
def _grown(make_project: MakeProject) -> Path:
    project = make_project(draw(1))
    assert in_fork(lambda: project.ok("main", model="lr")) == 0
    return project.folder


@pytest.fixture
def monitored(_grown: Path) -> Iterator[Project]:
    """A project with a model of a whole sample; shared: Production stays."""
    yield Project(_grown, draw(1))
    mlflow.end_run()


def table(folder: Path, rows: pd.DataFrame, name: str = "live.csv") -> str:
    path = folder / name
    rows.to_csv(path, index=False)
    return str(path)


def later(rows: int = 400, **changes: Any) -> pd.DataFrame:
    """Later rows from the same source, with other values in some columns."""
    return draw(2).drop_duplicates().head(rows).assign(**changes)


def stronger() -> pd.DataFrame:
    return later(alcohol=later()["alcohol"] + 2)


def report(project: Project, outcome: Outcome) -> dict[str, Any]:
    path = project.client.download_artifacts(outcome.run_id, "drift.json")
    found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return found


# --- a table -------------------------------------------------------------------------------------------------------------


def test_rows_like_the_training_rows_are_ok(monitored: Project, tmp_path: Path) -> None:
    outcome = monitored.ok("monitor", data=table(tmp_path, later()))
    assert "OK: 400 rows are like the training rows of version 1." in outcome.stdout
    tags = monitored.tags(outcome.run_id)
    assert {key: tags[f"recipeline.{key}"] for key in ("outcome", "exit_code", "verdict", "model_version")} == {
        "outcome": "ok",
        "exit_code": "0",
        "verdict": "ok",
        "model_version": "1",
    }


def test_rows_that_have_drifted_end_with_5_and_the_run_says_why(monitored: Project, tmp_path: Path) -> None:
    outcome = monitored.run("monitor", data=table(tmp_path, stronger()))
    assert outcome.exit_code == 5
    assert "DRIFT: 400 rows differ" in outcome.stdout
    assert "  drift: alcohol: PSI " in outcome.stdout
    run = monitored.client.get_run(outcome.run_id)
    assert (run.info.status, run.data.tags["recipeline.outcome"]) == ("FINISHED", "drift")
    found = report(monitored, outcome)["newest"]
    assert run.data.metrics["psi/alcohol"] == found["features"]["alcohol"]["psi"] > 0.2
    assert run.data.metrics["psi/pH"] == found["features"]["pH"]["psi"] < 0.1
    assert run.data.metrics["prediction_psi"] == found["prediction"]["psi"]
    assert run.data.metrics["severity"] == 2
    assert run.data.metrics["mae"] == found["performance"]["scores"]["mae"]


@pytest.mark.parametrize(("fail_on", "code"), [("never", 0), ("drift", 5), ("warn", 5)])
def test_what_fails_is_for_the_user_to_say(monitored: Project, tmp_path: Path, fail_on: str, code: int) -> None:
    outcome = monitored.run("monitor", data=table(tmp_path, stronger()), fail_on=fail_on)
    assert outcome.exit_code == code
    assert monitored.tags(outcome.run_id)["recipeline.verdict"] == "drift"


def test_a_warning_fails_only_where_that_is_wanted(monitored: Project, tmp_path: Path) -> None:
    data = table(tmp_path, later(colour="red"))
    assert "  warn: colour: a new column" in monitored.ok("monitor", data=data).stdout
    assert monitored.run("monitor", data=data, fail_on="warn").exit_code == 5


def test_a_missing_column_is_drift(monitored: Project, tmp_path: Path) -> None:
    outcome = monitored.run("monitor", data=table(tmp_path, later().drop(columns="pH")))
    assert outcome.exit_code == 5
    assert "  drift: pH: the column is missing" in outcome.stdout


def test_of_fewer_rows_than_the_recipe_asks_for_nothing_is_said(monitored: Project, tmp_path: Path) -> None:
    outcome = monitored.ok("monitor", data=table(tmp_path, stronger().head(60)))
    assert "TOO SMALL: 60 rows are too few for a verdict." in outcome.stdout


def test_windows_are_a_series_and_the_newest_decides(monitored: Project, tmp_path: Path) -> None:
    rows = pd.concat([stronger().head(200), later(200)])
    outcome = monitored.ok("monitor", data=table(tmp_path, rows), window="200")
    history = monitored.client.get_metric_history(outcome.run_id, "severity")
    assert [(point.step, point.value) for point in history] == [(0, 2), (1, 0)]
    found = report(monitored, outcome)
    assert [window["verdict"] for window in found["windows"]] == ["drift", "ok"]
    assert (found["worst"], found["rows"]) == ("drift", 400)


def test_a_window_that_never_fills_is_not_judged_and_says_so(monitored: Project, tmp_path: Path) -> None:
    outcome = monitored.ok("monitor", data=table(tmp_path, stronger()), window="1000", fail_on="warn")
    assert "NOT JUDGED: No window of 1,000 rows is full, there are 400: there is no verdict." in outcome.stdout
    assert "The newest window is incomplete and does not count: 400 rows, drift." in outcome.stdout
    assert monitored.tags(outcome.run_id)["recipeline.verdict"] == "too small"
    assert report(monitored, outcome)["newest"]["rows"] == 0


@pytest.mark.parametrize("on_drift", ["nothing", "retrain"])
def test_a_missing_column_is_drift_also_where_no_window_fills(monitored: Project, tmp_path: Path, on_drift: str) -> None:
    rows = stronger().drop(columns=["pH", "quality"])
    outcome = monitored.run("monitor", data=table(tmp_path, rows), window="1000", on_drift=on_drift)
    assert outcome.exit_code == 5, outcome.stderr
    words = "DRIFT: The columns differ: pH. No window of 1,000 rows is full, there are 400: there is no verdict on rows."
    assert words in outcome.stdout


def test_a_log_without_a_complete_window_of_time_is_not_judged(monitored: Project, tmp_path: Path) -> None:
    now = time.time()
    write_log(tmp_path / "log", stronger(), list(np.linspace(now - 60, now - 1, 400)))
    outcome = monitored.ok("monitor", data=str(tmp_path / "log"), window="365d")
    assert "NOT JUDGED: No complete window has rows: there is no verdict." in outcome.stdout


def test_a_parquet_file_is_read_too(monitored: Project, tmp_path: Path) -> None:
    stronger().to_parquet(tmp_path / "live.parquet")
    assert monitored.run("monitor", data=str(tmp_path / "live.parquet")).exit_code == 5


def test_a_folder_is_read_whole_or_refused(monitored: Project, tmp_path: Path) -> None:
    rows, folder = later(), tmp_path / "live"
    (folder / "b/c").mkdir(parents=True)
    for name, part in (("a.csv", rows.head(100)), ("b/d.csv", rows.iloc[100:200]), ("b/c/e.csv", rows.iloc[200:])):
        table(folder, part, name)
    (folder / "_SUCCESS").touch()
    assert report(monitored, monitored.ok("monitor", data=str(folder)))["rows"] == 400
    (folder / "notes.txt").touch()
    expect(monitored.run("monitor", data=str(folder)), 3, "notes.txt")


def test_the_logs_of_several_machines_are_read_whole_or_refused(monitored: Project, tmp_path: Path) -> None:
    rows, folder = later(), tmp_path / "log"
    write_log(folder, rows.head(100))
    write_log(folder / "one", rows.iloc[100:200])
    write_log(folder / "two/deep", rows.iloc[200:])
    (folder / ".hidden").touch()
    found = report(monitored, monitored.run("monitor", data=str(folder), fail_on="never"))
    assert found["rows"] + found["repeated"] == 400
    for name in ("more.csv", "one/more.jsonl", "two/notes.txt"):
        (folder / name).touch()
        expect(monitored.run("monitor", data=str(folder)), 3, name)
        (folder / name).unlink()


# --- the log -------------------------------------------------------------------------------------------------------------


def write_log(folder: Path, rows: pd.DataFrame, times: Sequence[float] | None = None, version: str = "1") -> None:
    """Write the rows as the service's log has them, an hour apart.

    From the 200th on, unless `times` are given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    features = rows.drop(columns="quality")
    lines = [
        json.dumps(
            {
                "time": times[number] if times else 3600.0 * (number // 200) + number,
                "request_id": f"r{number}",
                "version": version,
                "row": 0,
            }
            | {"prediction": 5.0 + number % 3, "features": values}
        )
        for number, values in enumerate(features.to_dict("records"))
    ]
    (folder / "predictions-20260101T000000Z-1.jsonl").write_text("\n".join(lines), encoding="utf-8")


def test_a_log_is_read_with_late_labels_by_request_id(monitored: Project, tmp_path: Path) -> None:
    rows = later()
    write_log(tmp_path / "log", rows)
    labels = pd.DataFrame({"request_id": [f"r{number}" for number in range(300)], "quality": rows["quality"].head(300)})
    outcome = monitored.run("monitor", data=str(tmp_path / "log"), labels=table(tmp_path, labels, "labels.csv"))
    assert "Labels: 300 of 300 joined to rows of the log." in outcome.stdout
    found = report(monitored, outcome)
    assert found["newest"]["performance"]["rows"] == 300
    expected = (rows["quality"].head(300).to_numpy() - (5.0 + pd.Series(range(300)) % 3)).abs().mean()
    assert found["newest"]["performance"]["scores"]["mae"] == pytest.approx(expected)


def test_a_log_has_windows_of_time(monitored: Project, tmp_path: Path) -> None:
    write_log(tmp_path / "log", later())
    outcome = monitored.run("monitor", data=str(tmp_path / "log"), window="1h", fail_on="never")
    assert [window["rows"] for window in report(monitored, outcome)["windows"]] == [200, 200]


@pytest.mark.parametrize(("window", "judged"), [("1d", "ok"), ("last24h", "drift")])
def test_the_last_complete_window_decides_and_the_open_one_is_a_note(
    monitored: Project, tmp_path: Path, window: str, judged: str
) -> None:
    """Rows of yesterday are like the training rows, those of today are not."""
    now = time.time()
    midnight = now // 86_400 * 86_400
    times = [*np.linspace(midnight - 86_400, midnight - 1, 150), *np.linspace(midnight, now, 250, endpoint=False)]
    write_log(tmp_path / "log", pd.concat([later(150), stronger().head(250)]), times, version="0")
    outcome = monitored.run("monitor", data=str(tmp_path / "log"), window=window)
    found = report(monitored, outcome)
    assert (found["newest"]["verdict"], outcome.exit_code) == (judged, 5 if judged == "drift" else 0)
    note = "The newest window is incomplete and does not count: 250 rows, drift."
    assert (note in outcome.stdout) == (window == "1d")


def test_without_data_the_services_log_is_read(monitored: Project, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    monitored.write_profile(service={"prediction_log": {"folder": str(folder)}})
    expect(monitored.run("monitor"), 6, f"No rows in the service's log {folder}: the service has received no requests.")
    write_log(folder, later())
    assert "400 rows" in monitored.run("monitor", fail_on="never").stdout


def test_the_archive_of_the_services_log_is_read_with_it_and_who_answered_a_request_is_found(
    monitored: Project, tmp_path: Path
) -> None:
    now = time.time()
    folder, store = tmp_path / "log", tmp_path / "store"
    monitored.write_profile(service={"prediction_log": {"folder": str(folder), "archive": str(store)}})
    files = RotatingFiles(folder, max_bytes=20_000)
    rows = later().drop(columns="quality").to_dict("records")
    for number, row in enumerate(rows):
        line = {"time": round(now - 400 + number, 3), "request_id": f"r{number}", "version": "1", "row": 0, "prediction": 5.0}
        files.write(STAMP + json.dumps(line | {"features": row, "drawn": 0.5}, separators=(",", ":")).encode()[1:] + b"\n")
    opened = fs.LocalFileSystem(), str(store)
    Archiver(files, str(store), lambda: opened, ArchiveMetrics(CollectorRegistry()), int).move()
    assert len(list(store.rglob("*.gz"))) > 3
    assert len(list(folder.iterdir())) == 1
    outcome = monitored.run("monitor", fail_on="never")
    found = report(monitored, outcome)
    assert (found["rows"], found["repeated"], found["left_out"], found["drawn"]["rows"]) == (400, 0, 0, 800)
    assert "its rows stand for about 800" in outcome.stdout
    said = monitored.ok("who_served", request="r7").stdout
    assert "version 1 answered 1 row." in said
    assert "No row of the request 'r777'" in monitored.ok("who_served", request="r777").stdout
    shutil.rmtree(store)
    store.touch()
    expect(monitored.run("monitor"), 6, f"The archive of the service's log cannot be read: {store}")


def test_a_request_without_a_log_to_look_it_up_in_is_refused_without_advice_on_other_rows(monitored: Project) -> None:
    outcome = monitored.run("who_served", request="r7")
    expect(outcome, 2, "No log of requests: the profile's service keeps none. Set service.prediction_log in the profile")
    assert "data=" not in outcome.stderr


# --- what is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "code", "sentence"),
    [
        ({}, 2, "No rows to monitor: data is empty, and the profile's service keeps no log."),
        ({"data": "nowhere.csv"}, 3, "must be an existing file or folder, or a URI."),
        ({"data": "LIVE", "window": "1h"}, 2, "window must be a number of rows for a table."),
        ({"data": "LIVE", "window": "soon"}, 2, "window must be a number of rows, or of minutes, hours or days"),
        ({"data": "LIVE", "fail_on": "alway"}, 2, "fail_on must be one of warn, drift, never."),
        ({"data": "LIVE", "on_drift": "retrian"}, 2, "on_drift must be nothing or retrain."),
        ({"data": "LIVE", "labels": "LIVE"}, 2, "labels apply to the rows of a log, and data is a table."),
    ],
)
def test_bad_words_are_one_sentence(
    monitored: Project, tmp_path: Path, params: dict[str, str], code: int, sentence: str
) -> None:
    live = table(tmp_path, later())
    given = {key: live if value == "LIVE" else value for key, value in params.items()}
    expect(monitored.run("monitor", **given), code, sentence)


def test_nothing_in_production_is_said(project: Project, tmp_path: Path) -> None:
    expect(project.run("monitor", data=table(tmp_path, later())), 6, "in Production to monitor.")


# --- retrain -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def own(_grown: Path, tmp_path: Path) -> Iterator[Project]:
    """A copy of the project, to change."""
    folder = tmp_path / "own"
    folder.mkdir()
    project = Project(folder, draw(1))
    shutil.copy(Path(_grown) / "mlflow.db", folder / "mlflow.db")
    yield project
    mlflow.end_run()


def test_new_rows_are_added_to_those_of_production_and_go_through_the_same_gates(own: Project, tmp_path: Path) -> None:
    before = own.production()
    new = table(tmp_path, later(600), "new.csv")
    outcome = own.ok("retrain", data=new, model="lr")
    assert f"Retrained on {len(draw(1))} rows of version 1 and 600 new ones." in outcome.stdout
    version = max(own.versions(), key=int)
    assert version == "2"
    made = own.client.get_model_version("SmallModel", version)
    trained_on = own.client.get_run(made.tags["recipeline.ingest_run_id"])
    path = own.client.download_artifacts(trained_on.info.run_id, "dataset.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(path), pd.concat([draw(1), later(600)], ignore_index=True), check_dtype=False)
    tags = own.tags(outcome.run_id)
    assert tags["recipeline.base_digest"] == before.tags["recipeline.data_digest"]
    assert tags["recipeline.combined_digest"] == tags["recipeline.data_digest"] == made.tags["recipeline.data_digest"]
    assert tags["recipeline.outcome"] == own.tags(tags["recipeline.main_run_id"])["recipeline.outcome"]
    assert "Promotion: " in outcome.stdout

    if tags["recipeline.outcome"] != "promoted":
        own.ok("promote", promote="always")
    again = own.ok("retrain", data=new, model="lr")
    assert f"{len(draw(1)) + 600} rows of version 2: these 600 were added before" in again.stdout
    first = own.ok("retrain", data=str(own.data), model="lr")
    assert f"of version 2: these {len(draw(1))} were added before" in first.stdout
    assert set(own.versions()) == {"1", "2"}


def test_the_rows_that_production_learned_from_are_not_added_again(own: Project) -> None:
    outcome = own.ok("retrain", data=str(own.data), model="lr")
    assert f"Retrained on {len(draw(1))} rows of version 1: these {len(draw(1))} were added before." in outcome.stdout
    assert set(own.versions()) == {"1"}


def test_replace_learns_from_the_new_rows_alone(own: Project, tmp_path: Path) -> None:
    outcome = own.ok("retrain", data=table(tmp_path, later(600)), mode="replace", model="lr")
    chain = own.client.get_run(own.tags(outcome.run_id)["recipeline.main_run_id"])
    path = own.client.download_artifacts(chain.data.tags["recipeline.ingest_run_id"], "dataset.parquet")
    assert len(pd.read_parquet(path)) == 600


def test_bad_rows_are_refused_and_production_stays(own: Project, tmp_path: Path) -> None:
    rows = table(tmp_path, later(200, pH=33.0))
    outcome = own.run("retrain", data=rows, model="lr")
    expect(outcome, 3, "pH")
    assert str(own.production().version) == "1"
    assert own.runs("retrain")[0].info.status == "FAILED"


def test_a_word_that_is_no_mode_is_refused(own: Project) -> None:
    expect(own.run("retrain", data=str(own.data), mode="add"), 2, "mode must be append or replace.")


def test_real_rows_are_not_mixed_with_made_up_ones(project: Project, tmp_path: Path) -> None:
    project.ok("main", data="synthetic", model="lr")
    expect(
        project.run("retrain", data=table(tmp_path, later())),
        2,
        "Real rows cannot be mixed with synthetic ones:",
        "mode=replace",
    )


def test_made_up_rows_are_not_added_to_real_ones(own: Project) -> None:
    outcome = own.run("retrain", data="synthetic")
    expect(outcome, 2, "Real rows cannot be mixed with synthetic ones:", "in Production was trained on real rows.")


def test_made_up_rows_never_pass_for_real_ones_by_way_of_a_file(project: Project) -> None:
    project.ok("main", data="synthetic", model="lr")
    project.ok("retrain", data="synthetic", mode="append", model="lr")
    assert {run.data.tags["recipeline.data_source"] for run in project.runs("main")} == {"synthetic"}


@pytest.mark.parametrize("mode", ["append", pytest.param("replace", marks=pytest.mark.full)])
def test_rows_without_a_label_wait_as_they_do_for_monitor(own: Project, tmp_path: Path, mode: str) -> None:
    rows = later(600, prediction=5.0, model_version="1", request_id="a")
    rows.loc[rows.index[::4], "quality"] = np.nan
    outcome = own.ok("retrain", data=table(tmp_path, rows), model="lr", mode=mode, promote="never")
    assert ", without 150 that have no label yet." in outcome.stdout


@pytest.mark.parametrize(
    "label", ["6.5", "good", *(pytest.param(word, marks=pytest.mark.full) for word in ("-1", "11", "inf", "5,5", "nan"))]
)
def test_a_label_that_the_recipe_forbids_is_refused_by_monitor_and_retrain_alike(
    own: Project, tmp_path: Path, label: str
) -> None:
    rows = later(200).astype(object)
    rows.loc[rows.index[3], "quality"] = label
    live = table(tmp_path, rows)
    for command, params in (("monitor", {}), ("retrain", {}), ("retrain", {"mode": "replace"})):
        expect(own.run(command, data=live, **params), 3, "row 4")
    write_log(tmp_path / "log", later(200))
    labels = table(tmp_path, pd.DataFrame({"request_id": ["r0", "r1"], "quality": ["5", label]}), "labels.csv")
    expect(own.run("monitor", data=str(tmp_path / "log"), labels=labels), 3, "row 2")


def test_a_few_new_rows_may_be_added_to_many(own: Project, tmp_path: Path) -> None:
    few = later(600).query("quality == 6").head(5)
    outcome = own.ok("retrain", data=table(tmp_path, few), model="lr")
    assert f"Retrained on {len(draw(1))} rows of version 1 and 5 new ones." in outcome.stdout


def test_drift_with_labels_is_retrained_on_in_one_command(own: Project, tmp_path: Path) -> None:
    rows = draw(3).drop_duplicates()
    drifted = rows.assign(**{"residual sugar": rows["residual sugar"] + 30, "quality": rows["quality"] - 2})
    own.write_recipe(lambda content: content.update(candidates={"LinearRegression": content["candidates"]["LinearRegression"]}))
    outcome = own.run("monitor", data=table(tmp_path, drifted), on_drift="retrain")
    assert "labels" in str(report(own, outcome)["newest"]["findings"])
    assert f"Retrained on {len(draw(1))} rows of version 1 and {len(drifted)} new ones." in outcome.stdout
    tags = own.tags(outcome.run_id)
    retrained = own.tags(tags["recipeline.retrain_run_id"])
    assert (retrained["recipeline.outcome"], outcome.exit_code) == ("promoted", 0)
    assert own.versions() == {"1": "Archived", "2": "Production"}
    assert outcome.run_id == own.runs("monitor")[0].info.run_id


@pytest.mark.full
def test_rows_of_a_growing_log_are_added_once(own: Project, tmp_path: Path) -> None:
    rows = later(300).drop_duplicates()
    write_log(tmp_path / "log", rows)
    known = pd.DataFrame({"request_id": [f"r{number}" for number in range(len(rows))], "quality": rows["quality"].to_numpy()})
    first = own.ok(
        "retrain", data=str(tmp_path / "log"), labels=table(tmp_path, known.head(100), "l1.csv"), model="lr", promote="always"
    )
    assert f"Retrained on {len(draw(1))} rows of version 1 and 100 new ones." in first.stdout
    again = own.ok("retrain", data=str(tmp_path / "log"), labels=table(tmp_path, known, "l2.csv"), model="lr", promote="always")
    assert (
        f"Retrained on {len(draw(1)) + 100} rows of version 2 and {len(rows) - 100} new ones; 100 others were added before."
        in again.stdout
    )
    third = own.ok("retrain", data=str(tmp_path / "log"), labels=table(tmp_path, known, "l2.csv"), model="lr")
    assert f"rows of version 3: these {len(rows)} were added before." in third.stdout


def test_without_drift_nothing_is_retrained(own: Project, tmp_path: Path) -> None:
    own.ok("monitor", data=table(tmp_path, later()), on_drift="retrain")
    assert set(own.versions()) == {"1"}
    assert not own.runs("retrain")


def test_drift_of_rows_whose_target_nobody_knows_cannot_be_learned_from(own: Project, tmp_path: Path) -> None:
    outcome = own.run("monitor", data=table(tmp_path, stronger().drop(columns="quality")), on_drift="retrain")
    assert (outcome.exit_code, own.tags(outcome.run_id)["recipeline.outcome"]) == (5, "drift")
    assert "Not retrained: No labelled rows to retrain on." in outcome.stdout
    assert report(own, outcome)["newest"]["verdict"] == "drift"
    assert own.runs("monitor")[0].info.status == "FINISHED"
    assert not own.runs("retrain")


# --- what monitor and retrain take ---------------------------------------------------------------------------------------


def as_csv(rows: pd.DataFrame, **options: Any) -> bytes:
    return rows.to_csv(index=False, **options).encode()


def as_parquet(rows: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.to_parquet(buffer, index=False)
    return buffer.getvalue()


def in_folder(files: dict[str, Callable[[pd.DataFrame], bytes]]) -> Callable[[pd.DataFrame, Path], Path]:
    """Return a writer of a folder of files, to which rows are dealt in turn.

    Those that begin with _ or . get none.
    """

    def write(rows: pd.DataFrame, folder: Path) -> Path:
        tables = [name for name in files if not {part[0] for part in Path(name).parts} & set("._")]
        for name, form in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            part = rows.iloc[tables.index(name) :: len(tables)] if name in tables else rows
            (folder / name).write_bytes(form(part))
        return folder

    return write


def in_file(name: str, form: Callable[[pd.DataFrame], bytes]) -> Callable[[pd.DataFrame, Path], Path]:
    """Return what writes one file."""
    return lambda rows, folder: in_folder({name: form})(rows, folder) / name


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


def is_known(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with columns of the service, one more without a label."""
    more = pd.concat([rows, rows.head(1).assign(quality=np.nan)])
    return more.assign(request_id="a", row=0, prediction=5.5, model_version="1")


TAKEN: dict[str, Callable[[pd.DataFrame, Path], Path]] = {
    "csv": in_file("a.csv", as_csv),
    "semicolons, spaces": in_file("a.txt", lambda rows: as_csv(rows, sep=";").replace(b";", b" ; ")),
    "tabs, byte order mark": in_file("a.tsv", lambda rows: b"\xef\xbb\xbf" + as_csv(rows, sep="\t")),
    "another order": in_file("a.csv", lambda rows: as_csv(rows[rows.columns[::-1]])),
    "parquet": in_file("a.parquet", as_parquet),
    "gzip": in_file("a.csv.gz", lambda rows: gzip.compress(as_csv(rows))),
    "bzip2": in_file("a.csv.bz2", lambda rows: bz2.compress(as_csv(rows))),
    "xz": in_file("a.csv.xz", lambda rows: lzma.compress(as_csv(rows))),
    "zstd": in_file("a.csv.zst", lambda rows: zstd(as_csv(rows))),
    "columns of the service": in_file("a.csv", lambda rows: as_csv(is_known(rows))),
    "no suffix": in_file("rows", as_csv),
    "folder of one": in_folder({"a.csv": as_csv}),
    "folder": in_folder({"a.csv": as_csv, "b.csv": as_csv, "c.csv": as_csv}),
    "folders in folders": in_folder(
        {
            "a.csv": lambda rows: as_csv(rows, sep=";"),
            "x/b.parquet": as_parquet,
            "x/y/c.csv.gz": lambda rows: gzip.compress(as_csv(rows[rows.columns[::-1]])),
            "_SUCCESS": lambda _: b"",
            ".x/a.csv": as_csv,
        }
    ),
}

LABELS = pd.DataFrame({"request_id": [f"r{number}" for number in range(300)], "quality": 5})


def log_lines(rows: pd.DataFrame) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_log(Path(folder), rows)
        return next(Path(folder).iterdir()).read_bytes()


#: How it is written; whether monitor refuses it too, and what retrain says.
NOT_TAKEN: dict[str, tuple[Callable[[pd.DataFrame, Path], Path], bool, str]] = {
    "log": (in_file("a.jsonl", log_lines), False, "Name its labels too: data=LOG labels=TABLE"),
    "compressed log": (in_file("a.jsonl.gz", lambda rows: gzip.compress(log_lines(rows))), False, "Got the log '"),
    "folder of a log": (in_folder({"predictions-1.jsonl": log_lines}), False, "Got the log '"),
    "labels": (in_file("labels.csv", lambda _: as_csv(LABELS)), True, "Got labels by request, without their rows"),
    "labels, parquet": (
        in_file("labels.parquet", lambda _: as_parquet(LABELS)),
        True,
        "Got labels by request, without their rows",
    ),
    "ragged": (in_file("a.csv", lambda rows: as_csv(rows) + b"1,2\n"), False, "row 301, must have 12 fields. Got 2 instead."),
    "no label": (in_file("a.csv", lambda rows: as_csv(rows.assign(quality=""))), False, "has a value of the target"),
    "no target": (in_file("a.csv", lambda rows: as_csv(rows.drop(columns="quality"))), False, "quality: the column is missing"),
    "no such file": (lambda _, folder: folder / "none.csv", True, "none.csv"),
    "empty folder": (in_folder({"_x": as_csv}), True, "No CSV or Parquet files in the folder"),
    "a file of another kind": (in_folder({"a.csv": as_csv, "a.json": as_csv}), True, "Got 'a.json' instead"),
    "a partition": (in_folder({"year=2024/a.csv": as_csv}), True, "with a column in its name"),
    "cut off": (
        in_file("a.csv.gz", lambda rows: gzip.compress(as_csv(rows))[:-20]),
        True,
        "must be a whole CSV or Parquet file",
    ),
}


@dataclass
class Chain:
    """Stands for the chain of `retrain`: keeps the address of its rows."""

    data: str = ""
    id: str = "0" * 32
    outcome: str = "kept"
    exit_code: int = 0
    values: None = None

    def __call__(self, _: object, params: dict[str, dict[str, str]], **__: object) -> tuple[Chain, str]:
        self.data = params["ingest"]["data"]
        return self, "summary"

    def own_tag(self, _: str) -> str:
        return ""


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> Chain:
    chain = Chain()
    monkeypatch.setattr("recipeline.commands.retrain.run_pipeline", chain)
    return chain


def rows_at(project: Project, uri: str) -> pd.DataFrame:
    run_id, name = uri.removeprefix("runs:/").split("/")
    return pd.read_parquet(project.client.download_artifacts(run_id, name))


@pytest.mark.parametrize(
    "form", [form if number % 3 == 0 else pytest.param(form, marks=pytest.mark.full) for number, form in enumerate(TAKEN)]
)
def test_what_monitor_takes_retrain_takes_and_all_of_it(own: Project, chain: Chain, tmp_path: Path, form: str) -> None:
    rows, old = later(300), len(draw(1))
    path = TAKEN[form](rows, tmp_path / "live")
    has_unknown = "service" in form
    for data in (str(path), path.as_uri()) if form in ("csv", "folder") else (str(path),):
        monitored = own.run("monitor", data=data, fail_on="never")
        assert f"{300 + has_unknown} rows" in monitored.stdout, monitored.stderr
        assert "Labelled: " in monitored.stdout

        retrained = own.ok("retrain", data=data)
        words = f"Retrained on {old} rows of version 1 and 300 new ones"
        assert f"{words}{', without 1 that have no label yet' if has_unknown else ''}." in retrained.stdout
        both = rows_at(own, chain.data)
        assert len(both) == old + 300
        order = list(both.columns)
        found, expected = both.iloc[old:].sort_values(order), rows[order].sort_values(order)
        np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())

        own.ok("retrain", data=data, mode="replace")
        if chain.data == data:
            assert not has_unknown
            assert "columns of" not in form
        else:
            np.testing.assert_array_equal(rows_at(own, chain.data).sort_values(order).to_numpy(), expected.to_numpy())


#: The same again, in another form of the file.
AGAIN = ("compressed log", "folder of a log", "labels, parquet")


@pytest.mark.parametrize("form", [pytest.param(form, marks=pytest.mark.full) if form in AGAIN else form for form in NOT_TAKEN])
def test_what_retrain_does_not_take_is_refused_by_name_with_what_to_do(
    own: Project, chain: Chain, tmp_path: Path, form: str
) -> None:
    write, monitor_too, words = NOT_TAKEN[form]
    data = str(write(later(300), tmp_path / "live"))
    monitored = own.run("monitor", data=data, fail_on="never")
    assert monitored.exit_code == (3 if monitor_too else 0), monitored.stderr
    for mode in ("append", "replace"):
        expect(own.run("retrain", data=data, mode=mode), 3, words)
    assert chain.data == ""


def test_a_file_is_added_once_wherever_it_lies_and_however_it_is_compressed(own: Project, chain: Chain, tmp_path: Path) -> None:
    rows, old = later(500), len(draw(1))
    folder = tmp_path / "new"
    in_folder({"a.csv": as_csv, "b.csv": as_csv, "c.csv": as_csv})(rows.head(300), folder)
    (folder / "again.csv").write_bytes((folder / "a.csv").read_bytes())
    own.ok("retrain", data=str(folder))
    assert len(rows_at(own, chain.data)) == old + 300
    # As if it had been promoted.
    digest = own.tags(own.runs("retrain")[0].info.run_id)["recipeline.combined_digest"]
    own.client.set_model_version_tag("SmallModel", "1", "recipeline.data_digest", digest)
    (folder / "d.csv").write_bytes(as_csv(rows.tail(200)))
    (folder / "a.csv").unlink()
    (folder / "b.csv.gz").write_bytes(gzip.compress((folder / "b.csv").read_bytes()))
    (folder / "b.csv").unlink()
    outcome = own.ok("retrain", data=str(folder))
    assert "and 200 new ones; 300 others were added before." in outcome.stdout
    assert len(rows_at(own, chain.data)) == old + 200


def test_what_production_was_trained_on_alone_is_not_added_again(own: Project, chain: Chain, tmp_path: Path) -> None:
    asked = later(300).assign(request_id=[f"r{number}" for number in range(300)], row=0)
    new = table(tmp_path, asked.head(200), "log.csv")
    own.ok("retrain", data=new, mode="replace")
    digest = own.tags(own.runs("retrain")[0].info.run_id)["recipeline.combined_digest"]
    own.client.set_model_version_tag("SmallModel", "1", "recipeline.data_digest", digest)
    assert "these 200 were added before" in own.ok("retrain", data=new).stdout
    table(tmp_path, asked, "log.csv")
    assert "and 100 new ones; 200 others were added before." in own.ok("retrain", data=new).stdout
    assert len(rows_at(own, chain.data)) == len(draw(1)) + 100


@pytest.mark.usefixtures("chain")
def test_many_files_are_known_again_all_of_them(own: Project, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    in_folder({f"{number}.csv": as_csv for number in range(100)})(later(300), folder)
    own.ok("retrain", data=str(folder))
    run = own.runs("retrain")[0]
    own.client.set_model_version_tag("SmallModel", "1", "recipeline.data_digest", run.data.tags["recipeline.combined_digest"])
    assert "these 300 were added before" in own.ok("retrain", data=str(folder)).stdout


@pytest.mark.full
def test_a_folder_of_new_rows_goes_through_the_whole_chain(own: Project, tmp_path: Path) -> None:
    data = str(TAKEN["folders in folders"](later(600), tmp_path / "live"))
    for mode, words in (("append", " and 600 new ones."), ("replace", "Retrained on these rows alone.")):
        assert words in own.ok("retrain", data=data, model="lr", mode=mode, promote="never").stdout


def test_rows_at_a_uri_are_fetched_once_and_named_by_it(own: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(body(as_csv(later(600)))) as (url, asked):
        outcome = own.ok("retrain", data=f"{url}?token=secret", model="lr", mode="replace", promote="never")
        assert len(asked) == 1
    assert f"Data: {url} [file" in outcome.stdout
    assert "secret" not in outcome.stdout


@pytest.mark.parametrize(
    "form",
    ["csv", "folders in folders", *(pytest.param(form, marks=pytest.mark.full) for form in ("parquet", "xz", "no suffix"))],
)
def test_labels_by_request_lie_in_files_of_the_same_forms(monitored: Project, tmp_path: Path, form: str) -> None:
    rows = later()
    write_log(tmp_path / "log", rows)
    labels = TAKEN[form](LABELS, tmp_path / "labels")
    outcome = monitored.run("monitor", data=str(tmp_path / "log"), labels=str(labels), fail_on="never")
    assert "Labels: 300 of 300 joined to rows of the log." in outcome.stdout, outcome.stderr
