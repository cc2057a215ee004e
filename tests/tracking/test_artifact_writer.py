from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipeline.artifacts import CARD, plot
from recipeline.errors import UnavailableError
from recipeline.tracking.artifact_writer import LATE_VIEWS, Writer
from recipeline.tracking.artifacts.artifact_cache import file_digest
from recipeline.tracking.artifacts.artifact_folders import ArtifactFolders
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.store import Store
from recipeline.tracking.runs import open_run
from tests.tracking.helpers import WHO, finish, new_run


def test_a_plot_lies_in_a_folder_of_its_own(store: Store) -> None:
    run_id = new_run(store)
    writer = Writer(store.client, run_id)
    writer.save(plot("residuals"), b"\x89PNG, and what follows")
    writer.close()
    assert [file.path for file in store.client.list_artifacts(run_id, "plots")] == ["plots/residuals.png"]


def test_cards_have_a_digest_in_the_manifest_and_are_not_among_what_a_run_needs(store: Store, tmp_path: Path) -> None:
    with open_run(store.client, "ingest", store.experiment("toy"), WHO) as run:
        run.save(CARD, "<html>")
        run.add_model("m-1", {})
    (path,) = (tmp_path / "mlruns").rglob("manifest.json")
    (card,) = (tmp_path / "mlruns").rglob("card.html")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    assert (manifest["files"], manifest["views"]) == ({}, {"card.html": file_digest(card)})
    with Reader(store.client).view(CARD.name, run.id) as found:
        assert CARD.read(found) == "<html>"


@pytest.mark.parametrize("has_results", [True, False])
def test_a_card_that_is_saved_after_the_close_is_found_by_name_and_changes_no_result(
    store: Store, tmp_path: Path, has_results: bool
) -> None:
    with open_run(store.client, "ingest", store.experiment("toy"), WHO) as run:
        if has_results:
            run.add_model("m-1", {})
    manifests = [path.read_bytes() for path in (tmp_path / "mlruns").rglob("manifest.json")]
    run.save(CARD, "<html>")
    run.save(plot("residuals"), b"png")
    run.close_card()
    assert [path.read_bytes() for path in (tmp_path / "mlruns").rglob("manifest.json")] == manifests
    reader = Reader(store.client)
    assert reader.names(run.id) == ([], ["card.html", "plots/residuals.png"])
    with reader.view(CARD.name, run.id) as found:
        assert CARD.read(found) == "<html>"


@pytest.mark.parametrize("content", ["", "[]", '{"../card.html": "d"}', '{"card.html"', "7"])
def test_a_list_of_late_cards_that_is_none_is_none(store: Store, tmp_path: Path, content: str) -> None:
    with open_run(store.client, "ingest", store.experiment("toy"), WHO) as run:
        run.add_model("m-1", {})
    run.save(CARD, "<html>")
    run.close_card()
    (path,) = (tmp_path / "mlruns").rglob(LATE_VIEWS)
    path.write_text(content, encoding="utf-8")
    reader = Reader(store.client)
    assert reader.names(run.id) == ([], [])
    with reader.view(CARD.name, run.id) as found:
        assert CARD.read(found) == "<html>"


def test_late_cards_of_a_store_that_does_not_answer_are_not_taken_for_none(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_run(store.client, "ingest", store.experiment("toy"), WHO) as run:
        run.add_model("m-1", {})
    run.save(CARD, "<html>")
    run.close_card()
    reader, file = Reader(store.client), ArtifactFolders.file

    def go_away(folders: ArtifactFolders, uri: str, name: str, digest: str) -> Any:
        if name == LATE_VIEWS:
            raise ConnectionResetError("reset by peer")
        return file(folders, uri, name, digest)

    monkeypatch.setattr(ArtifactFolders, "file", go_away)
    with pytest.raises(UnavailableError):
        reader.names(run.id)


def test_a_run_without_results_writes_no_manifest(store: Store) -> None:
    assert store.client.list_artifacts(finish(store)) == []
