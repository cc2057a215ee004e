from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.tracking.artifacts.artifact_cache import ArtifactCache, file_digest
from tests.processes import new_processes


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put(cache: ArtifactCache, folder: Path, content: bytes, *, own: bool = False) -> str:
    source = folder / "source"
    source.write_bytes(content)
    cache.add(source, digest_of(content), own=own)
    return digest_of(content)


def kept(cache: ArtifactCache) -> list[Path]:
    return sorted(path for path in cache.folder.rglob("*") if path.is_file())


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5))
def test_what_is_kept_comes_back_by_its_digest_and_nothing_else_does(contents: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = ArtifactCache(folder / "cache")
        for content in contents:
            put(cache, folder, content)
        for content in contents:
            assert cache.copy_to(folder / "deep" / "copy", digest_of(content))
            assert (folder / "deep" / "copy").read_bytes() == content
        assert not cache.copy_to(folder / "other", digest_of(b"x" * 51))
        assert not (folder / "other").exists()
        assert len(kept(cache)) == len({*contents})


@pytest.mark.parametrize("digest", ["", "../../source", "A" * 64, "0" * 63])
def test_what_is_no_digest_names_no_file(tmp_path: Path, digest: str) -> None:
    cache = ArtifactCache(tmp_path / "cache")
    put(cache, tmp_path, b"a")
    assert not cache.copy_to(tmp_path / "copy", digest)


@pytest.mark.parametrize("harmed", [b"", b"abd", b"abcd"])
def test_a_kept_file_that_was_changed_is_deleted_and_not_used(tmp_path: Path, harmed: bytes) -> None:
    cache = ArtifactCache(tmp_path / "cache")
    digest = put(cache, tmp_path, b"abc")
    (path,) = kept(cache)
    path.write_bytes(harmed)
    assert not cache.copy_to(tmp_path / "copy", digest)
    assert not (tmp_path / "copy").exists()
    assert kept(cache) == []


def test_the_files_used_longest_ago_are_deleted_where_there_are_too_many(tmp_path: Path) -> None:
    cache = ArtifactCache(tmp_path / "cache", limit=1000)
    digests = [put(cache, tmp_path, bytes([number]) * 200) for number in range(6)]
    for age, path in enumerate(sorted(kept(cache), key=lambda path: digests.index(path.name))):
        os.utime(path, (age, age))
    assert cache.copy_to(tmp_path / "copy", digests[0])  # used just now
    cache.prune()
    assert {path.name for path in kept(cache)} == {digests[0], *digests[3:]}


def test_a_file_that_would_fill_a_quarter_of_the_cache_is_not_kept(tmp_path: Path) -> None:
    cache = ArtifactCache(tmp_path / "cache", limit=1000)
    put(cache, tmp_path, b"x" * 251)
    assert not cache.folder.exists()


def test_what_a_killed_command_left_is_deleted_and_what_another_writes_is_not(tmp_path: Path) -> None:
    cache = ArtifactCache(tmp_path / "cache")
    put(cache, tmp_path, b"a")
    old, young = (cache.folder / "ab" / f".new-{name}" for name in ("old", "young"))
    old.parent.mkdir(exist_ok=True)
    for path in (old, young):
        path.touch()
    os.utime(old, (time.time() - 7200,) * 2)
    cache.prune()
    assert (old.exists(), young.exists()) == (False, True)


def test_a_cache_that_cannot_be_written_keeps_nothing_and_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = ArtifactCache(tmp_path / "file" / "cache")
    digest = put(cache, tmp_path, b"a")
    assert not cache.copy_to(tmp_path / "copy", digest)


def test_only_its_owner_may_look_into_the_cache(tmp_path: Path) -> None:
    cache = ArtifactCache(tmp_path / "cache")
    put(cache, tmp_path, b"rows of people")
    assert cache.folder.stat().st_mode & 0o077 == 0


def test_a_cache_of_this_process_has_what_it_added_itself(tmp_path: Path) -> None:
    cache = ArtifactCache(tmp_path / "cache")
    mine, other = put(cache, tmp_path, b"mine", own=True), put(cache, tmp_path, b"downloaded")
    found = [cache.of_this_process().copy_to(tmp_path / "copy", digest) for digest in (mine, other)]
    assert found == [True, False]
    assert not ArtifactCache(tmp_path / "cache").of_this_process().copy_to(tmp_path / "copy", mine)


def use(folder: Path, seed: int) -> int:
    """Add, prune and read in turn; return the number of wrong files read."""
    cache, wrong = ArtifactCache(folder / "cache", limit=2000), 0
    own = folder / str(seed)
    own.mkdir()
    for number in range(60):
        content = bytes([number % 7]) * 300
        digest = put(cache, own, content)
        cache.prune()
        if cache.copy_to(own / "copy", digest):
            wrong += (own / "copy").read_bytes() != content
    return wrong


def test_processes_that_add_prune_and_read_at_once_read_whole_files(tmp_path: Path) -> None:
    with new_processes(3) as pool:
        assert list(pool.map(use, [tmp_path] * 3, range(3))) == [0, 0, 0]
    assert all(file_digest(path) == path.name for path in kept(ArtifactCache(tmp_path / "cache")))
    shutil.rmtree(tmp_path / "cache")
