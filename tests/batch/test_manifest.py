"""The manifest: a folder is continued with one model and one input only.

The error of another one says what differs.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from recipeline.batch import manifest as manifest_module
from recipeline.batch.manifest import Begun, Manifest, ModelIdentity, PartDone, Written, describe_shards, is_unchanged
from recipeline.batch.output import LocalFolder
from recipeline.batch.parts import InputFile, Part, Shard
from recipeline.data.reading.ranges import Span
from recipeline.errors import UnavailableError, UsageError

MODEL = ModelIdentity("Wine", "3", "m-1")
BEGUN = Begun(MODEL, ("a", "b"), ("acid",), "stop", {"numpy": "2.1"}, origin="in", state="1")
FILE = InputFile(Path("/nowhere/a.csv"), "a.csv", "a.csv")


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return Manifest(LocalFolder(tmp_path))


def test_a_folder_that_was_begun_is_gone_on_with_from_any_path(manifest: Manifest) -> None:
    assert manifest.read() is None
    assert manifest.begin(BEGUN) == BEGUN
    assert manifest.begin(replace(BEGUN, origin="/mnt/in", state="2")) == BEGUN
    assert manifest.read() == BEGUN


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"model": ModelIdentity("Wine", "4", "m-2")},
            r"was begun with version 3 of Wine\. Got version 4 of Wine instead\. "
            r"Name that model with model_uri=models:/Wine/3, or name another folder, or delete this one\.",
        ),
        ({"model": ModelIdentity("", "m-9", "m-9")}, r"begun with version 3 of Wine\. Got the model m-9 instead"),
        (
            {"model": ModelIdentity("Wine", "3", "m-7")},
            r"another model that is version 3 of Wine too \(m-1\)\. Got m-7",
        ),
        ({"on_bad_rows": "reject"}, r"begun with on_bad_rows=stop\. Got reject instead\. Set on_bad_rows=stop, or"),
        ({"code": {"numpy": "2.2"}}, r"other code or libraries\. Got numpy 2\.2 instead of 2\.1 instead\. Name another folder"),
        ({"code": {"numpy": "2.1", "custom": "d1"}}, r"other code or libraries\. Got custom d1 instead of none instead"),
        ({"reading": {"encoding": "cp1252"}}, r"another format of tables \(\)\. Got encoding=cp1252 instead\. Set the"),
        ({"parts": ("a", "c")}, r"another input, 2 parts\. Got the part 'c' instead\. Name that input"),
        ({"parts": ("a",)}, r"another input, 2 parts\. Got 1 part instead"),
        ({"digest": "x", "spans": (Span(1, 2, 0),)}, r"another input, 2 parts\. Got a file with another content instead"),
        ({"columns": ("acid", "more")}, r"other columns \(acid\)\. Got acid, more instead"),
    ],
)
def test_another_beginning_is_refused_in_one_sentence(manifest: Manifest, change: dict[str, object], words: str) -> None:
    manifest.begin(BEGUN)
    with pytest.raises(UsageError, match=words):
        manifest.begin(replace(BEGUN, **change))


def test_of_two_that_begin_at_once_one_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, read = Manifest(LocalFolder(tmp_path)), Manifest.read
    first: list[bool] = []

    def late(self: Manifest) -> Begun | None:
        if not first:
            first.append(True)
            Manifest(LocalFolder(tmp_path)).begin(BEGUN)
            return None
        return read(self)

    monkeypatch.setattr(Manifest, "read", late)
    with pytest.raises(UsageError, match="on_bad_rows=stop"):
        manifest.begin(replace(BEGUN, on_bad_rows="reject"))


def test_a_folder_with_other_files_is_refused(tmp_path: Path, manifest: Manifest) -> None:
    (tmp_path / ".folder.json.77.part").touch()  # of another machine that begins it now
    assert manifest.read() is None
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UsageError, match=r"an empty folder, or one that predict has begun.*with 'notes.txt'"):
        manifest.read()


def test_a_later_format_and_a_broken_file_are_refused(tmp_path: Path, manifest: Manifest) -> None:
    manifest.begin(BEGUN)
    path = tmp_path / "_manifest/folder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(UsageError, match=r"must have the format 1 or an earlier one\. Got 2"):
        manifest.read()
    path.write_text(path.read_text()[:50])
    with pytest.raises(UnavailableError, match=r"is broken: _manifest/folder\.json: .* Delete that file"):
        manifest.read()


def done(name: str, begun: str, content: bytes, digest: str = "d", state: str = "s") -> PartDone:
    return PartDone(name, begun, digest, state, Written(len(content), ""), None, 1, 0)


def test_a_part_is_done_when_its_output_is_there(tmp_path: Path, manifest: Manifest) -> None:
    parts = [Part(name, ".csv", FILE) for name in ("a", "x/b")]
    assert manifest.missing(parts) == [0, 1]
    manifest.add(done("x/b.csv", "key", b"rows"))
    assert manifest.find_done(parts, "key") == {}
    (tmp_path / "x").mkdir()
    (tmp_path / "x/b.predictions.csv").write_bytes(b"rows")
    assert list(manifest.find_done(parts, "key")) == ["x/b.csv"]
    assert manifest.missing(parts) == [0]
    with pytest.raises(UsageError, match=r"The part 'x/b.csv' of .* was done with another model or input"):
        manifest.find_done(parts, "other")
    with pytest.raises(UnavailableError, match=r"folder\.json of .* is not there"):
        manifest.close(BEGUN)
    LocalFolder(tmp_path).write("_manifest/folder.json", manifest_module._as_json(BEGUN))
    manifest.close(BEGUN)
    assert (tmp_path / "_SUCCESS").exists()
    manifest.reopen()
    assert not (tmp_path / "_SUCCESS").exists()


def test_a_part_whose_output_is_gone_is_missing_whichever_shard_it_is_of(tmp_path: Path, manifest: Manifest) -> None:
    part = Part("a", ".csv", FILE)
    manifest.add(done("a.csv", "key", b"rows"))
    assert manifest.missing([part]) == [0]
    (tmp_path / "a.predictions.csv").write_bytes(b"rows")
    assert manifest.missing([part]) == []


def test_files_of_one_stem_are_two_parts(tmp_path: Path, manifest: Manifest) -> None:
    parts = [Part("a", suffix, FILE) for suffix in (".csv", ".parquet")]
    for part in parts:
        (tmp_path / part.output).write_bytes(part.suffix.encode())
    manifest.add(done(parts[0].label, "key", b".csv"))
    assert manifest.missing(parts) == [1]
    manifest.add(done(parts[1].label, "key", b".parquet"))
    assert list(manifest.find_done(parts, "key")) == ["a.csv", "a.parquet"]


def test_a_folder_that_is_begun_between_two_looks_is_no_folder_with_other_files(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = LocalFolder.sizes

    def late(self: LocalFolder, below: str = "") -> dict[str, int]:
        monkeypatch.undo()
        Manifest(LocalFolder(tmp_path)).begin(BEGUN)
        (tmp_path / "a.predictions.csv").touch()
        return sizes(self, below)

    monkeypatch.setattr(LocalFolder, "sizes", late)
    assert manifest.begin(BEGUN) == BEGUN


def test_a_beginning_that_another_machine_has_replaced_is_not_completed(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store may take a file that exists as a new one."""
    other = replace(BEGUN, model=ModelIdentity("Wine", "4", "m-2"))
    manifest.begin(BEGUN)
    (tmp_path / "_manifest/folder.json").unlink()
    manifest.begin(other)
    with pytest.raises(UsageError, match=r"begun with version 4 of Wine\. Got version 3"):
        manifest.close(BEGUN)
    assert not (tmp_path / "_SUCCESS").exists()
    monkeypatch.setattr(LocalFolder, "create", lambda *_: False)
    (tmp_path / "_manifest/folder.json").unlink()
    with pytest.raises(UnavailableError, match=r"is not there\. Type the command again"):
        manifest.begin(BEGUN)


def test_a_file_is_read_again_only_where_its_state_differs(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    file = InputFile(path, "a.csv")
    it = done("a", "", b"", file.digest(), file.state)
    assert is_unchanged(file, it)
    assert is_unchanged(file, replace(it, state="other"))
    assert not is_unchanged(file, replace(it, state="other", digest="other"))
    assert is_unchanged(file, replace(it, state="other", digest=""))  # a range: the folder has the digest


def test_shards_that_are_not_done_are_named() -> None:
    assert describe_shards([], 36, Shard(1, 4)) == "All 36 parts are done."
    assert describe_shards([], 1, Shard(1, 1)) == "The only part is done."
    assert describe_shards([1, 5, 6], 8, Shard(1, 4)) == "5 of 8 parts are done. Shards that are not: 2/4, 3/4."
    assert describe_shards(list(range(100)), 100, Shard(1, 12)).endswith("10/12 and 2 more.")
