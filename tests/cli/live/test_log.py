from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from recipeline.cli.live.log import find_own_log, require_logged, rule_of_target, take_labelled
from recipeline.config.profile import PredictionLog
from recipeline.errors import DataError, UnavailableError, UsageError
from recipeline.inference.model_info import ModelInfo, Target
from recipeline.monitoring.live.log_files import Writer, archived_name
from tests.conftest import as_recipe, small_recipe
from tests.sessions import Heard


def rows(frame: pd.DataFrame, **counts: Any) -> Any:
    return SimpleNamespace(labelled=lambda _: frame, **counts)


def take(found: Any) -> list[str]:
    heard = Heard()
    take_labelled(SimpleNamespace(reporter=heard), found, "quality")
    return heard.lines


SOME, NONE = pd.DataFrame({"quality": [5.0]}), pd.DataFrame({"quality": []})


def test_rows_that_lack_a_column_are_told_with_what_to_send() -> None:
    (line,) = take(rows(SOME, needed=["person", "day"], lacking=3))
    assert line == (
        "warning: 3 labelled rows without all of person, day are left out. Send these columns with the rows to predict: "
        "the log keeps them."
    )
    with pytest.raises(DataError, match=r"No labelled row .* needs: person, day\. Send them with the rows to predict"):
        take(rows(NONE, needed=["person", "day"], lacking=3))


def test_rows_of_a_table_lack_nothing() -> None:
    assert take(rows(SOME)) == []
    with pytest.raises(DataError, match=r"No labelled rows to retrain on\. Name a table of request_id and the target"):
        take(rows(NONE))


def test_a_sensitive_column_is_in_no_log_and_stops_retraining_unless_it_may_be_missing() -> None:
    content = small_recipe()
    content["columns"]["ssn"] = {"type": "category", "role": "sensitive"}
    with pytest.raises(UsageError, match="Retraining needs the columns ssn, and no log has them: they are sensitive"):
        require_logged(as_recipe(content))
    content["columns"]["ssn"]["nullable"] = True
    require_logged(as_recipe(content))


def test_labels_follow_the_rule_of_the_target() -> None:
    recipe = as_recipe(small_recipe())
    rule = rule_of_target(recipe, ModelInfo(Target("quality"), ()))
    assert (rule.name, rule.type, rule.min, rule.max) == ("quality", "integer", 0, 10)
    classes = Target("quality", "category", task="binary", labels=("bad", "good"))
    assert rule_of_target(recipe, ModelInfo(classes, ())).type == "category"


def own_log(tmp_path: Path, now: float, since: float = 0.0, **wanted: Any) -> list[str]:
    """Return the names of the files that a command reads of the service's own log."""
    log = PredictionLog(folder="log", **wanted)
    session = SimpleNamespace(root=tmp_path, profile=SimpleNamespace(service=SimpleNamespace(prediction_log=log)))
    found = find_own_log(session, now, since)
    assert found.since == (max(since, now - log.keep_days * 86_400) if log.archive else 0)
    return sorted(file.name for file in found.files)


NOON = 1_796_040_000.0


def archived(store: Path, *days_ago: int) -> list[str]:
    """Archive an empty file of a second of each day; return their names."""
    writer, names = Writer("host", 1), []
    for days in days_ago:
        name = archived_name(writer.next_name(), (NOON - days * 86_400, NOON - days * 86_400))
        (store / name).parent.mkdir(parents=True)
        (store / name).touch()
        names.append(Path(name).name)
    return names


def test_the_archive_is_read_as_far_back_as_keep_days_or_the_window_says(tmp_path: Path) -> None:
    new, old, _ = archived(tmp_path / "store", 0, 3, 40)
    assert own_log(tmp_path, NOON + 60, archive="store") == sorted([new, old])
    assert own_log(tmp_path, NOON + 60, archive="store", keep_days=1) == [new]
    assert own_log(tmp_path, NOON + 60, NOON - 3600, archive="store") == [new]
    (tmp_path / "log").mkdir()
    (tmp_path / "log/predictions-20200101T000000Z-1-0000.jsonl").touch()
    assert own_log(tmp_path, NOON + 60, NOON - 3600) == ["predictions-20200101T000000Z-1-0000.jsonl"]


def test_a_log_without_files_and_an_archive_that_cannot_be_read_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=f"No rows in the service's log {tmp_path}/log and store: "):
        own_log(tmp_path, NOON, archive="store")
    (tmp_path / "store").touch()
    with pytest.raises(UnavailableError, match=r"The archive of the service's log cannot be read: store .*credentials"):
        own_log(tmp_path, NOON, archive="store")
