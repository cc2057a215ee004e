"""Outcomes and cards of five chains of one project."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.conftest import MakeProject, forget_mlflow
from tests.reports.helpers import NASTY, Chains, card_of


def with_gate(content: dict[str, Any]) -> None:
    """Demand what no candidate can reach."""
    content["gates"]["validation_criteria"].append({"metric": "mae", "threshold": 0.01})


@pytest.fixture(scope="session")
def chains(make_project: MakeProject, wines: pd.DataFrame) -> Chains:
    """The chains: promoted, kept, rejected, on made-up rows, and failed on bad ones."""
    project = make_project(wines)
    project.draws = True
    folder = project.folder
    bad = folder / f"{NASTY.replace('/', '')}.csv"
    wines.assign(**{"pH": 99.0, "alcohol": "<b>strong</b>"}).head(150).to_csv(bad, index=False)
    outcomes, cards, seen = {}, {}, set()
    for name, params in (
        ("promoted", {}),
        ("kept", {"model": "dt"}),
        ("rejected", {}),
        ("synthetic", {"data": "synthetic", "model": "lr"}),
        ("failed", {"data": str(bad)}),
    ):
        project.write_recipe(with_gate if name == "rejected" else lambda _: None)
        outcomes[name] = project.run("main", **params)
        for run in project.runs():
            if run.info.run_id not in seen and "recipeline.step" in run.data.tags:
                cards[name, run.data.tags["recipeline.step"]] = card_of(project, run.info.run_id)
                seen.add(run.info.run_id)
    project.write_recipe()
    outcomes["report"], outcomes["compare"] = project.run("report"), project.run("compare", before="1", after="2")
    for step in ("report", "compare"):
        (run,) = project.runs(step)
        cards[step, step] = card_of(project, run.info.run_id)
    live = wines.drop_duplicates().assign(**{"alcohol": lambda rows: rows["alcohol"] + 2, NASTY: 1.0})
    live.to_csv(folder / "live.csv", index=False)
    outcomes["monitor"] = project.run("monitor", data=str(folder / "live.csv"), window="129")
    (run,) = project.runs("monitor")
    cards["monitor", "monitor"] = card_of(project, run.info.run_id)
    forget_mlflow()
    return Chains(project, outcomes, cards)
