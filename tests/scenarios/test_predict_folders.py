"""Batch prediction into a folder: parts, shards, a manifest that resumes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from recipeline.data.origin.stores import objects
from recipeline.data.origin.stores.objects import StoreFolder
from recipeline.data.reading import csv_files, formats
from recipeline.engine.dask import stop_clusters
from recipeline.hosting import object_store
from tests.batch.test_scoring import contents
from tests.conftest import NAME, ROOT, Project
from tests.data.origin.stores.contract import s3_endpoint
from tests.scenarios.test_bad_input import csv, expect


@pytest.fixture
def source(tmp_path: Path, wines: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of several ranges."""
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(formats, "START_BYTES", 500)
    path = tmp_path / "wines.csv"
    wines.to_csv(path, sep=";", index=False)
    return path


def test_shards_of_a_file_are_the_folder_and_the_file_of_one_go(trained: Project, source: Path, tmp_path: Path) -> None:
    one, many, plain = tmp_path / "one", tmp_path / "many", tmp_path / "plain.csv"
    said = trained.ok("predict", input=str(source), output=f"{one}/").stdout
    assert "parts predicted: 6; done before: 0.\nAll 6 parts are done." in said
    outcome = trained.ok("predict", input=str(source), output=f"{many}/", shard="2/4")
    assert "Shard 2/4: parts predicted: 2; done before: 0." in outcome.stdout
    assert "2 of 6 parts are done. Shards that are not: 1/4, 3/4, 4/4." in outcome.stdout
    run = trained.client.get_run(outcome.run_id)
    assert run.data.tags["recipeline.output"] == str(many)
    assert 0 < run.data.metrics["rows"] < 400
    assert not (many / "_SUCCESS").exists()
    trained.ok("predict", input=str(source), output=str(many))  # all that is left
    assert contents(many) == contents(one)
    trained.ok("predict", input=str(source), output=str(plain))
    names = sorted(name for name in contents(one) if name.endswith(".csv"))
    header = plain.read_bytes().split(b"\n")[0] + b"\n"
    assert header + b"".join((one / name).read_bytes().removeprefix(header) for name in names) == plain.read_bytes()

    again = trained.ok("predict", input=str(source), output=str(one), shard="7/7").stdout
    assert "There are 6 parts: shards from 7 on have none." in again
    expect(
        trained.run("predict", input=str(source), output=str(one), on_bad_rows="reject"),
        2,
        "was begun with on_bad_rows=stop. Got reject instead.",
    )
    version = trained.production().version
    expect(
        trained.run("predict", input=str(source), output=str(one), model_uri=trained.production().source),
        2,
        f"was begun with version {version} of {NAME}. Got the model m-",
        f"Name that model with model_uri=models:/{NAME}/{version}, or name another folder",
    )


def test_a_folder_of_files_has_a_part_for_each_and_a_changed_one_is_done_again(
    trained: Project, tmp_path: Path, wines: pd.DataFrame
) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    (folder / "2").mkdir(parents=True)
    (folder / "1.csv").write_bytes(csv(wines.head(100)))
    wines.iloc[100:200].to_parquet(folder / "2/a.parquet")
    expect(trained.run("predict", input=str(folder), output=f"{folder}/out/"), 2, "must lie outside of the input folder")
    expect(trained.run("predict", input=str(folder), output=f"{folder}/"), 2, "without files of the input")
    bad = csv(wines.head(100)).replace(b"\n", b"\nx", 1)
    (folder / "1.csv").write_bytes(bad)
    expect(trained.run("predict", input=str(folder), output=f"{output}/"), 3, "1.csv must follow the rules")
    (folder / "1.csv").write_bytes(csv(wines.head(100)))
    said = trained.ok("predict", input=str(folder), output=str(output)).stdout
    assert "200 rows predicted in" in said
    assert [it for it in contents(output) if it[0] != "_"] == ["1.predictions.csv", "2/a.predictions.parquet"]
    (folder / "1.csv").write_bytes(csv(wines.head(50)))
    said = trained.ok("predict", input=str(folder), output=str(output)).stdout
    assert "parts predicted: 1, 1 of them again, since their files have changed; done before: 1." in said
    assert len(pd.read_csv(output / "1.predictions.csv", sep=None, engine="python")) == 50


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"shard": "0/4"}, "shard must be a number and how many there are: 1/16 to 16/16. Got '0/4'"),
        ({"shard": "5/4"}, "Got '5/4'"),
        ({"shard": "1/2"}, "shard needs an output that is a folder"),
        ({"output": "ftp://host/scored/"}, "output must be a local file, or a folder here or in an object store"),
        ({"output": "nowhere/scored/"}, "a folder that exists"),
    ],
)
def test_what_cannot_be_ends_with_2(trained: Project, source: Path, params: dict[str, str], words: str) -> None:
    expect(trained.run("predict", **{"input": str(source), "output": "scored.csv"} | params), 2, words)


