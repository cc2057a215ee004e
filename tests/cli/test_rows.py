from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier

from recipeline.cli.rows import check_labelled, find_labelled, local_rows, open_model, open_tables
from recipeline.config.recipe import Recipe
from recipeline.data.origin.folders import RowPath
from recipeline.errors import DataError, UnavailableError
from recipeline.inference.interval import Interval
from recipeline.inference.model_info import Feature, ModelInfo, Target
from recipeline.orchestration.session import Session
from recipeline.registry.loading import NamedModel
from recipeline.tracking.connection.store import Store
from tests.data.server import WINES, body, serving
from tests.sessions import lines_of, open_toys
from tests.toys import ROWS, TARGET


@pytest.fixture
def session(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return open_toys(store, tmp_path)


def test_a_path_is_taken_as_it_is(session: Session, tmp_path: Path) -> None:
    (tmp_path / "wines.csv").write_bytes(WINES)
    with local_rows(session, "wines.csv", "input") as paths:
        assert paths == [tmp_path / "wines.csv"]
    assert lines_of(session) == []


@pytest.mark.parametrize("name", ["x" * 300, f"{'x' * 300}.csv", "y/" * 3000])
def test_a_path_that_can_be_none_is_one_sentence(session: Session, name: str) -> None:
    with (
        pytest.raises(DataError, match=r"labels must be an existing file.*which does not exist"),
        local_rows(session, name, "labels"),
    ):
        pass


def test_a_uri_is_a_copy_for_the_block_and_its_secrets_are_not_said(session: Session) -> None:
    with serving(body(WINES)) as (url, _), local_rows(session, f"{url}?token=secret", "input") as (path,):
        assert path.read_bytes() == WINES
    assert not path.exists()
    assert lines_of(session) == [f"fetching {url}"]


def test_what_cannot_be_fetched_names_the_parameter(session: Session) -> None:
    with (
        serving(body(b"", status=404)) as (url, _),
        pytest.raises(UnavailableError, match="name a file with labels=PATH"),
        local_rows(session, url, "labels"),
    ):
        pass


def test_one_file_is_named_in_errors_and_the_files_of_a_folder_are_named_in_their_rows(tmp_path: Path, recipe: Recipe) -> None:
    names = ["alcohol", "quality"]
    for name in ("b.csv", "a.csv"):
        (tmp_path / name).write_bytes(WINES)
    (table,) = open_tables([tmp_path / "a.csv"], names, "https://me:secret@host.example/a.csv", recipe)
    assert (table.label, table.name) == ("https://***@host.example/a.csv", "")
    tables = open_tables([tmp_path], names, str(tmp_path), recipe)
    assert [(table.label, table.name) for table in tables] == [(str(tmp_path / name), name) for name in ("a.csv", "b.csv")]
    (tmp_path / "c/d").mkdir(parents=True)
    (tmp_path / "c/d/e.csv").write_bytes(WINES)
    tables = open_tables([tmp_path], names, str(tmp_path), recipe)
    assert [table.name for table in tables] == ["a.csv", "b.csv", "c/d/e.csv"]
    with pytest.raises(DataError, match="does not exist"):
        open_tables([tmp_path / "none.csv"], names, "none.csv", recipe)


def test_a_model_is_asked_by_its_description_with_the_interval_that_it_has(session: Session) -> None:
    model, interval = LinearRegression().fit(ROWS, TARGET), Interval(0.9, "constant", -1.0, 1.0)
    info = ModelInfo(Target("y"), (Feature("a", "g/L", min=0), Feature("b")))
    named = NamedModel("Toy", "7", "Linear", "uci", model, ("a", "b"), info, lambda _: interval)
    with open_model(session, named) as asked:
        assert (asked.names, asked.features[0].unit, asked.version) == (["a", "b"], "g/L", "7")
        np.testing.assert_allclose(asked.predict(ROWS.to_numpy()), model.predict(ROWS))
        assert asked.interval is interval
    assert lines_of(session) == []


def test_a_model_without_a_description_is_asked_with_a_warning(session: Session) -> None:
    model = LinearRegression().fit(ROWS, TARGET)
    with open_model(session, NamedModel("", "m-0123", "", "", model, ("a", "b"), None)) as asked:
        assert asked.interval is None
        np.testing.assert_allclose(asked.predict(ROWS.to_numpy()), model.predict(ROWS))
    (warning,) = lines_of(session)
    assert warning.startswith("warning: the model has no model_info.json")


def test_a_classifier_without_a_description_is_asked_for_the_labels_that_it_says_itself(session: Session) -> None:
    rows, labels = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0]]), np.array(["bad", "bad", "good", "good"])
    inner = LogisticRegression().fit(rows, labels)
    decided = FixedThresholdClassifier(inner, threshold=0.1, pos_label="good", response_method="predict_proba")
    decided.fit(rows, labels)
    with open_model(session, NamedModel("", "m-0123", "", "", decided, ("a", "b"), None)) as asked:
        said, bad, good, _ = (column.to_pylist() for column in asked.answer(rows))
    assert said == decided.predict(rows).tolist() != inner.predict(rows).tolist()
    np.testing.assert_allclose(np.column_stack([bad, good]), decided.predict_proba(rows))


REQUESTS = [("a", 0, 10, 5), ("a", 1, 11, 6), ("b", 0, 12, None), ("c", 0, 13, 7)]


def test_rows_of_requests_that_were_added_before_are_left_out(recipe: Recipe, wines: pd.DataFrame, tmp_path: Path) -> None:
    names = ["request_id", "row", "alcohol", recipe.target]
    asked = wines.head(4).reset_index(drop=True).assign(**pd.DataFrame(REQUESTS, columns=names))
    asked.to_csv(tmp_path / "one.csv", index=False)
    asked.tail(2).assign(note="x").to_csv(tmp_path / "two.csv", index=False)
    one, two = (
        find_labelled([RowPath(tmp_path / f"{name}.csv", name)], recipe.model_copy(update={"other_columns": "ignore"}), name)[0]
        for name in ("one", "two")
    )
    assert (one.rows, one.waiting, len(one.requests())) == (3, 1, 3)
    rest = one.without(two.requests())
    assert (rest.rows, rest.waiting, rest.is_as_is) == (2, 1, False)
    assert check_labelled([rest], recipe, "one")["alcohol"].tolist() == [10.0, 11.0]
    assert one.without(one.requests()).rows == 0
    assert one.without(np.zeros(0, dtype=np.uint64)) is one


def test_rows_that_name_no_request_are_all_new(recipe: Recipe, wines: pd.DataFrame, tmp_path: Path) -> None:
    wines.head(5).to_csv(tmp_path / "wines.csv", index=False)
    (file,) = find_labelled([RowPath(tmp_path / "wines.csv", "wines")], recipe, "wines")
    assert len(file.requests()) == 0
    assert file.without(np.arange(9, dtype=np.uint64)) is file


def test_rows_whose_request_is_empty_are_all_new(recipe: Recipe, wines: pd.DataFrame, tmp_path: Path) -> None:
    for name, ids in {"one": ["a", "", "", "b"], "two": ["a", "", "c", ""]}.items():
        wines.head(4).assign(request_id=ids, note=name).to_csv(tmp_path / f"{name}.csv", index=False)
    lenient = recipe.model_copy(update={"other_columns": "ignore"})
    one, two = (find_labelled([RowPath(tmp_path / f"{name}.csv", name)], lenient, name)[0] for name in ("one", "two"))
    assert len(one.requests()) == 2
    assert two.without(one.requests()).rows == 3
