from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.naive_bayes import GaussianNB

from recipeline.data.target_codes import TargetCodes
from recipeline.errors import DataError
from recipeline.inference.columns import Columns
from recipeline.inference.compiled.small_trees import MANY_ROWS
from recipeline.inference.model_info import Target
from recipeline.inference.predictor import LEAST_ROWS, Predictor, TailsPredictor
from tests.batches import asked


def fitted(model: Any, rows: int = 3 * LEAST_ROWS) -> tuple[Any, pd.DataFrame]:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(rows, 3)), columns=["a", "b", "c"])
    return model.fit(table[:500], table["a"][:500] * 2 + table["b"][:500] ** 2), table


@pytest.mark.parametrize(
    "model", [RandomForestRegressor(12, random_state=0), HistGradientBoostingRegressor(), LinearRegression()]
)
def test_predictions_are_the_models_and_do_not_depend_on_threads(model: Any) -> None:
    model, table = fitted(model)
    answers = [Predictor(model, Columns.of_numbers(list(table)), threads=threads)(table.to_numpy()) for threads in (1, 3)]
    np.testing.assert_array_equal(*answers)
    np.testing.assert_allclose(answers[0], model.predict(table), rtol=1e-9)
    if not isinstance(model, LinearRegression):
        np.testing.assert_array_equal(answers[0], model.predict(table))


def test_a_missing_value_is_the_models_to_take_or_to_refuse() -> None:
    model, table = fitted(HistGradientBoostingRegressor(), 600)
    table.loc[3, "b"] = np.nan
    np.testing.assert_array_equal(Predictor(model, Columns.of_numbers(list(table)))(table.to_numpy()), model.predict(table))
    linear, _ = fitted(LinearRegression(), 600)
    with pytest.raises(DataError, match="The model refuses the rows: "):
        Predictor(linear, Columns.of_numbers(list(table)))(table.to_numpy())


def test_a_compiled_form_that_answers_otherwise_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from recipeline.inference.compiled.form import Compiled

    model, table = fitted(LinearRegression(), 600)
    monkeypatch.setattr(
        "recipeline.inference.predictor.compile_model", lambda *_: Compiled("linear", False, lambda rows: np.zeros(len(rows)))
    )
    np.testing.assert_allclose(Predictor(model, Columns.of_numbers(list(table)))(table.to_numpy()), model.predict(table))


def tails(rows: int) -> tuple[list[Any], list[Predictor], np.ndarray]:
    """Return models of both tails, their predictors, and rows of one decimal."""
    low = HistGradientBoostingRegressor(loss="quantile", quantile=0.1, max_iter=9, max_leaf_nodes=4)
    models, table = [fitted(clone(low).set_params(quantile=level))[0] for level in (0.1, 0.9)], fitted(low, rows)[1].round(1)
    return models, [Predictor(model, Columns.of_numbers(list(table))) for model in models], table.to_numpy(copy=True)


def test_both_tails_say_what_each_says_whatever_the_pieces_and_missing_values() -> None:
    models, predictors, rows = tails(3 * MANY_ROWS)
    rows[5, 1], rows[-1, 2] = np.nan, 1e300
    asked_of = TailsPredictor(*predictors)
    for piece in (rows[5:6], rows[:1], rows[MANY_ROWS : 2 * MANY_ROWS], rows, rows[:7]):
        for answers, model in zip(asked_of(piece), models, strict=True):
            names = list(model.feature_names_in_)
            np.testing.assert_array_equal(answers, model.predict(pd.DataFrame(piece, columns=names)))


def test_tails_that_answer_otherwise_together_are_asked_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def wrong(rows: np.ndarray) -> np.ndarray:
        calls.append(len(rows))
        return np.zeros((len(rows), 2))

    monkeypatch.setattr("recipeline.inference.predictor.small_sums", lambda *_: wrong)
    models, predictors, rows = tails(2 * MANY_ROWS)
    asked_of = TailsPredictor(*predictors)
    for _ in range(2):
        for answers, model in zip(asked_of(rows), models, strict=True):
            np.testing.assert_array_equal(answers, model.predict(pd.DataFrame(rows, columns=list(model.feature_names_in_))))
    assert len(calls) == 1


def test_many_rows_of_small_trees_are_asked_of_both_tails_together(monkeypatch: pytest.MonkeyPatch) -> None:
    _, predictors, rows = tails(2 * MANY_ROWS)
    asked_of = TailsPredictor(*predictors)
    asked_of(rows)
    monkeypatch.setattr(Predictor, "__call__", lambda *_: pytest.fail("one was asked alone"))
    assert len(asked_of(rows)[0]) == len(rows)


def test_no_rows_have_no_predictions() -> None:
    assert Predictor(object(), Columns.of_numbers("a"))(np.zeros((0, 1))).tolist() == []


def test_a_model_is_asked_for_its_columns_its_predictions_their_limits_and_its_version() -> None:
    ask = asked()
    assert ask.names == ["acid", "alcohol"]
    assert [name for name, _ in ask.columns] == ["prediction", "prediction_lower", "prediction_upper", "model_version"]
    answers = [column.to_pylist() for column in ask.answer(np.array([[4.0, 10.0], [5.0, 11.0]]))]
    assert answers == [[104.0, 115.0], [103.0, 114.0], [105.0, 116.0], ["7", "7"]]
    assert [name for name, _ in asked(interval=None).columns] == ["prediction", "model_version"]


@pytest.mark.parametrize(
    ("codes", "threshold"),
    [
        (TargetCodes("binary", ("bad", "good")), 0.4),
        (TargetCodes("binary", (True, False)), 0.4),
        (TargetCodes("multiclass", (1, 2, 3)), None),
    ],
)
@pytest.mark.parametrize(
    "model", [RandomForestClassifier(12, random_state=0), LogisticRegression(), GaussianNB()], ids=["trees", "line", "unknown"]
)
def test_labels_and_probabilities_are_the_models_and_do_not_depend_on_threads(
    model: Any, codes: TargetCodes, threshold: float | None
) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(LEAST_ROWS + 100, 3)), columns=["a", "b", "c"])
    place = ((table["a"][:500].rank() - 1) * len(codes.labels) // 500).astype(int)
    model = clone(model).fit(table[:500], np.array(codes.labels)[place])
    if threshold:
        decided = FixedThresholdClassifier(
            model, threshold=threshold, pos_label=codes.labels[1], response_method="predict_proba"
        )
        decided.estimator_ = model
        model = decided
    target, columns = Target("y", task=codes.task, labels=codes.labels, threshold=threshold), Columns.of_numbers(list(table))
    found = []
    for threads in (1, 3):
        predict = Predictor(model, columns, codes, threads=threads)
        assert predict(np.zeros((0, 3))).shape == ((0, len(codes.labels)) if codes.is_matrix else (0,))
        ask = asked(features=columns.features, predict=predict, target=target, interval=None)
        found.append(pa.table(ask.answer(table.to_numpy()), names=[name for name, _ in ask.columns]))
        assert [field.type for field in found[-1].schema] == [kind for _, kind in ask.columns]
        predict.close()
    texts = [f"probability_{str(label).lower()}" for label in codes.labels]
    assert found[0].column_names == ["prediction", *texts, "model_version"]
    assert found[0].equals(found[1])
    assert found[0]["prediction"].to_pylist() == model.predict(table).tolist()
    order = [list(model.classes_).index(label) for label in codes.labels]
    shares = np.column_stack([found[0][text] for text in texts])
    np.testing.assert_allclose(shares, model.predict_proba(table)[:, order], atol=1e-12)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