def test_a_table_without_rows_is_refused(trained: Project, tmp_path: Path, wines: pd.DataFrame) -> None:
    (tmp_path / "in.csv").write_bytes(csv(wines.head(0)))
    expect(trained.run("predict", input=str(tmp_path / "in.csv"), output=f"{tmp_path}/out/"), 3, "has no rows: header only")


@pytest.mark.full
def test_sixteen_shards_of_which_one_is_killed_and_resumed_are_the_bytes_of_one_go(
    trained: Project, tmp_path: Path, wines: pd.DataFrame
) -> None:
    source, one, many = tmp_path / "rows.csv", tmp_path / "one", tmp_path / "many"
    header, rows = csv(wines).split(b"\n", 1)
    source.write_bytes(header + b"\n" + rows * 14_000)  # 320 MB: ranges of five blocks
    words = ["--recipe", str(trained.recipe_path), "--profile", str(trained.profile_path), "--input", str(source)]

    def start(output: Path, *more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "recipeline", "predict", *words, "--output", f"{output}/", *more]
        return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)

    assert start(one).wait() == 0
    process, deadline = start(many, "--shard", "7/16"), time.monotonic() + 120
    while not list(many.glob("*.csv")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = len(list((many / "_manifest/parts").glob("*.json")))
    assert not (many / "_SUCCESS").exists()
    assert start(many, "--shard", "7/16").wait() == 0
    said = trained.ok("predict", input=str(source), output=str(many), shard="7/16").stdout
    assert "parts predicted: 0; done before: " in said
    trained.ok("predict", input=str(source), output=str(many))
    assert (many / "_SUCCESS").exists()
    assert contents(many) == contents(one)
    assert before < len(json.loads((one / "_manifest/folder.json").read_bytes())["parts"])


@pytest.mark.full
@pytest.mark.skipif(object_store.find_program() is None, reason="SeaweedFS is not installed")
def test_objects_are_predicted_into_objects_without_a_copy_of_the_input(
    trained: Project, source: Path, tmp_path: Path, wines: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, place = tmp_path / "one", f"s3://{object_store.BUCKET}"
    trained.ok("predict", input=str(source), output=f"{one}/", on_bad_rows="reject")
    with s3_endpoint(tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        objects._open.cache_clear()
        bad = csv(wines).replace(b"\n", b"\nx", 1)
        StoreFolder(place).upload(source, "in/wines.csv")
        StoreFolder(place).write("day/1.csv", csv(wines))
        StoreFolder(place).write("day/2/a.csv", bad)
        monkeypatch.setattr("recipeline.cli.rows.copy_uri", None)

        for shard in ("2/2", "1/2"):
            words = {"input": f"{place}/in/wines.csv", "output": f"{place}/out/", "on_bad_rows": "reject"}
            said = trained.ok("predict", shard=shard, **words).stdout
        assert "All 6 parts are done." in said
        found = StoreFolder(f"{place}/out")
        expected = contents(one)
        assert {name: found.read(name) for name, _ in found.walk() if "_manifest" not in name} == {
            name: content for name, content in expected.items() if "_manifest" not in name
        }
        assert "parts predicted: 0; done before: 6" in trained.ok("predict", **words).stdout

        words = {"input": f"{place}/day", "output": f"{place}/scored"}
        expect(trained.run("predict", **words), 3, f"{place}/day/2/a.csv must follow the rules of the model's columns")
        StoreFolder(place).write("day/2/a.csv", csv(wines.head(30)))
        assert "parts predicted: 1; done before: 1." in trained.ok("predict", **words).stdout
        assert [name for name, _ in StoreFolder(f"{place}/scored").walk() if name[0] != "_"] == [
            "1.predictions.csv",
            "2/a.predictions.csv",
        ]
        trained.ok("predict", input=f"{place}/day", output=str(tmp_path / "all.csv"))
        assert len(pd.read_csv(tmp_path / "all.csv")) == 430
    objects._open.cache_clear()


@pytest.mark.full
@pytest.mark.xdist_group("dask")
def test_workers_of_a_cluster_write_the_same_folder(trained: Project, tmp_path: Path, wines: pd.DataFrame) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.csv").write_bytes(csv(wines.iloc[100 * number : 100 * (number + 1)]))
    trained.ok("predict", input=str(folder), output=f"{tmp_path}/one/")
    trained.write_profile(engine={"kind": "dask", "n_jobs": 2})
    try:
        outcome = trained.ok("predict", input=str(folder), output=f"{tmp_path}/many/")
        assert "engine: Dask, 2 workers" in outcome.stderr
        (folder / "2.csv").write_bytes(csv(wines).replace(b"\n", b"\nx", 1))
        expect(trained.run("predict", input=str(folder), output=f"{tmp_path}/many/"), 3, "2.csv must follow the rules")
    finally:
        stop_clusters()
    (folder / "2.csv").write_bytes(csv(wines.iloc[200:300]))
    trained.ok("predict", input=str(folder), output=f"{tmp_path}/many/")
    assert [it for it in contents(tmp_path / "many").items() if "parts/2" not in it[0]] == [
        it for it in contents(tmp_path / "one").items() if "parts/2" not in it[0]
    ]
