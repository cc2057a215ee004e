from __future__ import annotations

from pathlib import Path

from recipeline.orchestration.chain import Chain, run_chain
from recipeline.orchestration.provenance import differing_components, explain_version
from recipeline.registry.ledger import PROMOTE
from recipeline.tracking.connection.store import Store
from tests.conftest import as_recipe, small_recipe
from tests.sessions import NAMES, open_toys


def chained(store: Store, root: Path, folds: int) -> Chain:
    chain = Chain()
    run_chain(open_toys(store, root, recipe=as_recipe(small_recipe() | {"cv": {"folds": folds}})), NAMES, {}, chain)
    return chain


def test_two_lineages_differ_in_the_settings_of_each_step_and_not_in_what_follows_from_them(
    store: Store, tmp_path: Path
) -> None:
    before, now = (chained(store, tmp_path, folds).lineage for folds in (3, 4))
    session = open_toys(store, tmp_path)
    assert differing_components(session, before, now) == [f"{name}: cv.folds 3 → 4" for name in NAMES]
    assert differing_components(session, before, before) == []


def test_what_is_gone_is_said_to_be(store: Store, tmp_path: Path) -> None:
    before, now = (chained(store, tmp_path, folds).lineage for folds in (3, 4))
    lost = {**before, "split": "0" * 32}
    assert differing_components(open_toys(store, tmp_path), lost, now)[1] == "split: unknown: its upstream run was deleted"


def test_all_that_is_known_of_a_version_is_told_as_plain_values_also_of_what_is_gone(store: Store, tmp_path: Path) -> None:
    session = open_toys(store, tmp_path)
    for folds in (3, 4):
        chain = chained(store, tmp_path, folds)
        assert chain.last
        tags = {f"{name}_run_id": run_id for name, run_id in chain.lineage.items()}
        session.registry.register(
            source=(tmp_path / "model").as_uri(),
            run_id=chain.last.id,
            model_id=None,
            identity=str(folds),
            tags=tags,
            description="",
        )
        expected = "" if folds == 3 else "1"
        changed_by = session.changed_by(chain.last)
        session.registry.change(str(folds - 2), expected=expected, kind=PROMOTE, reason="better", changed_by=changed_by)
    store.client.delete_run(chain.lineage["ingest"])
    found = explain_version(session, session.registry.version("2"))
    assert (found.version, found.stage, found.before) == ("2", "Production", "1")
    assert {step: run.state for step, run in found.runs.items()} == {
        "ingest": "deleted",
        "split": "active",
        "train": "active",
    }
    assert found.differences == [f"{name}: cv.folds 3 → 4" for name in NAMES]
    (term,) = found.terms
    assert term.version == "2"
    assert found.decision is None
    first = explain_version(session, session.registry.version("1"))
    assert (first.before, first.differences) == (None, [])
