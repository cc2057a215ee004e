from __future__ import annotations

import json
import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import BaggingRegressor, RandomForestRegressor, VotingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler, TargetEncoder
from sklearn.tree import DecisionTreeRegressor

from recipeline.data.relating.relations import Relations
from recipeline.data.target_codes import TargetCodes
from recipeline.engine.local import LocalWorkers
from recipeline.errors import UsageError
from recipeline.metrics.catalogue import Metric
from recipeline.metrics.scorer import Measure, Scorer
from recipeline.promotion.gain import Answers, cross_validate, measure_gain, reseed
from recipeline.promotion.results import CHALLENGER, CHAMPION, Gain
from recipeline.records import read_record, to_plain
from tests.promotion.helpers import ROWS, draw_answers, draw_table, measure

FOLDS, REPEATS = 3, 2
LINEAR, MEAN = LinearRegression(), DummyRegressor()
FOREST = RandomForestRegressor(5)

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=25, deadline=None)


def validate(challenger: BaseEstimator, champion: BaseEstimator, *, seed: int = 0, repeats: int = REPEATS) -> Answers:
    features, target, groups = draw_table()
    arms = {CHALLENGER: (challenger, features), CHAMPION: (champion, features)}
    return cross_validate(arms, target, Relations(groups), folds=FOLDS, repeats=repeats, seed=seed, workers=LocalWorkers(1))


def swapped(answers: Answers) -> Answers:
    predicted = {CHALLENGER: answers.predicted[CHAMPION], CHAMPION: answers.predicted[CHALLENGER]}
    return Answers(answers.target, answers.relations, predicted, answers.folds)


def repeated(answers: Answers, copies: int, *, in_groups: bool) -> Answers:
    """Return the answers with `copies` of every row, in one group or each its own."""
    rows = np.repeat(np.arange(len(answers.target)), copies)
    predicted = {arm: values[rows] for arm, values in answers.predicted.items()}
    groups = answers.relations.groups[rows] if in_groups else np.arange(len(rows))
    return Answers(answers.target[rows], Relations(groups), predicted, None if answers.folds is None else answers.folds[rows])


# --- cross-validation -----------------------------------------------------------------------------------------------------


def test_answers_have_a_row_for_each_row_and_a_column_for_each_repeat() -> None:
    answers = validate(LINEAR, MEAN)
    assert answers.folds is not None
    assert set(answers.predicted) == {CHALLENGER, CHAMPION}
    assert {each.shape for each in (*answers.predicted.values(), answers.folds)} == {(ROWS, REPEATS)}
    assert all(np.isfinite(values).all() for values in answers.predicted.values())


def test_every_row_is_predicted_once_a_repeat_by_models_that_have_not_seen_its_fold() -> None:
    answers = validate(MEAN, LINEAR)
    assert answers.folds is not None
    for repeat in range(REPEATS):
        folds = answers.folds[:, repeat]
        assert set(folds) == set(range(FOLDS))
        for fold in range(FOLDS):
            mean = answers.target[folds != fold].mean()
            np.testing.assert_allclose(answers.predicted[CHALLENGER][folds == fold, repeat], mean)


def test_copies_share_a_fold_and_each_repeat_deals_anew() -> None:
    folds = validate(MEAN, MEAN, repeats=3).folds
    assert folds is not None
    np.testing.assert_array_equal(folds[::2], folds[1::2])
    assert len({tuple(column) for column in folds.T}) == 3


def test_a_model_that_knows_its_rows_by_heart_gains_nothing_from_copies() -> None:
    features, target, groups = draw_table()
    nearest = KNeighborsRegressor(1)
    arms = {CHALLENGER: (nearest, features), CHAMPION: (MEAN, features)}
    together = cross_validate(arms, target, Relations(groups), folds=FOLDS, repeats=1, seed=0, workers=LocalWorkers(1))
    apart = cross_validate(arms, target, Relations(np.arange(ROWS)), folds=FOLDS, repeats=1, seed=0, workers=LocalWorkers(1))
    assert np.abs(together.errors(CHALLENGER)).min() > 0
    assert (apart.errors(CHALLENGER) == 0).mean() > 0.3


