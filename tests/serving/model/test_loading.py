from __future__ import annotations

import json
import pickle
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from recipeline.artifacts import GOLDEN, INTERVAL, MODEL_INFO
from recipeline.inference.golden import golden_features
from recipeline.inference.interval import FittedInterval
from recipeline.inference.model_info import Target
from recipeline.serving.model.loading import RefusedModel, load_copy

JSON_TEXT = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "version", "features", "flavors"]), inner)
    ),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())


def same(values: Any) -> Any:
    """A function that is of no library."""
    return values


OWN = make_pipeline(FunctionTransformer(same), LinearRegression())


def edit_flavor(copy: Path, **changes: str) -> None:
    path = copy / "model" / "MLmodel"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["flavors"]["sklearn"] |= changes
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def replace_model(copy: Path, estimator: Any) -> None:
    """Put another fitted estimator into the copy, with golden rows that it answers."""
    golden = GOLDEN.read(copy / GOLDEN.name)
    features = golden_features(golden)
    fitted = estimator.fit(features, golden["prediction"])
    skops.io.dump(fitted, copy / "model" / "model.skops")
    GOLDEN.write(features.assign(prediction=fitted.predict(features)), copy / GOLDEN.name)


def refusal(copy: Path, **options: Any) -> str:
    with pytest.raises(RefusedModel) as caught:
        load_copy(copy, **options)
    return str(caught.value)


def test_the_served_model_answers_its_golden_rows_in_a_compiled_form(copy: Path) -> None:
    model = load_copy(copy)
    golden = GOLDEN.read(copy / GOLDEN.name)
    answers = model.predict(golden[list(model.schema.names)].to_numpy())
    assert np.allclose(answers, golden["prediction"], rtol=1e-9)
    assert model.path.startswith("compiled (")
    assert "rows" in model.path_reason


def test_a_model_without_a_compiled_form_is_asked_itself(copy: Path) -> None:
    replace_model(copy, KNeighborsRegressor(2))
    model = load_copy(copy)
    golden = GOLDEN.read(copy / GOLDEN.name)
    assert model.path == "scikit-learn"
    assert model.predict(golden[list(model.schema.names)].to_numpy()).tolist() == golden["prediction"].tolist()


