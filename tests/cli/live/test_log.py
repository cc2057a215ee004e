from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from recipeline.cli.live.log import require_logged, rule_of_target, take_labelled
from recipeline.errors import DataError, UsageError
from recipeline.inference.model_info import ModelInfo, Target
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
