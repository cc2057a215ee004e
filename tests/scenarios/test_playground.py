"""The playground in a real browser, against a real server."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, expect

from recipeline.config.profile import Service as Settings
from recipeline.inference.interval import Interval
from recipeline.inference.model_info import ModelInfo, Target
from recipeline.inference.prediction_set import PredictionSet
from recipeline.records import read_record
from recipeline.registry.stages import CHAMPION
from recipeline.registry.versions import Registry
from recipeline.serving.http.app import create_app
from recipeline.serving.model.copies import fetch_version
from recipeline.serving.model.loading import ServedModel, load_copy
from recipeline.serving.prometheus import Metrics
from recipeline.serving.rows.schema import Schema
from recipeline.serving.state import Service
from tests.browser import Tab, needs_chromium, open_tab, serving, start_chromium
from tests.conftest import NAME, Project
from tests.layout import find_faults
from tests.serving.helpers import store_of

pytestmark = [needs_chromium, pytest.mark.xdist_group("browser")]
NASTY = "<img src=x onerror=\"document.title='broken'\">"


class Playground:
    """A service, and tabs of its playground."""

    def __init__(self, browser: Browser, model: ServedModel | None, stack: ExitStack, **settled: Any) -> None:
        self._browser, self._stack = browser, stack
        tokens = settled.pop("tokens", ())
        self.service = Service(NAME, Settings(**settled), Metrics(), tokens)
        self.service.find_registry()
        if model:
            self.service.serve(model)
        self.address = stack.enter_context(serving(create_app(self.service)))

    def open(self, path: str = "/playground", **context: Any) -> Tab:
        opened = self._browser.new_context(reduced_motion="reduce", **context)
        self._stack.callback(opened.close)
        tab = self._stack.enter_context(open_tab(opened, self.address, path))
        if self.service.model and not self.service.tokens and path == "/playground":
            expect(tab.page.locator("#value")).not_to_be_empty()
        return tab

    def predict(self, **changes: Any) -> float:
        """Return what POST /predict says of the sample with some other values."""
        assert self.service.model
        row = {**self.service.model.info.sample, **changes}
        answer = requests.post(f"{self.address}/predict", json=row, timeout=10)
        return float(answer.json()["predictions"][0])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_chromium() as started:
        yield started


@pytest.fixture(scope="module")
def loaded(_trained: Path, wines: Any, tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    """The version that a chain has put into Production."""
    store = store_of(Project(_trained, wines))
    champion = Registry(store, NAME).holder(CHAMPION)
    assert champion is not None
    return load_copy(fetch_version(store, champion, tmp_path_factory.mktemp("copies")))


@pytest.fixture
def play(browser: Browser, loaded: ServedModel) -> Iterator[Callable[..., Playground]]:
    """Serve a model, by default the chain's, with settings of one's own."""
    with ExitStack() as stack:

        def make(model: ServedModel | dict[str, Any] | None = loaded, **settled: Any) -> Playground:
            served = replace(loaded, **model) if isinstance(model, dict) else model
            return Playground(browser, served, stack, **settled)

        yield make


def describe_feature(name: str, **changes: Any) -> dict[str, Any]:
    known = {"name": name, "type": "number", "unit": "", "nullable": False, "min": None, "max": None}
    seen = {"train_min": 0.0, "train_max": 10.0, "quantiles": {"0.05": 1, "0.25": 3, "0.5": 5, "0.75": 7, "0.95": 9}}
    return known | seen | changes


def made_up(*features: dict[str, Any], target: str = "thing", **changes: Any) -> dict[str, Any]:
    """Return a maker of models that sum the features, missing ones as 0."""
    given = {
        "candidate": "Sum",
        "target": {"name": target, "type": "number", "unit": "m", "min": None, "max": None},
        "features": list(features),
        "interval": {"level": 0.8, "method": "constant", "lower": -1.0, "upper": 1.0},
        "sample": {feature["name"]: 5.0 for feature in features},
    } | changes
    info = read_record(ModelInfo, given)
    interval = Interval.restore(info.interval) if info.interval else None
    adds = {"predict": lambda values: np.nansum(values, axis=1), "schema": Schema.of(info)}
    return {"version": "7", "run_id": "r", "info": info, "interval": interval, **adds}


def number_of(found: Locator) -> float:
    return float(found.inner_text().replace("−", "-"))


def slider(page: Page, name: str) -> Locator:
    return page.get_by_role("slider", name=name, exact=True)


def box(page: Page, name: str) -> Locator:
    return page.get_by_role("spinbutton", name=f"{name}, as a number")


def note_of(page: Page, name: str) -> Locator:
    return page.locator("li.control", has=box(page, name)).locator(".rule")


def drop(page: Page, text: str, name: str = "rows.csv") -> None:
    page.locator("#file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": text.encode()})


def as_csv(model: ServedModel, rows: int) -> list[list[str]]:
    """Return a header and the sample repeated, the first feature changed."""
    names = list(model.schema.names)
    sample = model.info.sample
    lines = [[str(sample[name]) for name in names] for _ in range(rows)]
    for place, line in enumerate(lines):
        line[0] = str(sample[names[0]] + place)
    return [names, *lines]


def joined(lines: list[list[str]], separator: str = ",") -> str:
    return "".join(separator.join(line) + "\n" for line in lines)


# --- one row -------------------------------------------------------------------------------------------------------------


def test_it_begins_at_the_sample_and_its_prediction(play: Any, loaded: ServedModel) -> None:
    served = play()
    page = served.open().page
    for feature in loaded.schema.features:
        assert float(box(page, feature.name).input_value()) == pytest.approx(loaded.info.sample[feature.name])
    assert number_of(page.locator("#value")) == pytest.approx(served.predict(), abs=0.006)


def test_a_slider_moved_by_keyboard_gives_the_prediction_that_the_service_gives(play: Any, loaded: ServedModel) -> None:
    served = play()
    page = served.open().page
    name = max(loaded.schema.names, key=lambda name: abs(served.predict(**{name: high_of(loaded, name)}) - served.predict()))
    slider(page, name).press("End")
    expected = served.predict(**{name: high_of(loaded, name)})
    assert abs(expected - served.predict()) > 0.05
    expect(page.locator("#value")).to_have_text(re.compile(re.escape(f"{expected:.2f}")))
    before = float(box(page, name).input_value())
    slider(page, name).press("ArrowLeft")
    after = float(box(page, name).input_value())
    assert after < before
    expect(page.locator("#value")).to_have_text(re.compile(re.escape(f"{served.predict(**{name: after}):.2f}")))


def high_of(model: ServedModel, name: str) -> float:
    return next(feature.high for feature in model.schema.features if feature.name == name)


def test_the_interval_and_the_rounded_grade_are_those_of_the_service(play: Any, loaded: ServedModel) -> None:
    served = play()
    page = served.open().page
    address = f"{served.address}/predict?interval=true&grade=true"
    answer = requests.post(address, json=dict(loaded.info.sample), timeout=10).json()
    low, high = answer["interval"]["lower"][0], answer["interval"]["upper"][0]
    expect(page.locator("#interval")).to_have_text(f"90 % interval {low:.2f} to {high:.2f}")
    expect(page.locator("#grade")).to_have_text(f"rounded {answer['grade'][0]}")


def test_a_value_beyond_the_training_range_can_be_typed_and_the_services_warning_is_beside_it(
    play: Any, loaded: ServedModel
) -> None:
    served = play()
    page = served.open().page
    feature = loaded.schema.features[0]
    box(page, feature.name).fill(str(feature.high + 1))
    expect(note_of(page, feature.name)).to_have_text(feature.trained_on)
    assert number_of(page.locator("#value")) == pytest.approx(served.predict(**{feature.name: feature.high + 1}), abs=0.006)
    box(page, feature.name).fill(str(feature.low))
    expect(note_of(page, feature.name)).to_be_hidden()


def test_a_value_that_the_service_refuses_has_its_rule_beside_it_and_the_prediction_is_marked_old(
    play: Any, loaded: ServedModel
) -> None:
    page = play(out_of_range="reject").open().page
    first, second = loaded.schema.features[:2]
    box(page, first.name).fill("")
    expect(note_of(page, first.name)).to_have_text("must not be null")
    expect(page.locator("#prediction")).to_have_class(re.compile("is-stale"))
    box(page, first.name).fill(str(first.low))
    box(page, second.name).fill(str(second.high + 1))
    expect(note_of(page, second.name)).to_have_text(second.trained_on)
    page.get_by_role("button", name="Back to the sample").click()
    expect(page.locator("#prediction")).not_to_have_class(re.compile("is-stale"))
    expect(page.locator("li.control .rule:visible")).to_have_count(0)


def test_a_missing_value_is_a_tick_where_the_column_allows_it(play: Any) -> None:
    page = play(made_up(describe_feature("a", nullable=True), describe_feature("b"))).open().page
    tick = page.get_by_role("checkbox", name="missing")
    expect(tick).to_have_count(1)
    expect(page.locator("#value")).to_have_text("10.00")
    tick.check()
    expect(page.locator("#value")).to_have_text("5.00")
    slider(page, "a").press("End")
    expect(tick).not_to_be_checked()
    expect(page.locator("#value")).to_have_text("15.00")


def test_a_feature_of_whole_numbers_moves_by_whole_numbers(play: Any) -> None:
    page = play(made_up(describe_feature("a", type="integer"), describe_feature("b"))).open().page
    slider(page, "a").press("ArrowRight")
    expect(box(page, "a")).to_have_value("6")
    expect(page.locator("#value")).to_have_text("11.00")


@pytest.mark.parametrize(
    ("typed", "value"),
    [("0,7", 0.7), ("0.7", 0.7), ("-0,7", -0.7), ("\u22120.7", -0.7), ("0,128", 0.128), ("1,5e1", 15), (" 7 ", 7)],
)
@pytest.mark.parametrize("kind", ["number", "integer"])
def test_a_number_is_read_with_a_decimal_comma_too(play: Any, typed: str, value: float, kind: str) -> None:
    page = play(made_up(describe_feature("a", type=kind), describe_feature("b"))).open().page
    box(page, "a").fill("")
    box(page, "a").press_sequentially(typed)
    expect(box(page, "a")).to_have_value(typed)  # it is not rewritten under the user's fingers
    if kind == "integer" and value % 1:
        expect(note_of(page, "a")).to_have_text("must be a whole number")
    else:
        expect(page.locator("#value")).to_have_text(f"{value + 5:.2f}")


@pytest.mark.parametrize("typed", ["1,234", "1,2,3", "1.2.3", "seven", "0x7", "1e999", "NaN", "-", "٧"])
def test_what_is_no_number_for_sure_is_told_beside_the_field_and_is_not_missing(play: Any, typed: str) -> None:
    tab = play(made_up(describe_feature("a", nullable=True), describe_feature("b"))).open()
    box(tab.page, "a").fill(typed)
    expect(note_of(tab.page, "a")).to_have_text("must be a number")
    expect(tab.page.get_by_role("checkbox", name="missing")).not_to_be_checked()
    expect(tab.page.locator("#prediction")).to_have_class(re.compile("is-stale"))
    slider(tab.page, "a").press("End")
    expect(tab.page.locator("#value")).to_have_text("15.00")
    expect(note_of(tab.page, "a")).to_be_hidden()


def test_the_box_of_a_number_moves_by_steps_with_the_keys(play: Any) -> None:
    page = (
        play(made_up(describe_feature("a", train_max=1000.0), describe_feature("b", train_min=None, train_max=None)))
        .open()
        .page
    )
    box(page, "a").press("ArrowUp")
    expect(box(page, "a")).to_have_value("20")
    box(page, "b").press("ArrowDown")
    expect(page.locator("#value")).to_have_text("24.00")


def test_features_without_a_training_range_have_a_box_only(play: Any) -> None:
    unseen = describe_feature("unseen", train_min=None, train_max=None, quantiles=dict.fromkeys(("0.05", "0.5")))
    page = play(made_up(unseen, describe_feature("still", train_min=5.0, train_max=5.0), describe_feature("b"))).open().page
    expect(page.get_by_role("slider")).to_have_count(1)
    box(page, "unseen").fill("100")
    expect(page.locator("#value")).to_have_text("110.00")
    expect(page.locator("#effects > li")).to_have_count(3)


def test_a_model_without_interval_and_grades_shows_the_prediction_alone(play: Any) -> None:
    page = play(made_up(describe_feature("a"), interval=None)).open().page
    expect(page.locator("#interval")).to_be_empty()
    expect(page.locator("#grade")).to_be_empty()
    expect(page.locator("#scale circle")).to_have_count(1)


# --- what moves it -------------------------------------------------------------------------------------------------------


def with_labels(*labels: Any, task: str = "binary", threshold: float | None = 0.3) -> dict[str, Any]:
    """Return a maker of models of labels, the first feature deciding.

    It moves the first and the last label apart.
    """
    features = [describe_feature("push"), describe_feature("idle")]
    target: dict[str, Any] = {
        "name": "taste",
        "type": "category",
        "unit": "",
        "min": None,
        "max": None,
        "task": task,
        "labels": list(labels),
    }
    target |= {} if threshold is None else {"threshold": threshold}
    made = made_up(*features, target="taste", interval=None) | {"interval": None}
    info = replace(made["info"], target=read_record(Target, target), prediction_set=PredictionSet(0.9, 0.2, 0.93, 50))

    def predict(values: np.ndarray) -> np.ndarray:
        last = np.clip(values[:, 0] / 10, 0, 1)
        if task == "binary":
            return last
        others = np.repeat((1 - last)[:, None] / (len(labels) - 1), len(labels) - 1, axis=1)
        return np.column_stack([others, last])

    return made | {"info": info, "predict": predict}


def shares_of(page: Page) -> dict[str, str]:
    """Return the percentage of each label that is shown."""
    shown = page.locator("#shares li:has(svg)")
    labels, shares = shown.locator(".share-label").all_inner_texts(), shown.locator(".share-text").all_inner_texts()
    return {label.split("\n")[0].strip(): share for label, share in zip(labels, shares, strict=True)}


@pytest.mark.parametrize("labels", [("bad", "good"), (False, True)], ids=["text", "booleans"])
def test_two_classes_are_bars_with_the_decided_label_and_the_threshold(play: Any, labels: tuple[Any, ...]) -> None:
    other, positive = (str(label).lower() for label in labels)
    page = play(with_labels(*labels)).open().page
    expect(page.locator("#value")).to_have_text(positive)
    expect(page.locator("#interval")).to_have_text(f"probability 50.0 % · 90 % set: {other}, {positive}")
    assert shares_of(page) == {other: "50.0 %", positive: "50.0 %"}
    expect(page.locator("#shares .is-said .share-label")).to_contain_text(positive)
    expect(page.locator("#shares .least")).to_have_attribute("x1", "30%")
    expect(page.locator("#scale")).to_be_hidden()
    box(page, "push").fill("2.9")
    expect(page.locator("#value")).to_have_text(other)  # below the threshold, and so above it:
    box(page, "push").fill("3")
    expect(page.locator("#value")).to_have_text(positive)
    assert shares_of(page) == {other: "70.0 %", positive: "30.0 %"}
    note = f"The probability of {positive}. The sample has 0.50, your values 0.30."
    expect(page.locator("#effects-note")).to_contain_text(note)
    expect(page.locator("#effects .effect-name").first).to_have_text("push")
    expect(page.locator("#facts")).to_contain_text("Test labels in the set93 %")
    expect(page.locator("#spoken")).to_contain_text(f"Predicted taste: {positive}, probability 30.0 %")


def test_of_many_classes_the_likeliest_are_shown(play: Any) -> None:
    labels = [f"label {number}" for number in range(10)]
    page = play(with_labels(*labels, task="multiclass", threshold=None)).open().page
    expect(page.locator("#value")).to_have_text("label 9")
    found = shares_of(page)
    assert len(found) == 6
    assert found["label 9"] == "50.0 %"
    expect(page.locator("#shares")).to_contain_text("and 4 less likely labels")
    expect(page.locator("#shares .least")).to_have_count(0)


def test_labels_of_a_file_are_given_back_with_their_probabilities_and_compared_with_its_target(play: Any) -> None:
    page = play(with_labels("bad", "good")).open().page
    with page.expect_download() as began:
        drop(page, "push,idle,taste\n1,5,bad\n5,5,good\n9,5,bad\n")
        expect(page.locator("#file-status")).to_have_text("rows.csv: 3 rows predicted by version 7.")
        page.get_by_role("button", name="Download the scored CSV").click()
    lines = [*csv.reader(io.StringIO(Path(began.value.path()).read_text(encoding="utf-8-sig")))]
    assert lines[0] == ["push", "idle", "taste", "predicted_taste", "probability_bad", "probability_good"]
    assert [line[3] for line in lines[1:]] == ["bad", "good", "good"]
    assert [float(line[5]) for line in lines[1:]] == pytest.approx([0.1, 0.5, 0.9])
    expect(page.locator("#table-note")).to_contain_text("The file's taste is the predicted label in 66.7 % of the rows")


def test_what_a_change_has_moved_stands_on_one_line(play: Any) -> None:
    small = made_up(describe_feature("push")) | {"predict": lambda values: 0.05 * values[:, 0]}
    page = play(small).open(viewport={"width": 375, "height": 800}).page
    box(page, "push").fill("3")
    moved = page.locator("#effects > li", has_text="push").locator(".moved-text")
    expect(moved).to_have_text("−0.100")
    assert moved.evaluate("it => it.offsetHeight <= 1.8 * parseFloat(getComputedStyle(it).fontSize)")


def test_classes_fit_a_phone(play: Any) -> None:
    names = ["Ärger und Verdruss beim Verkosten", "Wohlgefallen ohne jeden Vorbehalt", "sonst"]
    page = play(with_labels(*names, task="multiclass", threshold=None)).open(viewport={"width": 320, "height": 640}).page
    expect(page.locator("#shares li")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    for share in page.locator("#shares .share-text").all():
        bounds = share.bounding_box()
        assert bounds
        assert bounds["x"] + bounds["width"] <= 320


def test_the_features_are_ordered_by_how_far_each_moves_the_prediction_with_one_request(play: Any) -> None:
    wide, narrow = describe_feature("wide"), describe_feature("narrow", train_min=4.0, train_max=6.0)
    tab = play(made_up(narrow, wide)).open()
    items = tab.page.locator("#effects > li")
    expect(items).to_have_count(2)
    assert items.locator(".effect-name").all_inner_texts() == ["wide", "narrow"]
    assert [number_of(item) for item in items.locator(".reach").all()] == [10, 2]
    bodies = [request.post_data_json for request in tab.requests if request.method == "POST"]
    assert sum(isinstance(body, list) for body in bodies) == 1


def test_each_features_change_from_the_sample_has_its_effect(play: Any) -> None:
    page = play(made_up(describe_feature("first"), describe_feature("second"))).open().page
    box(page, "first").fill("7")
    expect(page.locator("#effects > li", has_text="first").locator(".moved-text")).to_have_text("+2.0")
    expect(page.locator("#effects > li", has_text="second").locator(".moved-text")).to_have_text("–")
    expect(page.locator("#effects-note")).to_contain_text("The sample has 10.0, your values 12.0.")


def test_a_curves_point_is_at_the_current_value(play: Any) -> None:
    page = play(made_up(describe_feature("a"))).open().page
    box(page, "a").fill("2.5")
    expect(page.locator("#effects .now")).to_have_attribute("cx", "25%")
    page.locator("#effects .effect-name").click()
    expect(slider(page, "a")).to_be_focused()


# --- many rows -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_files_rows_are_predicted_whatever_separates_its_cells(play: Any, loaded: ServedModel, separator: str) -> None:
    served = play()
    page = served.open().page
    lines = as_csv(loaded, 3)
    drop(page, joined(lines, separator))
    expect(page.locator("#file-status")).to_contain_text("3 rows predicted by version 1")
    first = loaded.schema.names[0]
    shown = [number_of(row.locator("td").first) for row in page.locator("#table tbody tr").all()]
    assert shown == [pytest.approx(served.predict(**{first: float(line[0])}), abs=0.006) for line in lines[1:]]


def test_faults_of_a_file_are_shown_in_their_row_and_column_and_the_other_rows_can_be_predicted(
    play: Any, loaded: ServedModel
) -> None:
    page = play().open().page
    lines = as_csv(loaded, 4)
    lines[2][1], lines[4][2] = "a lot", ""
    drop(page, joined(lines))
    expect(page.locator("#file-status")).to_contain_text("2 faults in 2 rows")
    rows = page.locator("#table tbody tr")
    assert [row.get_attribute("class") for row in rows.all()] == [None, "fault", None, "fault"]
    faulty = page.locator("#table td.fault")
    assert [re.sub(r"\s+", " ", text) for text in faulty.all_inner_texts()] == ["a lot must be a number", "must not be null"]
    assert page.locator("#table thead .fault").all_inner_texts() == list(loaded.schema.names[1:3])
    page.get_by_role("button", name="Leave 2 rows out, predict the 2 others").click()
    expect(page.locator("#file-status")).to_contain_text("2 rows predicted by version 1. 2 rows left out.")


def test_the_scored_file_is_the_file_with_further_columns(play: Any, loaded: ServedModel) -> None:
    served = play()
    page = served.open().page
    lines = as_csv(loaded, 2)
    lines = [[*line, extra] for line, extra in zip(lines, ["note", 'say "a;b"', ""], strict=True)]
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows(lines)
    drop(page, text.getvalue(), "my rows.csv")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the scored CSV").click()
    assert download.value.suggested_filename == "my rows-scored.csv"
    scored = list(csv.reader(download.value.path().read_text(encoding="utf-8").splitlines(), delimiter=";"))
    assert [line[: len(lines[0])] for line in scored] == lines
    assert scored[0][len(lines[0]) :] == ["predicted_quality", "lower_90", "upper_90", "grade"]
    assert float(scored[1][len(lines[0])]) == served.predict()


def test_a_file_may_have_the_names_that_the_recipe_renames_and_keeps_them(play: Any) -> None:
    csv = {"encoding": "utf-8", "separator": "", "rename": {"A 1": "a"}}
    page = play(made_up(describe_feature("a"), describe_feature("b"), csv=csv)).open().page
    drop(page, "A 1;b\n3;4\n", "rows.csv")
    expect(page.locator("#file-status")).to_contain_text("1 row predicted")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the scored CSV").click()
    header, row = download.value.path().read_text(encoding="utf-8").splitlines()
    assert (header.split(";")[:3], row.split(";")[:3]) == (["A 1", "b", "predicted_thing"], ["3", "4", "7"])
    drop(page, "A 1;b;a\n3;4;5\n", "rows.csv")
    expect(page.locator("#file-faults")).to_contain_text("a: must be unique")


def test_columns_that_the_model_does_not_take_are_left_aside(play: Any, loaded: ServedModel) -> None:
    page = play().open().page
    drop(page, joined([[*line, "x"] for line in as_csv(loaded, 1)]))
    expect(page.locator("#file-status")).to_contain_text("1 row predicted")
    expect(page.locator("#table th.unused")).to_contain_text("not used by the model")


def test_a_column_that_is_missing_is_told_with_the_services_guess(play: Any, loaded: ServedModel) -> None:
    page = play().open().page
    lines = as_csv(loaded, 1)
    right, lines[0][0] = lines[0][0], lines[0][0][:-1]
    drop(page, joined(lines))
    expect(page.locator("#table th.absent")).to_contain_text(right)
    expect(page.locator("#table td.fault").filter(has_text=f"Did you mean '{right}'")).to_have_count(1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "must have a line of column names and at least one row", id="empty"),
        pytest.param("a,a\n1,2\n", "a: must be unique", id="twice"),
        pytest.param("a,b\n1\n", "must have 2 cells", id="short"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_place(play: Any, text: str, said: str) -> None:
    tab = play().open()
    drop(tab.page, text)
    expect(tab.page.locator(".batch")).to_contain_text(said)
    assert not [request for request in tab.requests if request.method == "POST" and '"a"' in (request.post_data or "")]


def test_a_file_can_be_dropped(play: Any) -> None:
    page = play(made_up(describe_feature("a"))).open().page
    page.evaluate("""() => {
        const data = new DataTransfer();
        data.items.add(new File(["a\\n1\\n2\\n"], "dropped.csv"));
        document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
    }""")
    expect(page.locator("#file-status")).to_contain_text("dropped.csv: 2 rows predicted by version 7")


# --- columns of every kind -----------------------------------------------------------------------------------------------

YEAR = {"train_min": 1704067200.0, "train_max": 1735603200.0}  # 2024, from its first to its last day
HALF = {"quantiles": dict.fromkeys(("0.05", "0.25", "0.5", "0.75", "0.95"), 1719835200.5)}
PORTS = [f"port {number:02}" for number in range(40)]
TYPED = {
    "city": {"type": "category", "nullable": True, "categories": ["007", "Cork", "Kiel"], "counts": [1, 5, 3]},
    "plan": {"type": "category", "categories": ["basic", "plus"], "counts": [5, 4], "values": ["basic", "plus", "pro"]},
    "port": {"type": "category", "categories": PORTS, "counts": [*range(40)]},
    "day": {"type": "datetime", "has_time": False, "nullable": True, **YEAR, **HALF},
    "moment": {"type": "datetime", "has_time": True, **YEAR, **HALF},
    "night": {"type": "boolean", "nullable": True, "train_min": 0.0, "train_max": 1.0},
    "km": {"unit": "km"},
    "new": {"type": "duration", "nullable": True, "train_min": None, "train_max": None},
}
SAMPLE = {
    **{"city": "Kiel", "plan": "basic", "port": "port 07", "day": "2024-07-01", "moment": "2024-07-01T09:30:00.123456"},
    **{"night": False, "km": 5, "new": None},
}
#: What a feature's code counts for: days, half days, and tens of others.
WEIGHTS = np.array([10, 10, 10, 1 / 86_400, 0.5 / 86_400, 10, 1, 1])


def typed_model(loaded: ServedModel) -> ServedModel:
    """Return a model with a column of each kind, which adds their codes up."""
    features = [describe_feature(name, **rules) for name, rules in TYPED.items()]
    for feature in features:
        if "categories" in feature:
            feature["train_max"] = len(feature["categories"]) - 1.0
    since = np.array([0, 0, 0, YEAR["train_min"], YEAR["train_min"], 0, 0, 0])
    model = replace(loaded, **made_up(*features, sample=SAMPLE, interval=None))
    return replace(model, predict=lambda codes: np.nansum((codes - since) * WEIGHTS, axis=1))


@pytest.fixture(scope="module")
def typed(browser: Browser, loaded: ServedModel) -> Iterator[Playground]:
    """A service of a column of each kind."""
    with ExitStack() as stack:
        yield Playground(browser, typed_model(loaded), stack)


@pytest.fixture
def tab(typed: Playground) -> Iterator[Tab]:
    opened = typed.open()
    yield opened
    opened.page.close()


def sent(tab: Tab) -> Any:
    """Return the row that was asked about last."""
    return [it.post_data_json for it in tab.requests if it.method == "POST" and isinstance(it.post_data_json, dict)][-1]


def expect_sent(tab: Tab, **changes: Any) -> None:
    """Wait until the sample with these values is asked about."""
    wanted = SAMPLE | changes
    for _ in range(100):
        if sent(tab) == wanted:
            break
        tab.page.wait_for_timeout(50)
    assert sent(tab) == wanted
    assert {name: type(value) for name, value in sent(tab).items()} == {name: type(wanted[name]) for name in wanted}


def control(page: Page, name: str) -> Locator:
    """Return the control of a feature: the input that its name belongs to."""
    return page.locator("#controls").get_by_label(name, exact=True)


def test_every_kind_has_its_control_and_what_is_set_is_sent_as_the_service_takes_it(tab: Tab) -> None:
    page = tab.page
    expect_sent(tab)
    changed: dict[str, Any] = {}
    steps: list[tuple[str, Callable[[Any], object], Any]] = [
        ("city", lambda it: it.select_option("007"), "007"),
        ("plan", lambda it: it.select_option("pro"), "pro"),
        ("port", lambda it: it.fill("port 39"), "port 39"),
        ("night", lambda it: it.press("Space"), True),
        ("day", lambda it: it.press("ArrowRight"), "2024-07-02"),
        ("moment", lambda it: it.press("End"), "2024-12-31"),
        ("km", lambda it: it.press("End"), 10),
        ("new", lambda it: it.fill("soon"), "soon"),
        ("new", lambda it: it.fill("1.5"), 1.5),
    ]
    for name, change, value in steps:
        change(control(page, name))
        changed[name] = value
        expect_sent(tab, **changed)
    page.get_by_role("button", name="Back to the sample").click()
    expect_sent(tab)


def test_a_date_that_is_typed_is_sent_as_iso_8601(tab: Tab) -> None:
    for name, text, value in (
        ("day", "0999-02-28", "0999-02-28"),
        ("moment", "1969-12-31T23:59:59", "1969-12-31T23:59:59"),
        ("moment", "2024-02-29T00:00", "2024-02-29"),
    ):
        tab.page.get_by_label(f"{name}, as a date").fill(text)
        expect_sent(tab, **{name: value})
        tab.page.get_by_role("button", name="Back to the sample").click()


def test_another_category_can_be_typed_and_the_services_warning_is_beside_it(tab: Tab) -> None:
    page = tab.page
    other = page.get_by_label("city, another value")
    expect(other).to_be_hidden()
    control(page, "city").select_option("another value …")
    expect(other).to_be_focused()
    other.fill("Atlantis")
    expect_sent(tab, city="Atlantis")
    expect(page.locator("li.control", has=other).locator(".rule")).to_have_text("trained on 007, Cork, Kiel")
    expect(control(page, "plan").locator("option")).to_have_text(["basic", "plus", "pro"])  # the recipe allows no other
    assert page.locator("#list-2 option").count() == len(PORTS)


def test_a_missing_value_of_each_kind_is_sent_as_null_and_unticked_for_a_frequent_one(tab: Tab) -> None:
    for name, frequent in (("city", "Cork"), ("day", "2024-07-01"), ("night", True)):
        tick = tab.page.get_by_role("checkbox", name=f"{name}: missing")
        tick.check()
        expect_sent(tab, **{name: None})
        tick.uncheck()
        expect_sent(tab, **{name: frequent})
        tab.page.get_by_role("button", name="Back to the sample").click()


def test_dates_move_the_prediction_along_a_curve_and_categories_by_bars(tab: Tab) -> None:
    items = tab.page.locator("#effects > li")
    expect(items).to_have_count(len(TYPED))
    spans = {it.locator(".effect-name").inner_text(): number_of(it.locator(".reach")) for it in items.all()}
    assert spans == pytest.approx(
        {"day": 365, "moment": 182.5, "port": 320, "city": 20, "plan": 10, "night": 10, "km": 10, "new": 0}, abs=0.6
    )
    bars = {it.locator(".effect-name").inner_text(): it.locator(".bar").count() for it in items.all()}
    assert bars == {"day": 0, "moment": 0, "port": 13, "city": 3, "plan": 2, "night": 2, "km": 0, "new": 0}
    city = items.filter(has=tab.page.get_by_role("button", name="city", exact=True))
    expect(city.locator(".names span")).to_have_text(["007", "Cork", "Kiel"])
    for bar, name in zip(city.locator(".bar").all(), city.locator(".names span").all(), strict=True):
        above, below = bar.bounding_box(), name.bounding_box()
        assert above
        assert below
        assert above["x"] + above["width"] / 2 == pytest.approx(below["x"] + below["width"] / 2, abs=1)
    port = items.filter(has=tab.page.get_by_role("button", name="port", exact=True))  # too many to be named
    expect(port.locator(".extremes span")).to_have_text(["least: port 07", "most: port 39"])
    assert re.match(
        r"city: thing is \S+ at 007, \S+ at Cork, \S+ at Kiel$", city.locator("svg[role=img]").get_attribute("aria-label") or ""
    )
    day = items.filter(has=tab.page.get_by_role("button", name="day", exact=True))
    expect(day.locator("polyline")).to_have_count(1)
    assert (day.locator("svg[role=img]").get_attribute("aria-label") or "").endswith(" at 2024-12-31")
    expect(day.locator(".now")).to_have_attribute("cx", re.compile(r"^49\.8"))


def test_text_of_a_file_stays_text_and_faults_are_in_their_cells(tab: Tab, typed: Playground) -> None:
    lines = [
        list(TYPED),
        ["007", "plus", "port 01", "2024-05-01", "2024-05-01 10:00", "yes", "5", ""],
        ["", "plus", "Elsewhere", "", "2024-05-01T10:00:00Z", "0", "5", ""],
        ["7", "gold", "port 01", "soon", "2024", "maybe", "x", ""],
    ]
    drop(tab.page, joined(lines[:3]))
    expect(tab.page.locator("#file-status")).to_contain_text(
        "2 rows predicted by version 7. 1 row has values that the model was not"
    )
    rows = [
        {"city": "007", "plan": "plus", "port": "port 01", "day": "2024-05-01", "moment": "2024-05-01T10:00:00", "night": True},
        {"city": None, "plan": "plus", "port": "Elsewhere", "day": None, "moment": "2024-05-01T10:00:00", "night": False},
    ]
    shown = [number_of(row.locator("td").first) for row in tab.page.locator("#table tbody tr").all()]
    assert shown == pytest.approx([typed.predict(**row) for row in rows], abs=0.6)
    drop(tab.page, joined(lines))
    expect(tab.page.locator("#file-status")).to_contain_text("5 faults in 1 row")
    assert (
        tab.page.locator("#table td.fault").evaluate_all("nodes => nodes.map((node) => node.firstChild.data)")
        == lines[3][1:2] + lines[3][3:7]
    )


@pytest.mark.parametrize("width", [1280, 375])
def test_a_files_words_stand_to_the_left_and_no_part_of_its_table_is_hidden_without_a_word(
    typed: Playground, width: int
) -> None:
    page = typed.open(viewport={"width": width, "height": 800}).page
    header = [*TYPED, "thing", "note"]
    row = ["007", "plus", "port 01", "2024-05-01", "2024-05-01 10:00", "yes", "5", "", "1", "words that nobody asked for"]
    drop(page, joined([header, row, row]))
    expect(page.locator("#file-status")).to_contain_text("2 rows predicted")
    sides = "all => all.map(it => [it.firstChild.textContent, getComputedStyle(it).textAlign])"
    left = {name for name, side in page.locator("#table thead th").evaluate_all(sides) if side == "left"}
    assert left == {"city", "plan", "port", "day", "moment", "night", "new", "note"}
    assert page.locator("#table tbody td.words").count() == 2 * len(left)
    assert find_faults(page) == []
    frame, more = page.locator("#table-frame"), page.locator(".table-box.more")
    if frame.evaluate("it => it.scrollWidth > it.clientWidth"):
        expect(more).to_have_count(1)
        frame.evaluate("it => it.scrollTo(9999, 0)")
        edges = [it.evaluate("it => it.getBoundingClientRect().left") for it in (frame, page.locator("#table tbody th").first)]
        assert edges[0] == pytest.approx(edges[1], abs=2)  # the row's number stays
    else:
        assert width == 1280
    expect(more).to_have_count(0)


def test_controls_of_every_kind_have_names_fit_a_phone_and_are_reached_by_keyboard(typed: Playground) -> None:
    tab = typed.open(viewport={"width": 360, "height": 740})
    page = tab.page
    control(page, "city").select_option("another value …")
    expect(page.locator("#effects > li")).to_have_count(len(TYPED))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    inputs = page.locator("#controls").locator("input:visible, select:visible")
    names = inputs.evaluate_all("nodes => nodes.map((node) => node.ariaLabel ?? node.labels[0]?.textContent)")
    assert all(names)
    assert len(set(names)) == len(names)
    reached = set()
    page.locator("#reset").focus()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.ariaLabel"))
    assert set(inputs.evaluate_all("nodes => nodes.map((node) => node.id || node.ariaLabel)")) <= reached
    page.close()


def test_a_promotion_keeps_values_of_columns_whose_type_stays(play: Any, loaded: ServedModel) -> None:
    served = play(typed_model(loaded))
    page = served.open().page
    control(page, "city").select_option("Cork")
    control(page, "night").check()
    numbers = {"type": "number", "train_min": 0.0, "train_max": 1.0}
    after = typed_model(loaded)
    features = [replace(it, **numbers) if it.name == "night" else it for it in after.info.features]
    info = replace(after.info, features=tuple(features), sample=SAMPLE | {"night": 0.25})
    served.service.serve(replace(after, version="8", run_id="s", info=info, schema=Schema.of(info)))
    expect(page.locator("#news")).to_contain_text("Version 8 is served now")
    expect(control(page, "city")).to_have_value("Cork")
    expect(box(page, "night")).to_have_value("0.25")


# --- the service changes -------------------------------------------------------------------------------------------------


def test_a_promotion_while_the_page_is_open_is_told_and_followed(play: Any, loaded: ServedModel) -> None:
    served = play()
    page = served.open().page
    name, value = loaded.schema.names[0], str(loaded.schema.features[0].low)
    box(page, name).fill(value)
    info = replace(loaded.info, candidate="Another")
    served.service.serve(
        replace(loaded, version="2", run_id="other", info=info, predict=lambda values: np.full(len(values), 4.25))
    )
    expect(page.locator("#news")).to_contain_text("Version 2 is served now; before it was version 1")
    expect(page.locator("#facts")).to_contain_text("Another")
    expect(page.locator("#value")).to_have_text("4.25")
    expect(box(page, name)).to_have_value(value)


def test_without_a_model_the_page_says_what_to_do_and_begins_once_there_is_one(play: Any, loaded: ServedModel) -> None:
    served = play(None)
    page = served.open().page
    expect(page.locator("#problem")).to_contain_text("make pipeline")
    expect(page.locator("main")).to_be_hidden()
    served.service.serve(loaded)
    expect(page.locator("#value")).not_to_be_empty()
    expect(page.locator("#problem")).to_be_empty()


def test_a_service_that_asks_for_a_token_gets_it_from_a_field_and_the_page_forgets_it(play: Any) -> None:
    page = play(tokens=("secret",)).open().page
    token = page.get_by_label("Token")
    expect(token).to_be_focused()
    token.fill("wrong")
    token.press("Enter")
    expect(page.locator("#token-note")).to_have_text("The service does not know this token.")
    token.fill("secret")
    token.press("Enter")
    expect(page.locator("#value")).not_to_be_empty()
    expect(token).to_be_hidden()
    assert "secret" not in str(page.evaluate("[JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie]"))
    page.reload()
    expect(token).to_be_visible()


def test_a_model_of_synthetic_rows_has_a_banner(play: Any, loaded: ServedModel) -> None:
    expect(play().open().page.locator("#synthetic")).to_be_hidden()
    synthetic = replace(loaded, tags=loaded.tags | {"recipeline.data_source": "synthetic"})
    expect(play(synthetic).open().page.locator("#synthetic")).to_contain_text("Synthetic data.")


# --- for everybody -------------------------------------------------------------------------------------------------------


def background(page: Page) -> int:
    """Return how light the page's ground is, 0 to 255."""
    channels = re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))
    return sum(map(int, channels[:3])) // 3