def test_a_compiled_form_that_answers_differently_is_not_used(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr("recipeline.serving.model.loading.differences", lambda *_: "row 3 is 5 instead of 6")
    model = load_copy(copy)
    assert model.path == "scikit-learn"
    assert "row 3" in model.path_reason


def with_classes(copy: Path, threshold: float = 0.4) -> FixedThresholdClassifier:
    """Put a classifier of the copy's golden rows into it, and return it."""
    golden, info = GOLDEN.read(copy / GOLDEN.name), MODEL_INFO.read(copy / MODEL_INFO.name)
    features = golden_features(golden)
    labels = np.where(golden["prediction"] > golden["prediction"].median(), "good", "bad")
    fitted = RandomForestClassifier(20, random_state=0).fit(features, labels)
    decided = FixedThresholdClassifier(fitted, threshold=threshold, pos_label="good", response_method="predict_proba")
    decided.estimator_, decided.feature_names_in_ = fitted, fitted.feature_names_in_
    skops.io.dump(decided, copy / "model" / "model.skops")
    GOLDEN.write(features.assign(prediction=fitted.predict_proba(features)[:, 1]), copy / GOLDEN.name)
    target = Target("taste", "category", task="binary", labels=("bad", "good"), threshold=0.4)
    MODEL_INFO.write(replace(info, target=target, interval=None), copy / MODEL_INFO.name)
    return decided


def test_a_classifier_answers_its_golden_rows_in_a_compiled_form_and_says_the_labels_of_the_logged_model(copy: Path) -> None:
    fitted = with_classes(copy)
    model = load_copy(copy)
    features = golden_features(GOLDEN.read(copy / GOLDEN.name))
    assert model.path == "compiled (trees)"
    assert model.task.say(model.predict(features.to_numpy())) == fitted.predict(features).tolist()


def test_a_classifier_whose_probabilities_are_others_is_refused(copy: Path) -> None:
    with_classes(copy)
    other_answers(copy)
    assert refusal(copy) == "Its predictions for the golden rows differ from those of its evaluation."


def test_a_classifier_with_another_threshold_than_its_description_is_refused(copy: Path) -> None:
    with_classes(copy, threshold=0.9)
    assert refusal(copy) == "Its labels for the golden rows differ from those that its probabilities and its threshold give."


def test_a_type_that_the_service_does_not_trust_is_refused_whatever_the_model_says(copy: Path) -> None:
    replace_model(copy, OWN)
    edit_flavor(copy, skops_trusted_types=[f"{__name__}.same"])
    assert f"The model must be made of types that are trusted. Got {__name__}.same instead" in refusal(copy)
    assert load_copy(copy, trusted=[f"{__name__}.same"]).path == "scikit-learn"


def test_tree_ensembles_of_scikit_learn_are_trusted(copy: Path) -> None:
    replace_model(copy, GradientBoostingRegressor(n_estimators=3))
    assert load_copy(copy).path.startswith("compiled (")


class Bomb:
    """A pickle that does harm when it is loaded."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("exploded"),))


@pytest.mark.parametrize("form", ["pickle", "cloudpickle", "skops", None])
def test_a_pickle_is_never_loaded(copy: Path, form: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (copy / "model" / "model.skops").write_bytes(pickle.dumps(Bomb()))
    edit_flavor(copy, serialization_format=form)
    words = "is missing or damaged" if form == "skops" else "must be saved with skops"
    assert words in refusal(copy)
    assert not (tmp_path / "exploded").exists()


def test_a_file_outside_of_the_models_folder_is_not_read(copy: Path) -> None:
    shutil.copy(copy / "model" / "model.skops", copy / "elsewhere.skops")
    edit_flavor(copy, pickled_model="../elsewhere.skops")
    assert "in its own folder" in refusal(copy)


def cut_off(copy: Path) -> None:
    path = copy / "model" / "model.skops"
    path.write_bytes(path.read_bytes()[:-100])


def without_flavor(copy: Path) -> None:
    (copy / "model" / "MLmodel").write_text("flavors: {python_function: {}}")


def other_answers(copy: Path) -> None:
    golden = GOLDEN.read(copy / GOLDEN.name)
    GOLDEN.write(golden.assign(prediction=golden["prediction"] * (1 + 1e-6)), copy / GOLDEN.name)


def other_limits(copy: Path) -> None:
    golden = GOLDEN.read(copy / GOLDEN.name)
    GOLDEN.write(golden.assign(prediction_upper=golden["prediction_upper"] * (1 + 1e-6)), copy / GOLDEN.name)


def foreign_tails(copy: Path) -> None:
    with_tails(copy, OWN)


def other_tails(copy: Path) -> None:
    with_tails(copy, HistGradientBoostingRegressor(max_iter=2))


def no_tails(copy: Path) -> None:
    other_tails(copy)
    (copy / INTERVAL.name).unlink()


def with_tails(copy: Path, estimator: Any) -> None:
    """Give the copy an interval of two tail models, fitted to golden rows."""
    golden, info = GOLDEN.read(copy / GOLDEN.name), MODEL_INFO.read(copy / MODEL_INFO.name)
    fitted = estimator.fit(golden_features(golden), golden["prediction"])
    INTERVAL.write((fitted, fitted), copy / INTERVAL.name)
    interval = FittedInterval(0.9, "quantile", lower=-1.0, upper=1.0)
    MODEL_INFO.write(replace(info, interval=interval), copy / MODEL_INFO.name)


def test_tails_are_served_in_a_compiled_form_with_the_limits_that_they_give(copy: Path) -> None:
    with_tails(copy, HistGradientBoostingRegressor(max_iter=5))
    golden = GOLDEN.read(copy / GOLDEN.name)
    low, _ = INTERVAL.read(copy / INTERVAL.name)
    tail = low.predict(golden_features(golden))
    limits = np.minimum(tail - 1, golden["prediction"]), np.maximum(tail + 1, golden["prediction"])
    GOLDEN.write(golden.assign(prediction_lower=limits[0], prediction_upper=limits[1]), copy / GOLDEN.name)
    model = load_copy(copy)
    assert model.interval is not None
    rows = golden[list(model.schema.names)].to_numpy()
    np.testing.assert_allclose(model.interval.around(model.predict(rows), rows), limits, rtol=1e-9)


def other_columns(copy: Path) -> None:
    GOLDEN.write(GOLDEN.read(copy / GOLDEN.name).rename(columns={"alcohol": "ethanol"}), copy / GOLDEN.name)


def no_description(copy: Path) -> None:
    (copy / "model_info.json").write_text(json.dumps({"features": [{}]}))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (cut_off, "The model is missing or damaged: "),
        (other_limits, "Its interval limits for the golden rows differ from those of its evaluation."),
        (other_tails, "Its interval limits for the golden rows differ from those of its evaluation."),
        (foreign_tails, "The file interval.skops must be made of types that are trusted. Got tests."),
        (no_tails, "The file interval.skops is missing or damaged: "),
        (without_flavor, "The model is missing or damaged: no scikit-learn model that MLflow logged"),
        (other_answers, "Its predictions for the golden rows differ from those of its evaluation."),
        (other_columns, "It fails on its golden rows: "),
        (no_description, "Its description cannot be read: "),
    ],
)
def test_a_broken_copy_is_refused_in_one_sentence(copy: Path, damage: Any, sentence: str) -> None:
    damage(copy)
    assert refusal(copy).startswith(sentence)


PARTS = ("version.json", MODEL_INFO.name, GOLDEN.name, "model/MLmodel", "model/model.skops")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.sampled_from(PARTS), st.one_of(st.none(), st.binary(max_size=40), JSON_TEXT, st.floats(0, 0.99)))
def test_a_copy_whatever_became_of_one_of_its_files_is_loaded_or_refused(copy: Path, part: str, content: Any) -> None:
    """`content`: None is no file, a number the share left, else the text."""
    file = copy / part
    whole = file.read_bytes()
    try:
        file.unlink()
        if content is not None:
            file.write_bytes(content if isinstance(content, bytes) else whole[: int(content * len(whole))])
        with suppress(RefusedModel):
            load_copy(copy)
    finally:
        file.write_bytes(whole)
