"""The chain with models fitted to fewer rows: `engine.max_train_rows`."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pandas as pd
import pytest

from recipeline.artifacts import read_json
from recipeline.training.scaling import Kind
from tests.conftest import Project

LIMIT = 200


def path_of(project: Project, run_id: str, name: str) -> Path:
    return Path(urlparse(project.client.get_run(run_id).info.artifact_uri).path) / name


def read(project: Project, run_id: str, name: str) -> Any:
    return read_json(path_of(project, run_id, name))


@pytest.fixture
def limited(project: Project) -> Project:
    """A project whose models are fitted to a part of the rows."""
    project.write_profile(engine={"n_jobs": 1, "max_train_rows": LIMIT})
    return project


def test_models_are_fitted_to_a_part_of_the_rows_and_everything_says_so(limited: Project) -> None:
    outcome = limited.ok("main")
    split, train, evaluate, register, promote = (
        limited.first(step) for step in ("split", "train", "evaluate", "register", "promote")
    )
    rows, test_rows = (int(split.data.metrics[name]) for name in ("train_rows", "test_rows"))
    fitted = len(pd.read_parquet(path_of(limited, train.info.run_id, "fitted_rows.parquet")))
    told = f"{fitted} of {rows} training rows"
    assert LIMIT - 5 < fitted <= LIMIT < rows
    assert (
        train.data.tags.items()
        >= {
            "recipeline.max_train_rows": str(LIMIT),
            "recipeline.fitted_rows": str(fitted),
            "recipeline.available_rows": str(rows),
        }.items()
    )
    assert train.data.params["max_train_rows"] == str(LIMIT)
    assert train.data.metrics["fitted_rows"] == fitted
    assert f"fitted on {told}" in outcome.stderr
    assert read(limited, train.info.run_id, "fingerprint.json")["components"]["engine.max_train_rows"] == str(LIMIT)
    assert len(pd.read_parquet(path_of(limited, train.info.run_id, "out_of_fold.parquet"))) == fitted
    assert f"Fitted on {told}" in path_of(limited, train.info.run_id, "card.html").read_text()

    # It is tested on all test rows.
    assert read(limited, evaluate.info.run_id, "metrics.json")["test_rows"] == test_rows
    expected = {"rows": fitted, "available": rows, "limit": LIMIT}
    assert read(limited, evaluate.info.run_id, "model_info.json")["fitted"] == expected
    assert f"Fitted on {told}" in path_of(limited, register.info.run_id, "model_card.md").read_text()
    assert read(limited, register.info.run_id, "version.json")["tags"].items() >= {"fitted_rows": fitted}.items()
    assert read(limited, promote.info.run_id, "decision.json")["evidence"]["limited"] == expected
    assert "engine.max_train_rows" in path_of(limited, promote.info.run_id, "card.html").read_text()


@pytest.mark.full
def test_another_limit_fits_again_and_the_gate_fits_both_recipes_to_as_many_rows(limited: Project) -> None:
    limited.ok("main", model="lr")
    limited.write_profile(engine={"n_jobs": 1, "max_train_rows": 250})
    outcome = limited.ok("main", model="dt")
    assert "engine.max_train_rows 200 → 250" in outcome.stderr
    evidence = read(limited, limited.runs("promote")[0].info.run_id, "decision.json")["evidence"]
    assert evidence["limited"] == {"rows": evidence["rows"], "available": 400, "limit": 250}
    assert 240 < evidence["rows"] <= 250
    # Both took all rows before there was a limit: a fingerprint without it is as it was.
    limited.write_profile()
    limited.ok("main", model="dt")
    train = limited.runs("train")[0]
    assert "engine.max_train_rows" not in read(limited, train.info.run_id, "fingerprint.json")["components"]
    assert "recipeline.max_train_rows" not in train.data.tags
    assert not path_of(limited, train.info.run_id, "fitted_rows.parquet").exists()


def use_svr(content: dict[str, Any]) -> None:
    """Add a candidate that does not scale, and a mean with it."""
    content["candidates"] |= {
        "SVR": {"alias": "svr", "estimator": "sklearn.svm.SVR"},
        "Mean": {"alias": "mean", "members": ["LinearRegression", "SVR"]},
    }


def test_a_candidate_that_does_not_scale_is_refused_before_a_fit_and_by_check(
    project: Project, wines: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recipeline.training.scaling.KINDS", (Kind(("SVR",), 150, "it is a test"),))
    project.write_recipe(use_svr)
    words = "would be fitted to 256 rows: SVR takes 150 at most, because it is a test. Set engine.max_train_rows"
    project.ok("check")  # how many rows a CSV has it does not know
    wines.to_parquet(project.folder / "wines.parquet")
    project.write_profile(data=str(project.folder / "wines.parquet"))
    found = project.run("check")
    assert found.exit_code == 2
    assert words in found.stderr
    project.write_recipe(lambda content: (use_svr(content), content.update(missing_target="drop")))
    project.ok("check")  # nor how many rows have a target
    project.write_recipe(use_svr)
    failed = project.run("main", model="mean")
    assert failed.exit_code == 2
    assert "'candidates.SVR' would be fitted to" in failed.stderr
    (train,) = project.runs("train")
    assert train.info.status == "FAILED"
    assert len(project.runs("split")) == 1
    project.write_profile(data=str(project.folder / "wines.parquet"), engine={"n_jobs": 1, "max_train_rows": 150})
    project.ok("check")
    project.ok("train", model="mean")
