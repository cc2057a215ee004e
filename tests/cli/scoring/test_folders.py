"""The words at the end of a command that predicts into a folder."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recipeline.batch.manifest import Begun, ModelIdentity, PartDone, Written
from recipeline.batch.output import LocalFolder, OutputFolder, StoredFolder
from recipeline.batch.parts import InputFile, Part, Shard
from recipeline.batch.plan import Plan, Share
from recipeline.cli.scoring import folders
from recipeline.cli.scoring.worker import Failed
from recipeline.data.origin.stores.objects import StoreFolder
from recipeline.data.reading.formats import PLAIN
from recipeline.errors import DataError, UnavailableError, UsageError
from tests.batch.test_scoring import wish
from tests.sessions import Heard

BEGUN = Begun(ModelIdentity("Wine", "3", "m-1"), (), (), "stop", {})


def a_plan(tmp_path: Path, *names: str, reason: str = "") -> Plan:
    (tmp_path / "a.csv").write_text("acid,alcohol\n")
    file = InputFile(tmp_path / "a.csv", "a.csv")
    parts = tuple(Part(name, ".csv", file) for name in names)
    return Plan(wish(tmp_path / "a.csv"), LocalFolder(tmp_path / "out"), parts, BEGUN, reason)


def done(name: str, rejected: int = 0) -> PartDone:
    return PartDone(name, "", "", "", Written(1, ""), None, 10, rejected, {"acid": 2})


def test_rows_of_a_shard_are_those_found_and_those_new(tmp_path: Path) -> None:
    plan, share = a_plan(tmp_path, "a", "b", "c"), Share((done("a", 1),), (), 1)
    values = folders._values(plan, Shard(1, 2), share, [done("c", 2)], [1], 2.0)
    assert (values.rows, values.new_rows, values.predicted, values.rejected) == (20, 10, 17, 3)
    assert (values.done, values.reused, values.missing, values.out_of_range) == (1, 1, 1, {"acid": 4})
    assert folders._words(values, plan, share, [1], Shard(1, 2)) == [
        f"10 rows predicted in 2.0 s (5 rows/s): {tmp_path}/out",
        "Shard 1/2: parts predicted: 1, 1 of them again, since their files have changed; done before: 1.",
        f"3 bad rows set aside: {tmp_path}/out/_rejects",
        "2 of 3 parts are done. Shards that are not: 2/2.",
    ]


def test_a_file_that_is_not_divided_says_why_where_shards_were_wanted(tmp_path: Path) -> None:
    plan, share = a_plan(tmp_path, "a", reason="it is compressed (gzip)"), Share((), (), 0)
    values = folders._values(plan, Shard(1, 2), share, [done("a")], [], 1.0)
    words = "a.csv is not divided among shards: it is compressed (gzip)."
    assert words in folders._words(values, plan, share, [], Shard(1, 2))
    assert words not in folders._words(values, plan, share, [], Shard(1, 1))


def test_parts_go_to_the_engine_and_a_failure_in_a_worker_is_raised_here(tmp_path: Path) -> None:
    plan = a_plan(tmp_path, "a", "b")
    results: list[Any] = [done("b"), Failed(DataError, "a.csv is broken.", ("line 3",))]
    asked: list[Any] = []

    def map_calls(calls: list[Any], *, ordered: bool) -> Any:
        asked.extend(calls)
        assert not ordered
        return iter(results)

    session = SimpleNamespace(
        profile=SimpleNamespace(engine=SimpleNamespace(kind="dask"), service=SimpleNamespace(trusted_types=())),
        store=SimpleNamespace(uri="http://store"),
        recipe=SimpleNamespace(model_name="Wine"),
        cache_folder=tmp_path,
        workers=SimpleNamespace(map=map_calls),
        reporter=Heard(),
    )
    model: Any = SimpleNamespace(uri="models:/Wine/3", model_id="m-1")
    tasks = [folders.PartTask(part, plan.folder, "", (), PLAIN, False) for part in plan.parts]
    ran = folders._run(session, model, None, tasks)
    assert next(ran) == done("b")
    with pytest.raises(DataError, match=r"a\.csv is broken\.\n  line 3"):
        next(ran)
    assert [task for _, (_, task) in asked] == tasks
    assert session.reporter.lines[0].startswith("1 of 2 parts, 10 rows")


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scored.csv").touch()
    with pytest.raises(UsageError, match=r"output must be a folder\. Got '.*scored\.csv', which is none"):
        folders._make_folder(LocalFolder(tmp_path / "scored.csv"), [], [])

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UnavailableError, match=r"output cannot be written to .*/scored: Permission denied"):
        folders._make_folder(LocalFolder(tmp_path / "scored"), [], [])


@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_in_which_the_input_is_searched_is_refused(tmp_path: Path, is_there: bool) -> None:
    """It would be a part of the input when the command is typed again."""
    session: Any = SimpleNamespace(cwd=tmp_path)
    (tmp_path / "in/out").mkdir(parents=True)
    (tmp_path / "in/a.csv").write_text("acid,alcohol\n")
    if not is_there:
        (tmp_path / "in/out").rmdir()
    files = [InputFile(tmp_path / "in/a.csv", "a.csv", "a.csv")]

    def make(input: str, output: OutputFolder) -> None:
        folders._make_folder(output, files, folders._searched(session, input, files))

    with pytest.raises(UsageError, match=r"must lie outside of the input folder\. Got '.*in/out'"):
        make("in", LocalFolder(tmp_path / "in/out"))
    with pytest.raises(UsageError, match=r"must lie outside of the input folder\. Got 's3://x/in/out/'"):
        make("s3://x/in", StoredFolder(StoreFolder("s3://x/in/out/")))
    for input, output in (("s3://x/in", "s3://x/in2/"), ("s3://x/in/", "s3://x/in/_out/"), ("s3://x/in", "s3://y/in/out")):
        make(input, StoredFolder(StoreFolder(output)))
    make("in", LocalFolder(tmp_path / "in/_out"))
    make("in/*.csv", LocalFolder(tmp_path / "in/out"))
    assert (tmp_path / "in/out").is_dir()
