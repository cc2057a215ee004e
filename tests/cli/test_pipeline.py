from __future__ import annotations

import pytest

from recipeline.artifacts import ORDER
from recipeline.cli.pipeline import name_params
from tests.conftest import Project
from tests.reports.helpers import card_of


@pytest.mark.xdist_group("cards")
def test_a_last_run_that_is_gone_in_parts_is_no_reason_to_fail(project: Project) -> None:
    project.ok("main", model="lr")
    (card_of(project, project.first("evaluate").info.run_id).parent / "verdict.json").unlink()
    outcome = project.ok("main", model="lr", cache="off")
    main = max(project.runs("main"), key=lambda run: run.info.start_time)
    assert "Since the last run" not in card_of(project, main.info.run_id).read_text(encoding="utf-8")
    assert "warning" not in outcome.stderr.lower()


def test_a_parameter_of_the_chain_belongs_to_its_step() -> None:
    assert name_params(data="a.csv", split="random", model="lr", promote="never") == {
        "ingest": {"data": "a.csv"},
        "split": {"method": "random"},
        "train": {"model": "lr"},
        "promote": {"promote": "never"},
    }
    assert set(name_params(data="")) <= set(ORDER)