def test_each_arm_learns_from_its_own_columns() -> None:
    features, target, groups = draw_table()
    arms = {CHALLENGER: (LINEAR, features), CHAMPION: (LINEAR, features[["b"]])}
    answers = cross_validate(arms, target, Relations(groups), folds=FOLDS, repeats=1, seed=0, workers=LocalWorkers(1))
    assert measure(answers).gain > 0.2


def test_the_estimators_themselves_are_not_fitted() -> None:
    linear = LinearRegression()
    validate(linear, MEAN)
    assert not hasattr(linear, "coef_")


def test_one_recipe_in_both_arms_is_drawn_twice_and_looks_like_two_draws() -> None:
    answers = validate(FOREST, FOREST)
    gain = measure(answers)
    assert gain.gain != 0
    assert gain.interval_90[0] < 0 < gain.interval_90[1]
    assert not np.allclose(answers.predicted[CHALLENGER], answers.predicted[CHAMPION])


def test_a_recipe_of_a_fixed_seed_in_both_arms_is_drawn_twice_too() -> None:
    fixed = RandomForestRegressor(5, random_state=1)
    assert measure(validate(fixed, fixed)).gain != 0


def test_a_recipe_without_chance_in_both_arms_gains_exactly_nothing() -> None:
    gain = measure(validate(LINEAR, LINEAR))
    assert (gain.gain, gain.std_error, gain.lower) == (0, 0, 0)


def test_repeats_are_drawn_with_different_seeds_of_the_estimators() -> None:
    features, target, groups = draw_table(12)  # as many groups as folds: every repeat deals the same folds
    tree = DecisionTreeRegressor(max_features=1)
    arms = {CHALLENGER: (tree, features), CHAMPION: (tree, features)}
    answers = cross_validate(arms, target, Relations(groups), folds=6, repeats=4, seed=0, workers=LocalWorkers(1))
    assert len({tuple(column) for column in answers.predicted[CHALLENGER].T}) > 1


def test_the_same_seed_gives_the_same_answers_and_another_one_others() -> None:
    first, again, other = (validate(FOREST, LINEAR, seed=seed) for seed in (1, 1, 2))
    for arm in (CHALLENGER, CHAMPION):
        np.testing.assert_array_equal(first.predicted[arm], again.predicted[arm])
        assert not np.array_equal(first.predicted[arm], other.predicted[arm])
    assert not np.array_equal(np.asarray(first.folds), np.asarray(other.folds))


# --- seeds ----------------------------------------------------------------------------------------------------------------


def nested() -> BaseEstimator:
    forest = make_pipeline(QuantileTransformer(n_quantiles=5, random_state=7), RandomForestRegressor(3, random_state=7))
    bag = BaggingRegressor(DecisionTreeRegressor(), random_state=None)
    return VotingRegressor([("forest", forest), ("bag", bag), ("linear", make_pipeline(StandardScaler(), LINEAR))])


def random_states(estimator: BaseEstimator) -> dict[str, int | None]:
    parameters: dict[str, Any] = estimator.get_params(deep=True)
    return {name: value for name, value in parameters.items() if name.rpartition("__")[2] == "random_state"}


def test_every_seed_of_nested_parts_is_set_each_to_another_value() -> None:
    states = random_states(reseed(nested(), 1))
    assert set(states) == {
        "forest__quantiletransformer__random_state",
        "forest__randomforestregressor__random_state",
        "bag__random_state",
        "bag__estimator__random_state",
    }
    assert all(isinstance(value, int) for value in states.values())
    assert len(set(states.values())) == len(states)


def test_reseeding_leaves_the_original_and_all_other_settings_as_they_are() -> None:
    original = nested()
    before = repr(original)
    copy = reseed(original, 1)
    assert repr(original) == before
    assert random_states(original)["bag__random_state"] is None
    assert repr(copy.set_params(**random_states(original))) == before


def test_a_fitted_estimator_is_reseeded_as_an_unfitted_one() -> None:
    features, target, _ = draw_table()
    fitted = RandomForestRegressor(2).fit(features, target)
    assert not hasattr(reseed(fitted, 1), "estimators_")
    assert hasattr(fitted, "estimators_")


@few
@given(seeds)
def test_seeds_are_a_function_of_the_seed(seed: int) -> None:
    assert random_states(reseed(nested(), seed)) == random_states(reseed(nested(), seed))
    assert random_states(reseed(nested(), seed)) != random_states(reseed(nested(), seed + 1))


