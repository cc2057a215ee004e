from __future__ import annotations

import shutil
from pathlib import Path
from typing import ClassVar

import pytest
import requests
from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from recipeline.errors import UnavailableError
from recipeline.tracking.artifacts import artifact_folders
from recipeline.tracking.artifacts.artifact_cache import ArtifactCache, file_digest
from recipeline.tracking.artifacts.artifact_folders import (
    CHANGED,
    MISSING,
    ArtifactFolders,
    place_of,
    require_answer,
    state_of,
    way_to,
)


def test_a_local_artifact_is_read_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    folders = ArtifactFolders("", ArtifactCache(tmp_path / "cache"))
    for uri in (str(tmp_path), tmp_path.as_uri()):
        with folders.file(uri, "a.txt", file_digest(tmp_path / "a.txt")) as path:
            assert path == tmp_path / "a.txt"
    assert not (tmp_path / "cache").exists()


def test_a_file_that_is_not_there_is_not_copied(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), ArtifactFolders("").file(str(tmp_path), "a.txt"):
        pass


def test_the_way_between_two_folders_is_relative_and_quoted_and_none_leads_to_a_server(tmp_path: Path) -> None:
    here, there = tmp_path / "1" / "artifacts", (tmp_path / "2" / "arti facts").as_uri()
    assert way_to(str(here), there, "card.html") == "../../2/arti%20facts/card.html"
    assert way_to(str(here), "s3://bucket/2", "card.html") == way_to("s3://bucket/1", there, "card.html") == ""


def test_the_place_of_a_file_is_a_path_here_and_a_uri_elsewhere(tmp_path: Path) -> None:
    assert place_of(tmp_path.as_uri(), "card.html") == str(tmp_path / "card.html")
    assert place_of("s3://bucket/2", "card.html") == "s3://bucket/2/card.html"


