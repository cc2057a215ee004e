from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pandas as pd
import pytest
from sklearn.datasets import load_diabetes

from custom.red_wine import draw
from recipeline.config.recipe import Recipe
from recipeline.data.origin import uris
from recipeline.data.origin.sources import check_source, fetch_download, read_source
from recipeline.data.origin.uris import NoConnectionError
from recipeline.data.reading.formats import Format
from recipeline.errors import DataError, UnavailableError, UsageError
from tests.data.server import WINES, Answer, body, content_of, download, serving, with_data, with_download


def test_a_download_is_served_from_the_cache_when_the_server_is_gone(tmp_path: Path) -> None:
    with serving(body(WINES)) as (url, asked):
        assert fetch_download(download(url), tmp_path / "cache") == WINES
    assert fetch_download(download(url), tmp_path / "cache", seconds=1) == WINES
    assert len(asked) == 1


def test_the_cache_holds_the_whole_file_under_its_digest_and_nothing_else(tmp_path: Path) -> None:
    with serving(body(WINES)) as (url, _):
        fetch_download(download(url), tmp_path / "cache")
    (cached,) = (tmp_path / "cache").iterdir()
    assert cached.name == f"{hashlib.sha256(WINES).hexdigest()}.csv"
    assert cached.read_bytes() == WINES


@pytest.mark.parametrize("change", [b"", WINES[:-1], WINES + b"1;2\n", b"\xff"])
def test_a_tampered_cached_file_is_fetched_again(tmp_path: Path, change: bytes) -> None:
    with serving(body(WINES)) as (url, asked):
        fetch_download(download(url), tmp_path)
        (cached,) = tmp_path.iterdir()
        cached.write_bytes(change)
        assert fetch_download(download(url), tmp_path) == WINES
    assert len(asked) == 2
    assert cached.read_bytes() == WINES


def test_a_tampered_cached_file_is_not_used_without_a_network(tmp_path: Path, closed: str) -> None:
    pinned = download(closed)
    (tmp_path / f"{pinned.sha256}.csv").write_bytes(b"tampered")
    with pytest.raises(NoConnectionError):
        fetch_download(pinned, tmp_path, seconds=0.5)


def test_an_interrupted_body_is_never_cached(tmp_path: Path) -> None:
    cut = WINES[:-5]
    with serving(body(cut, length=len(WINES))) as (url, asked), pytest.raises(NoConnectionError, match="broke off"):
        fetch_download(download(url), tmp_path / "cache", seconds=5)
    assert len(asked) == uris.ATTEMPTS
    assert not (tmp_path / "cache").exists()


def test_a_wrong_digest_is_a_data_error_and_never_cached(tmp_path: Path) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    with serving(body(b"other")) as (url, asked), pytest.raises(DataError, match=rf"Got {other} instead") as error:
        fetch_download(download(url), tmp_path)
    assert error.value.exit_code == 3
    assert download(url).sha256 in error.value.sentence
    assert list(tmp_path.iterdir()) == []
    assert len(asked) == 1


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with serving(body(WINES)) as (url, _):
        assert fetch_download(download(url), tmp_path / "file" / "cache") == WINES
    assert (tmp_path / "file").read_text(encoding="utf-8") == "no folder"


def test_auto_takes_the_download_where_it_can(tmp_path: Path) -> None:
    with serving(body(WINES)) as (url, _):
        source = read_source("auto", with_download(url), folder=tmp_path, cache=tmp_path)
    assert (source.kind, source.origin, content_of(source), source.notice) == ("uci", url, WINES, "")
    assert source.sha256 == hashlib.sha256(WINES).hexdigest()
    assert not source.is_synthetic


@pytest.mark.usefixtures("one_attempt")
def test_auto_falls_back_to_synthetic_rows_without_a_connection_and_says_so(tmp_path: Path, closed: str) -> None:
    source = read_source("auto", with_download(closed), folder=tmp_path, cache=tmp_path)
    assert source.is_synthetic
    assert source.kind == "synthetic"
    assert "these are SYNTHETIC rows" in source.notice
    assert "the connection was refused" in source.notice
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(content_of(source))), draw(42))


@pytest.mark.parametrize(
    ("answer", "kind"), [(body(b"no", status=404), UnavailableError), (body(b"other"), DataError)], ids=["404", "digest"]
)
def test_auto_never_falls_back_when_the_server_answers(tmp_path: Path, answer: Answer, kind: type[Exception]) -> None:
    with serving(answer) as (url, _), pytest.raises(kind) as error:
        read_source("auto", with_download(url), folder=tmp_path, cache=tmp_path)
    assert not isinstance(error.value, NoConnectionError)


@pytest.mark.usefixtures("one_attempt")
def test_auto_fails_without_a_connection_where_the_recipe_has_no_synthetic_rows(tmp_path: Path, closed: str) -> None:
    recipe = with_data(download=download(closed).model_dump())
    with pytest.raises(NoConnectionError):
        read_source("auto", recipe, folder=tmp_path, cache=tmp_path)


