from __future__ import annotations

import gzip
import shutil
from pathlib import Path, PurePosixPath

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recipeline.data.origin.folders import find_files
from recipeline.errors import DataError
from recipeline.inference.tally import BadRowsError
from tests.batches import PLAIN, run, write


def test_a_folder_is_read_by_name_without_hidden_files_and_markers(tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "wines"
    folder.mkdir()
    write(folder / "b.csv", "alcohol;acid\n12;6\n")
    (folder / "a.csv.gz").write_bytes(gzip.compress(PLAIN))
    pd.DataFrame({"acid": [7.0], "alcohol": [13.0]}).to_parquet(folder / "c.parquet")
    for name in ("_SUCCESS", ".a.csv.crc", "_delta.csv"):
        write(folder / name, "not a table")
    run(folder, out, interval=None)
    assert out.read_text() == "acid;alcohol;prediction;model_version\n4;10;104;7\n5;11;115;7\n6;12;126;7\n7;13;137;7\n"


def test_the_rows_of_a_folder_are_named_with_their_file(tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "wines"
    folder.mkdir()
    write(folder / "a.csv", "acid;alcohol\n4;10\n")
    write(folder / "b.csv", "acid;alcohol\n4;10\n4;x\n")
    with pytest.raises(BadRowsError, match=r"b.csv, row 2, alcohol: must be a number. Got 'x' instead."):
        run(folder, out)
    run(folder, out, reject=True)
    assert (out.parent / "scored.rejects.csv").read_text() == (
        "acid;alcohol;file;row;fault\n4;x;b.csv;2;alcohol: must be a number. Got 'x' instead.\n"
    )


@pytest.mark.parametrize("name", ["nowhere.csv", "empty"])
def test_no_file_or_a_folder_without_any_is_a_data_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        find_files(tmp_path / name)


FOLDERS = st.lists(st.sampled_from(["a", "b c", "_delta_log", ".hidden", "year=2024"]), max_size=3)
NAMES = st.sampled_from(["a.csv", "B.CSV", "c.tsv.gz", "d.pq", "_SUCCESS", ".a.csv.crc", "part-00000", "e.json", "f.csv.zip"])
PATHS = st.builds(lambda folders, name: "/".join([*folders, name]), FOLDERS, NAMES)


def is_skipped(part: str) -> bool:
    return part.startswith((".", "_"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sets(PATHS, min_size=1, max_size=5))
@example({"a.csv", "a/a.csv"})
@example({"a.csv", "_SUCCESS", "a/.a.csv.crc"})
@example({"year=2024/a.csv"})
@example({"a.csv", "a/part-00000"})
def test_each_file_of_a_folder_is_read_or_hidden_or_named_in_a_refusal(tmp_path: Path, paths: set[str]) -> None:
    folder = tmp_path / "in"
    shutil.rmtree(folder, ignore_errors=True)
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    visible = {path for path in paths if not any(is_skipped(part) for part in path.split("/"))}
    tables = {path for path in visible if "=" not in path and path.endswith(("csv", "CSV", "gz", "pq"))}
    try:
        found = {file.relative_to(folder).as_posix() for file in find_files(folder)}
    except DataError as error:
        named = {part for path in visible - tables for part in (path, str(PurePosixPath(path).parent))}
        assert not visible or any(f"'{part}'" in error.sentence for part in named)  # noqa: PT017
    else:
        assert found == tables == visible


def test_links_to_files_are_read_and_those_to_folders_or_to_nothing_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").symlink_to(write(tmp_path / "elsewhere.csv", "acid;alcohol\n4;10\n"))
    assert find_files(folder) == [folder / "a.csv"]
    for target in (folder, tmp_path / "gone.csv"):
        (folder / "b.csv").symlink_to(target)
        with pytest.raises(DataError, match=r"CSV and Parquet files only: .*Got 'b\.csv'"):
            find_files(folder)
        (folder / "b.csv").unlink()


def test_parts_at_two_levels_are_all_predicted_and_named_by_their_paths(tmp_path: Path, out: Path) -> None:
    (tmp_path / "in/more").mkdir(parents=True)
    write(tmp_path / "in/a.csv", "acid;alcohol\n4;10\n")
    write(tmp_path / "in/more/a.csv", "acid;alcohol\n5;11\n4;x\n")
    assert run(tmp_path / "in", out, reject=True).predicted == 2
    assert (out.parent / "scored.rejects.csv").read_text().splitlines()[1].startswith("4;x;more/a.csv;2;")