def refused(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError("https://me:secret@host.example/2/a.txt", response=response)


@pytest.mark.parametrize(
    "error", [FileNotFoundError(), NotADirectoryError(), MlflowException("gone", RESOURCE_DOES_NOT_EXIST), refused(404)]
)
def test_an_answer_that_there_is_nothing_is_an_answer(error: Exception) -> None:
    require_answer(error, "sqlite:///mlflow.db")


@pytest.mark.parametrize("error", [PermissionError("denied"), MlflowException("broken"), refused(403)])
def test_any_other_error_is_no_answer_and_shows_no_secret(error: Exception) -> None:
    with pytest.raises(UnavailableError, match="must be reachable and writable") as caught:
        require_answer(error, "sqlite:///mlflow.db", "https://me:secret@host.example/2")
    assert "secret" not in caught.value.sentence


# --- files of another machine ---------------------------------------------------------------------------------------------


class Shelf(LocalArtifactRepository):
    """A storage elsewhere, which is a folder here, and notes what it is asked for."""

    asked: ClassVar[list[str]] = []
    tells_sizes = True

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        self.asked.append(f"get {remote_file_path}")
        try:
            shutil.copyfile(Path(self.artifact_dir) / remote_file_path, local_path)
        except FileNotFoundError:
            raise MlflowException("No such artifact", RESOURCE_DOES_NOT_EXIST) from None

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        self.asked.append(f"list {path or ''}")
        found = super().list_artifacts(path)
        return [it if self.tells_sizes else FileInfo(it.path, it.is_dir, None) for it in found]


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder behind s3://shelf, with a model of two files in it."""
    folder = tmp_path / "shelf"
    (folder / "code").mkdir(parents=True)
    (folder / "MLmodel").write_bytes(b"flavors: {}")
    (folder / "code" / "mine.py").write_bytes(b"x = 1")
    monkeypatch.setattr(artifact_folders, "get_artifact_repository", lambda *_, **__: Shelf(str(folder)))
    monkeypatch.setattr(Shelf, "asked", [])
    return folder


PLACE = "s3://shelf"


def digests_of(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): file_digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_file_elsewhere_is_downloaded_once_without_a_listing_and_verified_each_time(shelf: Path, tmp_path: Path) -> None:
    digests = digests_of(shelf)
    for command in range(2):
        folders = ArtifactFolders("", ArtifactCache(tmp_path / "cache"))
        with folders.files(PLACE, digests) as copy:
            assert digests_of(copy) == digests
        with folders.file(PLACE, "MLmodel", digests["MLmodel"]) as path:
            assert path.read_bytes() == b"flavors: {}"
        assert Shelf.asked == ["get MLmodel", "get code/mine.py"], command
    with ArtifactFolders("").file(PLACE, "MLmodel", digests["MLmodel"]):
        assert Shelf.asked[2:] == ["get MLmodel"]


def test_a_download_that_is_not_what_was_written_is_not_kept(shelf: Path, tmp_path: Path) -> None:
    digest = digests_of(shelf)["MLmodel"]
    (shelf / "MLmodel").write_bytes(b"flavors: {x}")
    folders = ArtifactFolders("", ArtifactCache(tmp_path / "cache"))
    with folders.file(PLACE, "MLmodel", digest) as path:
        assert state_of(path, digest) == CHANGED
    assert not (tmp_path / "cache").exists()


HARM = {"cut": lambda it: it[:-1], "longer": lambda it: it + b"x", "changed": lambda it: it[:-1] + b"?", "gone": None}


@pytest.mark.parametrize("is_cached", [True, False])
@pytest.mark.parametrize("name", ["MLmodel", "code/mine.py"])
@pytest.mark.parametrize("how", HARM)
def test_harm_in_the_store_is_seen_and_a_changed_letter_by_those_who_read_the_store(
    shelf: Path, tmp_path: Path, how: str, name: str, is_cached: bool
) -> None:
    digests, cache = digests_of(shelf), ArtifactCache(tmp_path / "cache")
    if is_cached:
        assert ArtifactFolders("", cache).states(PLACE, digests) == dict.fromkeys(digests, "")
    harm, path = HARM[how], shelf / name
    if harm is None:
        path.unlink()
    else:
        path.write_bytes(harm(path.read_bytes()))
    state = MISSING if how == "gone" else CHANGED
    expected = dict.fromkeys(digests, "") | {name: state}
    assert ArtifactFolders("").states(PLACE, digests) == expected
    assert ArtifactFolders("", cache.of_this_process()).states(PLACE, digests) == expected
    seen = ArtifactFolders("", cache).states(PLACE, digests)
    assert seen == (dict.fromkeys(digests, "") if is_cached and how == "changed" else expected)


def test_cached_files_are_compared_by_one_listing_per_folder(shelf: Path, tmp_path: Path) -> None:
    digests, folders = digests_of(shelf), ArtifactFolders("", ArtifactCache(tmp_path / "cache"))
    folders.states(PLACE, digests)
    Shelf.asked.clear()
    assert folders.states(PLACE, digests) == dict.fromkeys(digests, "")
    assert Shelf.asked == ["list ", "list code"]


def test_a_storage_that_tells_no_sizes_is_asked_for_names(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shelf, "tells_sizes", False)
    digests, folders = digests_of(shelf), ArtifactFolders("", ArtifactCache(tmp_path / "cache"))
    assert folders.states(PLACE, digests) == folders.states(PLACE, digests) == dict.fromkeys(digests, "")
    (shelf / "MLmodel").unlink()
    assert folders.states(PLACE, digests) == {"MLmodel": MISSING, "code/mine.py": ""}


def test_a_storage_that_does_not_answer_is_no_missing_file(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests, folders = digests_of(shelf), ArtifactFolders("http://away", ArtifactCache(tmp_path / "cache"))
    folders.states(PLACE, digests)

    def silent(*_: object) -> list[FileInfo]:
        raise MlflowException("API request to http://away failed")

    monkeypatch.setattr(Shelf, "list_artifacts", silent)
    with pytest.raises(UnavailableError, match="must be reachable"):
        folders.states(PLACE, digests)


def test_what_is_uploaded_is_read_without_a_request_also_before_a_change_of_production(shelf: Path, tmp_path: Path) -> None:
    source, cache = tmp_path / "verdict.json", ArtifactCache(tmp_path / "cache")
    source.write_bytes(b"{}")
    ArtifactFolders("", cache).upload(PLACE, source, "deep", digest=file_digest(source))
    assert (shelf / "deep" / "verdict.json").read_bytes() == b"{}"
    for each in (cache, cache.of_this_process()):
        with ArtifactFolders("", each).file(PLACE, "deep/verdict.json", file_digest(source)) as path:
            assert path.read_bytes() == b"{}"
    assert Shelf.asked == []