def test_folds_inside_of_an_estimator_are_dealt_anew_and_nothing_warns() -> None:
    encoder = TargetEncoder(target_type="continuous", cv=KFold(3, shuffle=True, random_state=7))
    model = make_pipeline(encoder, LINEAR)
    rng = np.random.default_rng(0)
    towns, target = np.array([[f"t{it}"] for it in rng.integers(30, size=90)], dtype=object), rng.normal(size=90)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = [reseed(model, seed).fit(towns, target).predict(towns) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(said[0], said[1])
    assert not np.allclose(said[0], said[2])
    calibrated = CalibratedClassifierCV(cv=StratifiedKFold(4, shuffle=True, random_state=7))
    assert reseed(calibrated, 1).cv.random_state not in (7, reseed(calibrated, 2).cv.random_state)
    assert (reseed(calibrated, 1).cv.n_splits, calibrated.cv.random_state) == (4, 7)
    plain = make_pipeline(StandardScaler(), TargetEncoder(cv=KFold(3)))
    assert repr(reseed(plain, 1)) == repr(plain)


def test_an_estimator_without_chance_is_only_cloned() -> None:
    assert repr(reseed(make_pipeline(StandardScaler(), LINEAR), 1)) == repr(make_pipeline(StandardScaler(), LINEAR))


# --- the gain -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folds", [None, 4])
def test_the_same_predictions_gain_nothing_for_sure(folds: int | None) -> None:
    answers = draw_answers(1, folds=folds)
    same = Answers(answers.target, answers.relations, dict.fromkeys((CHALLENGER, CHAMPION), np.ones((80, 2))), answers.folds)
    gain = measure(same)
    assert (gain.gain, gain.lower, gain.std_error, gain.interval_90) == (0, 0, 0, (0, 0))
    assert gain.corrected_std_error == (None if folds is None else 0)


def test_a_gain_is_the_difference_of_two_r2() -> None:
    target = np.array([1.0, 2.0, 3.0, 6.0])  # the mean is 3, the squares around it add up to 14
    challenger, champion = np.array([1.0, 2.0, 4.0, 6.0]), np.array([3.0, 2.0, 3.0, 4.0])
    answers = Answers(target, Relations(np.arange(4)), {CHALLENGER: challenger[:, None], CHAMPION: champion[:, None]})
    gain = measure(answers)
    assert gain.r2 == pytest.approx({CHALLENGER: 1 - 1 / 14, CHAMPION: 1 - 8 / 14})
    assert gain.gain == pytest.approx(7 / 14)
    assert gain.scores["mae"] == {CHALLENGER: 0.25, CHAMPION: 1.0}
    assert (gain.rows, gain.distinct_rows, gain.repeats, gain.folds) == (4, 4, 1, 0)
    assert gain.corrected_std_error is None


@few
@given(seeds)
def test_r2_of_one_repeat_is_that_of_scikit_learn_and_of_several_their_mean(seed: int) -> None:
    answers = draw_answers(seed, repeats=3)
    gain = measure(answers)
    for arm, values in answers.predicted.items():
        assert gain.r2[arm] == pytest.approx(np.mean([r2_score(answers.target, column) for column in values.T]))
    assert gain.gain == pytest.approx(gain.r2[CHALLENGER] - gain.r2[CHAMPION])


@few
@given(seeds)
def test_swapping_the_arms_changes_the_sign_and_nothing_else(seed: int) -> None:
    answers = draw_answers(seed)
    gain, loss = measure(answers), measure(swapped(answers))
    assert loss.gain == pytest.approx(-gain.gain)
    assert loss.std_error == pytest.approx(gain.std_error)
    assert loss.interval_90 == pytest.approx((-gain.interval_90[1], -gain.interval_90[0]))
    assert loss.r2 == {CHALLENGER: gain.r2[CHAMPION], CHAMPION: gain.r2[CHALLENGER]}


@few
@given(seeds, st.floats(0.5, 0.9999), st.floats(0.5, 0.9999))
def test_the_lower_limit_falls_as_the_level_rises(seed: int, one: float, other: float) -> None:
    answers = draw_answers(seed)
    low, high = (measure(answers, level=level, draws=50) for level in sorted((one, other)))
    assert high.lower <= low.lower <= low.gain
    assert (high.gain, high.std_error, high.interval_90) == (low.gain, low.std_error, low.interval_90)


@few
@given(seeds, st.floats(0.5, 0.9999))
def test_the_limits_are_those_of_a_normal_distribution(seed: int, level: float) -> None:
    gain = measure(draw_answers(seed), level=level, draws=50)
    assert stats.norm.cdf((gain.gain - gain.lower) / gain.std_error) == pytest.approx(level)
    low, high = gain.interval_90
    assert ((low + high) / 2, (high - low) / 2) == pytest.approx((gain.gain, 1.6448536 * gain.std_error))


@pytest.mark.parametrize("folds", [None, 2, 10])
def test_the_standard_error_is_the_larger_of_the_two(folds: int | None) -> None:
    for seed in range(10):
        gain = measure(draw_answers(seed, folds=folds))
        assert gain.std_error == max(gain.bootstrap_std_error, gain.corrected_std_error or 0)
        assert gain.std_error > 0


def test_either_standard_error_can_be_the_larger_one() -> None:
    gains = [measure(draw_answers(seed, folds=2, repeats=1)) for seed in range(20)]
    larger = {gain.std_error == gain.corrected_std_error for gain in gains}
    assert larger == {True, False}


@few
@given(seeds, st.integers(2, 6), st.integers(1, 3))
def test_the_corrected_standard_error_is_that_of_nadeau_and_bengio(seed: int, folds: int, repeats: int) -> None:
    answers = draw_answers(seed, rows=60, repeats=repeats, folds=folds)
    assert answers.folds is not None
    gains = []
    for repeat in range(repeats):
        for fold in range(folds):
            rows = answers.folds[:, repeat] == fold
            squared = {
                arm: np.mean((values[rows, repeat] - answers.target[rows]) ** 2) for arm, values in answers.predicted.items()
            }
            gains.append((squared[CHAMPION] - squared[CHALLENGER]) / np.var(answers.target))
    count = repeats * folds
    variance = sum((gain - sum(gains) / count) ** 2 for gain in gains) / (count - 1)
    train, test = 60 * (folds - 1) / folds, 60 / folds
    gain = measure(answers, draws=50)
    assert gain.corrected_std_error == pytest.approx(((1 / count + test / train) * variance) ** 0.5)
    assert (gain.folds, gain.repeats) == (folds, repeats)


def test_the_bootstrap_standard_error_is_about_what_many_samples_show() -> None:
    gains = [measure(draw_answers(seed, rows=200, repeats=1, folds=None), draws=50).gain for seed in range(300)]
    errors = [measure(draw_answers(seed, rows=200, repeats=1, folds=None)).bootstrap_std_error for seed in range(30)]
    assert np.mean(errors) == pytest.approx(np.std(gains), rel=0.15)


@few
@given(seeds, st.integers(2, 4))
def test_copies_of_rows_do_not_make_a_gain_surer(seed: int, copies: int) -> None:
    answers = draw_answers(seed)
    once, often = measure(answers), measure(repeated(answers, copies, in_groups=True))
    assert often.gain == pytest.approx(once.gain)
    assert often.bootstrap_std_error == pytest.approx(once.bootstrap_std_error)
    assert often.corrected_std_error == pytest.approx(once.corrected_std_error)
    assert (often.rows, often.distinct_rows) == (80 * copies, 80)


def test_rows_of_their_own_make_a_gain_surer() -> None:
    answers = draw_answers(1, folds=None)
    once, often = measure(answers, draws=2000), measure(repeated(answers, 4, in_groups=False), draws=2000)
    assert often.bootstrap_std_error == pytest.approx(once.bootstrap_std_error / 2, rel=0.1)


@few
@given(seeds)
def test_a_gain_is_a_function_of_its_seed(seed: int) -> None:
    answers = draw_answers(1)
    first, again, other = (measure(answers, draws=50, seed=each) for each in (seed, seed, seed + 1))
    assert first == again
    assert first.seed == seed
    assert first.bootstrap_std_error != other.bootstrap_std_error
    assert first.corrected_std_error == other.corrected_std_error


@few
@given(seeds, st.floats(-100, 100), st.floats(0.01, 100))
def test_the_unit_of_the_target_does_not_matter(seed: int, shift: float, scale: float) -> None:
    answers = draw_answers(seed)
    predicted = {arm: values * scale + shift for arm, values in answers.predicted.items()}
    other = measure(Answers(answers.target * scale + shift, answers.relations, predicted, answers.folds), draws=50)
    gain = measure(answers, draws=50)
    assert (other.gain, other.lower) == pytest.approx((gain.gain, gain.lower), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("folds", [None, 4])
def test_a_gain_can_be_written_as_json(folds: int | None) -> None:
    gain = measure(draw_answers(1, folds=folds))
    assert read_record(Gain, json.loads(json.dumps(to_plain(gain), allow_nan=False))) == gain


def test_a_clear_gain_is_above_zero_and_none_is_not() -> None:
    assert measure(draw_answers(1, better=0.5), level=0.99).lower > 0
    assert measure(draw_answers(1, better=0.0)).lower < 0


@few
@given(seeds, st.floats(1e-60, 1e60), st.one_of(st.just(0.0), st.floats(-1e9, 1e9)))
def test_a_gain_depends_on_neither_unit_nor_origin_of_the_target(seed: int, unit: float, origin: float) -> None:
    answers = draw_answers(seed)
    predicted = {arm: unit * (values + origin) for arm, values in answers.predicted.items()}
    moved = Answers(unit * (answers.target + origin), answers.relations, predicted, answers.folds)
    expected, found = measure(answers), measure(moved)
    rounding = max(1e-9, 1000 * np.finfo(float).eps * abs(origin))
    for name in ("gain", "lower", "bootstrap_std_error", "corrected_std_error", "r2", "interval_90"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=rounding, abs=rounding), name
    of_arm = expected.scores["mae"]
    assert found.scores["mae"] == pytest.approx({arm: unit * mae for arm, mae in of_arm.items()}, rel=rounding)


# --- clusters -------------------------------------------------------------------------------------------------------------


def clustered(seed: int, count: int, rows: int = 80) -> Answers:
    answers = draw_answers(seed, rows=rows, folds=None)
    return Answers(answers.target, Relations(np.arange(rows) % count, "site"), answers.predicted)


@few
@given(seeds, st.integers(2, 40), st.floats(0.5, 0.9999))
def test_the_limits_of_few_clusters_are_those_of_students_t(seed: int, count: int, level: float) -> None:
    answers = clustered(seed, count)
    plain = measure(Answers(answers.target, Relations(answers.relations.groups), answers.predicted))
    gain = measure(answers, level=level)
    assert gain.std_error == pytest.approx(plain.std_error * (count / (count - 1)) ** 0.5)
    assert stats.t(count - 1).cdf((gain.gain - gain.lower) / gain.std_error) == pytest.approx(level)
    assert (gain.distinct_rows, gain.unit) == (count, "groups by site")
    assert gain.lower <= gain.gain - stats.norm.ppf(level) * plain.std_error + 1e-12


def test_of_one_cluster_no_limit_is_known() -> None:
    gain = measure(clustered(1, 1))
    assert np.isnan(gain.lower)
    assert np.isfinite(gain.gain)


def test_folds_of_a_group_are_dealt_as_a_whole() -> None:
    features, target, _ = draw_table()
    arms = {CHALLENGER: (LINEAR, features), CHAMPION: (MEAN, features)}
    site = np.arange(ROWS) % 6
    answers = cross_validate(arms, target, Relations(site, "site"), folds=FOLDS, repeats=2, seed=0, workers=LocalWorkers(1))
    assert answers.folds is not None
    for repeat in range(2):
        assert len(set(zip(site, answers.folds[:, repeat], strict=True))) == 6


# --- time -----------------------------------------------------------------------------------------------------------------


def test_over_time_the_past_alone_is_learned_from_and_the_earliest_rows_are_left_out() -> None:
    features, target, _ = draw_table()
    relations = Relations(np.arange(ROWS), times=np.arange(ROWS) // 2, embargo=1, time_column="day")
    arms = {CHALLENGER: (LINEAR, features), CHAMPION: (MEAN, features)}
    answers = cross_validate(arms, target, relations, folds=FOLDS, repeats=2, seed=0, workers=LocalWorkers(1))
    assert answers.folds is not None
    assert answers.left_out + len(answers.target) == ROWS
    assert answers.relations.times is not None
    for fold in range(FOLDS):
        rows = answers.folds[:, 0] == fold
        known = target[np.arange(ROWS) // 2 < answers.relations.times[rows].min() - 1]
        np.testing.assert_allclose(answers.predicted[CHAMPION][rows, 0], known.mean())
    gain = measure(answers)
    assert (gain.rows, gain.left_out, gain.blocks) == (len(answers.target), answers.left_out, 11)
    assert gain.unit == "distinct rows"


def test_an_error_that_lasts_makes_a_gain_over_time_less_sure() -> None:
    lasting = np.repeat(np.random.default_rng(0).normal(size=40), 5)
    target = np.random.default_rng(1).normal(size=200)
    predicted = {CHALLENGER: (target + lasting)[:, None], CHAMPION: (target + 1.2)[:, None]}
    by_row = measure(Answers(target, Relations(np.arange(200)), predicted))
    by_block = measure(Answers(target, Relations(np.arange(200), times=np.arange(200)), predicted))
    assert by_block.std_error > 1.6 * by_row.std_error


def test_of_groups_and_time_the_less_sure_one_counts() -> None:
    answers = draw_answers(3, rows=120, folds=None)
    site, day = np.arange(120) % 5, np.arange(120)
    both, by_site, by_day = (
        measure(Answers(answers.target, relations, answers.predicted))
        for relations in (Relations(site, "site", times=day), Relations(site, "site"), Relations(day, times=day))
    )
    assert both.lower == min(by_site.lower, by_day.lower)
    assert (both.unit, both.distinct_rows) == ("groups by site", 5)


def test_metrics_of_the_recipe_are_compared_at_each_arm_s_own_threshold() -> None:
    target = np.array([0.0, 1.0, 1.0, 0.0])
    said = np.array([0.2, 0.4, 0.9, 0.6])[:, None]
    answers = Answers(
        target, Relations(np.arange(4)), {CHALLENGER: said, CHAMPION: said}, codes=TargetCodes("binary", ("no", "yes"))
    )
    own = Measure(Metric("own", "own"), lambda true, said: float(np.mean(true == said)), "labels")
    scorer = Scorer("binary", ("no", "yes"), (own,))
    found = answers.scores(scorer, {CHALLENGER: 0.3, CHAMPION: 0.7})
    assert found["recall"] == {CHALLENGER: 1.0, CHAMPION: 0.5}
    assert found["own"] == {CHALLENGER: 0.75, CHAMPION: 0.75}
    assert answers.scores()["recall"] == {CHALLENGER: 0.5, CHAMPION: 0.5}
    measured = measure_gain(answers, level=0.9, draws=100, seed=0, scorer=scorer, thresholds={CHALLENGER: 0.3})
    assert measured.scores["recall"] == {CHALLENGER: 1.0, CHAMPION: 0.5}


def test_a_metric_that_the_mean_predictor_has_not_is_left_out_and_one_that_a_model_has_not_is_an_error() -> None:
    def varied(_: np.ndarray, said: np.ndarray) -> float:
        return 1.0 if np.ptp(said) else math.nan

    answers = draw_answers(0)
    constant = answers.predicted | {CHAMPION: np.full_like(answers.predicted[CHAMPION], answers.target.mean())}
    scorer = Scorer(more=(Measure(Metric("varied", "varied"), varied, "numbers"),))
    against_mean = replace(answers, predicted=constant, against_mean=True)
    assert set(against_mean.scores(scorer)) == {"r2", "rmse", "mae"}
    assert set(replace(answers, against_mean=True).scores(scorer)) == {"r2", "rmse", "mae", "varied"}
    with pytest.raises(UsageError, match="The metric varied must be a number of the champion"):
        replace(answers, predicted=constant).scores(scorer)
    swapped_ = {CHALLENGER: constant[CHAMPION], CHAMPION: constant[CHALLENGER]}
    with pytest.raises(UsageError, match="The metric varied must be a number of the challenger"):
        replace(answers, predicted=swapped_, against_mean=True).scores(scorer)