@pytest.mark.usefixtures("one_attempt")
def test_the_name_of_the_download_never_falls_back(tmp_path: Path, closed: str) -> None:
    with pytest.raises(NoConnectionError):
        read_source("uci", with_download(closed), folder=tmp_path, cache=tmp_path)


def test_auto_takes_synthetic_rows_where_the_recipe_has_nothing_else(tmp_path: Path) -> None:
    source = read_source("auto", with_data(synthetic="custom.red_wine.draw"), folder=tmp_path, cache=tmp_path)
    assert source.is_synthetic
    assert "SYNTHETIC" in source.notice


@pytest.mark.parametrize("data", ["auto", "synthetic"])
def test_a_recipe_without_rows_of_its_own_needs_a_path(tmp_path: Path, data: str) -> None:
    with pytest.raises(UsageError, match="data=PATH"):
        read_source(data, with_data(), folder=tmp_path, cache=tmp_path)


def test_synthetic_rows_are_drawn_with_the_seed_of_the_recipe(tmp_path: Path, recipe: Recipe) -> None:
    other = recipe.model_copy(update={"random_state": 7})
    first, second = (read_source("synthetic", each, folder=tmp_path, cache=tmp_path) for each in (recipe, other))
    assert first.origin == "custom.red_wine.draw"
    assert pd.read_csv(io.BytesIO(content_of(first))).equals(draw(42))
    assert pd.read_csv(io.BytesIO(content_of(second))).equals(draw(7))


def test_a_loader_is_a_source(tmp_path: Path) -> None:
    loader = {"path": "sklearn.datasets.load_diabetes", "params": {"as_frame": True, "scaled": False}}
    source = read_source("auto", with_data(loader=loader), folder=tmp_path, cache=tmp_path)
    assert (source.kind, source.origin, source.notice) == ("file", "sklearn.datasets.load_diabetes", "")
    expected = load_diabetes(as_frame=True, scaled=False).frame
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(content_of(source))), expected, check_dtype=False)


def test_a_path_is_relative_to_the_folder(tmp_path: Path, recipe: Recipe) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.csv").write_bytes(WINES)
    source = read_source("sub/a.csv", recipe, folder=tmp_path, cache=tmp_path)
    assert (source.kind, source.origin, content_of(source)) == ("file", str(tmp_path / "sub" / "a.csv"), WINES)


@pytest.mark.parametrize(("data", "words"), [("none.csv", "does not exist"), ("", "No CSV or Parquet files in the folder")])
def test_a_missing_file_and_an_empty_folder_are_data_errors(tmp_path: Path, recipe: Recipe, data: str, words: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in (f"folder/{data}", (folder / data).as_uri()):
        with pytest.raises(DataError, match=words) as error:
            read_source(name, recipe, folder=tmp_path, cache=tmp_path)
        assert error.value.exit_code == 3


@pytest.mark.parametrize("data", ["none", "none.csv", "folder/none", "x" * 300, f"{'x' * 300}.csv", "file:/none"])
def test_that_a_path_is_there_is_checked_without_reading_it(tmp_path: Path, recipe: Recipe, data: str) -> None:
    with pytest.raises(DataError, match="which does not exist"):
        check_source(data, recipe, folder=tmp_path)
    for there in ("auto", "synthetic", "uci", "https://host.invalid/a.csv", "s3://bucket/a.csv", str(tmp_path)):
        check_source(there, recipe, folder=tmp_path)


def test_a_path_through_a_file_is_a_data_error(tmp_path: Path, recipe: Recipe) -> None:
    (tmp_path / "a.csv").write_bytes(WINES)
    with pytest.raises(DataError, match="does not exist"):
        read_source("a.csv/b.csv", recipe, folder=tmp_path, cache=tmp_path)


def test_a_file_that_changes_between_its_digest_and_its_rows_is_refused(tmp_path: Path, recipe: Recipe) -> None:
    (tmp_path / "a.csv").write_bytes(WINES)
    source = read_source("a.csv", recipe, folder=tmp_path, cache=tmp_path)
    assert source.sha256 == hashlib.sha256(WINES).hexdigest()
    source.require_unchanged()
    (tmp_path / "a.csv").write_bytes(WINES + b"1;2\n")
    with pytest.raises(DataError, match="was changed while it was read"):
        source.require_unchanged()


def test_a_loader_is_read_as_the_recipe_writes_its_text(tmp_path: Path) -> None:
    loader = {"path": "sklearn.datasets.load_diabetes", "params": {"as_frame": True, "scaled": False}}
    recipe = with_data(loader=loader, decimal=",", encoding="latin-1")
    source = read_source("auto", recipe, folder=tmp_path, cache=tmp_path)
    table = source.files[0].open(["age", "bmi"], Format.of(recipe.data))
    first = next(table.file.pieces()).rows.to_pylist()[0]
    assert (first["age"], first["bmi"]) == ("59,0", "32,1")