def test_it_is_light_or_dark_as_the_system_is_and_as_the_button_says(play: Any) -> None:
    served = play()
    light, dark = (served.open(color_scheme=scheme).page for scheme in ("light", "dark"))
    assert background(light) > 200
    assert background(dark) < 60
    light.get_by_role("button", name="Change to dark colours").click()
    assert background(light) < 60
    light.reload()
    assert background(light) < 60


def test_a_narrow_phone_scrolls_down_only(play: Any, loaded: ServedModel) -> None:
    page = play().open(viewport={"width": 360, "height": 740}).page
    lines = as_csv(loaded, 2)
    lines[1][0] = "a lot"
    drop(page, joined(lines))
    expect(page.locator("#table td.fault")).to_be_visible()
    expect(page.locator("#effects > li")).to_have_count(len(loaded.schema.names))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_every_input_and_button_has_a_name_of_its_own(play: Any) -> None:
    page = play(made_up(describe_feature("a", nullable=True), describe_feature("b"))).open().page
    nameless = page.evaluate("""() => [...document.querySelectorAll("input, button, [tabindex], svg[role]")]
        .filter((node) => !node.closest("[hidden]") && !(node.labels?.length || node.ariaLabel || node.textContent.trim()))
        .map((node) => node.outerHTML)""")
    assert nameless == []


