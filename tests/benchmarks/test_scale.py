"""Parts of the scale bench that need no run: rows, commands, slopes and words."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks.scale import STEPS, Done, choose, command_of, jitter, judge, run, slope, tabulate, write_profile, write_rows
from recipeline.config.profile import Profile
from recipeline.config.recipe import Recipe
from recipeline.data.checking.schema import validate_table


def done(seconds: float, memory: float = 300) -> Done:
    return Done(seconds, seconds / 2, memory, 2 * memory)


RESULTS = {
    1000: {"ingest": done(3), "split": done(3)},
    10_000: {"ingest": done(10), "split": done(10)},
    100_000: {"ingest": done(100), "split": done(200, 3000)},
}


def test_the_slope_is_that_between_the_two_largest_sizes() -> None:
    assert slope(RESULTS, "ingest") == pytest.approx(1)
    assert slope(RESULTS, "split", "cpu") == pytest.approx(1.301, abs=1e-3)
    assert np.isnan(slope({10: RESULTS[1000]}, "ingest"))


def test_each_step_is_judged_by_its_largest_peak_and_its_slope() -> None:
    ingest, split = judge(RESULTS)
    assert ingest == "ingest: peak 300 MiB, target below 2,048: met; slope 1.00, target at most 1.05: met"
    assert split == "split: peak 3,000 MiB, target below 2,048: NOT MET; slope 1.30, target at most 1.05: NOT MET"
    lines = tabulate(RESULTS).splitlines()
    assert max(map(len, lines)) <= 80
    assert "100.0 │  1.00 │  50.0 │    1.00 │   300 │    600" in "\n".join(lines)
    assert "slope" not in judge({10: RESULTS[1000]})[0]


def test_the_rows_are_valid_distinct_and_as_many_as_asked_for(
    wines: pd.DataFrame, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.scale._CHUNK", 300)
    write_rows(wines, recipe, tmp_path / "rows.parquet", 1000)
    found = pd.read_parquet(tmp_path / "rows.parquet")
    assert len(validate_table(found, recipe, origin="it").drop_duplicates()) > 990
    assert set(found["quality"]) <= set(wines["quality"])
    assert found.index.equals(pd.RangeIndex(1000))


def test_no_number_leaves_its_limits(wines: pd.DataFrame, recipe: Recipe) -> None:
    moved = jitter(wines.assign(pH=14.0), recipe, np.random.default_rng(0))
    assert moved["pH"].max() <= (recipe.columns["pH"].max or np.inf)
    assert moved["alcohol"].sub(wines["alcohol"]).abs().between(0, wines["alcohol"].std()).all()


def test_the_profile_is_one_that_the_library_reads(tmp_path: Path) -> None:
    profile = Profile.model_validate(yaml.safe_load(write_profile(tmp_path, 0).read_text(encoding="utf-8")))
    assert profile.data == str(tmp_path / "rows.parquet")
    assert profile.store.tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"


def test_steps_are_modules_of_the_project_and_the_rest_are_commands(tmp_path: Path) -> None:
    commands = {step: command_of(step, tmp_path / "p.yaml", "hgb") for step in STEPS}
    assert commands["train"][2:] == ["steps.train", "--profile", str(tmp_path / "p.yaml"), "--model", "hgb"]
    assert commands["predict"][2:4] == ["recipeline", "predict"]
    assert commands["monitor"][-2:] == ["--data", str(tmp_path / "rows.parquet")]


def test_steps_are_chosen_in_their_order_and_an_unknown_one_is_refused() -> None:
    assert choose("split,ingest", STEPS) == ["ingest", "split"]
    assert choose("", STEPS) == [*STEPS]
    with pytest.raises(SystemExit, match="Got fit instead"):
        choose("fit", STEPS)


def test_a_command_is_measured_with_its_processes_and_one_that_fails_ends_the_bench(tmp_path: Path) -> None:
    hold = "b = bytearray(200 << 20); b[::4096] = b'1' * len(b[::4096]); import time; time.sleep(.3)"
    found = run(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"], tmp_path / "a.log"
    )
    assert found.memory > 200
    assert found.seconds > 0.3
    with pytest.raises(SystemExit, match="failed: it is broken"):
        run([sys.executable, "-c", "import sys; sys.exit('it is broken')"], tmp_path / "b.log")
