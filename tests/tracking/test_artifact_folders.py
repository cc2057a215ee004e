from __future__ import annotations

from pathlib import Path

import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from recipeline.errors import UnavailableError
from recipeline.tracking.artifact_cache import ArtifactCache, file_digest
from recipeline.tracking.artifact_folders import ArtifactFolders, place_of, require_answer, way_to


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
