from __future__ import annotations

import json
from pathlib import Path

from mlflow.utils.file_utils import local_file_uri_to_path

from recipeline.registry.ledger import Ledger
from tests.conftest import NAME
from tests.reports.helpers import Chains


def test_a_candidate_that_is_trained_alone_after_all_were_compared_counts_as_the_choice_that_it_is(chains: Chains) -> None:
    client = chains.project.client
    (kept,) = (it for it in client.search_model_versions(f"name = '{NAME}'") if it.version in (2, "2"))
    run = client.get_run(kept.tags["recipeline.gate_run_id"])
    decision = json.loads((Path(local_file_uri_to_path(run.info.artifact_uri)) / "decision.json").read_text(encoding="utf-8"))
    assert kept.tags["recipeline.candidates_compared"] == "1"
    assert decision["evidence"]["candidates"] == 2  # of the three, one is the champion
    assert [it.kind for it in Ledger(client, NAME).read().entries][:3] == ["look", "attempt", "promote"]
