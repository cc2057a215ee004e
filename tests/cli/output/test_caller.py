from __future__ import annotations

from pathlib import Path

from recipeline.cli.output.caller import CALLER, Caller, name_rows, reporter
from recipeline.cli.output.progress import Progress


def test_rows_are_named_without_credentials_and_frames_as_frames(tmp_path: Path) -> None:
    assert name_rows("s3://user:secret@bucket/rows.csv") == "s3://***@bucket/rows.csv"
    told = Progress()
    token = CALLER.set(Caller(tmp_path, told, {"/tmp/x/data.parquet": "DataFrame 'data'"}))
    try:
        assert name_rows("/tmp/x/data.parquet") == "DataFrame 'data'"
        assert name_rows("s3://user:secret@bucket/rows.csv") == "s3://***@bucket/rows.csv"
        assert name_rows("") == ""
        assert reporter() is told
    finally:
        CALLER.reset(token)