def test_the_keyboard_reaches_every_control_is_seen_there_and_comes_out_again(play: Any, loaded: ServedModel) -> None:
    page = play().open().page
    expect(page.locator("#effects > li")).to_have_count(len(loaded.schema.names))
    reached, unseen = [], []
    for _ in range(100):
        page.keyboard.press("Tab")
        at = page.evaluate("""() => {
            const node = document.activeElement;
            const shown = node.id === "file" ? node.nextElementSibling : node;
            return [node.id || node.className || node.tagName, getComputedStyle(shown).outlineStyle];
        }""")
        if at[0] == "BODY":
            break
        reached.append(at[0])
        unseen += [at[0]] if at[1] == "none" else []
    count = len(loaded.schema.names)
    assert {f"slider-{place}" for place in range(count)} | {f"box-{place}" for place in range(count)} <= set(reached)
    assert {"theme", "reset", "file", "effect-name"} <= set(reached)
    assert unseen == []


def test_the_prediction_is_said_to_those_who_listen_once_nothing_moves(play: Any, loaded: ServedModel) -> None:
    page = play().open().page
    spoken = page.locator("#spoken")
    expect(spoken).to_have_attribute("role", "status")
    expect(spoken).to_have_text(re.compile(r"^Predicted quality: \d\.\d+, grade, 90 % interval .* to .*, rounded \d$"))
    box(page, loaded.schema.names[0]).fill("")
    expect(spoken).to_have_text("A value cannot be used. See its field.")


def test_html_in_names_and_cells_stays_text(play: Any) -> None:
    nasty = made_up(describe_feature(NASTY, unit=NASTY), describe_feature("__proto__"), target=NASTY, candidate=NASTY)
    page = play(nasty).open().page
    expect(page.locator("#effects > li")).to_have_count(2)
    expect(page.locator("#target-name")).to_have_text(NASTY)
    expect(slider(page, NASTY)).to_be_visible()
    quoted = '"' + NASTY.replace('"', '""') + '"'
    drop(page, f"{quoted},__proto__\n1,2\n{quoted},3\n", f"{NASTY}.csv")
    expect(page.locator("#table td.fault")).to_contain_text(NASTY)
    assert page.locator("img").count() == 0
    assert "broken" not in page.title()


def test_the_api_page_shows_the_models_columns_and_asks_nobody_else(play: Any) -> None:
    page = play().open("/docs").page
    expect(page.locator(".info")).to_contain_text(NAME)
    page.set_viewport_size({"width": 240, "height": 800})
    title = page.locator(".info .title")
    expect(title).to_contain_text(NAME)
    assert title.evaluate("it => it.scrollWidth <= it.clientWidth")
    page.set_viewport_size({"width": 1280, "height": 800})
    page.locator("#operations-predictions-predict .opblock-summary-control").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator("#operations-predictions-predict .live-responses-table")).to_contain_text('"predictions"')


def test_the_api_page_reads_the_columns_once_it_has_the_token(play: Any) -> None:
    page = play(tokens=("secret",)).open("/docs").page
    expect(page.locator(".info")).to_contain_text("The model's columns are not told")
    page.locator(".auth-wrapper .authorize").click()
    page.locator(".modal-ux input").fill("secret")
    page.locator(".modal-ux button.authorize").click()
    expect(page.locator(".info")).to_contain_text("Version 1")
