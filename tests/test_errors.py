from __future__ import annotations

import copy
import pickle

import pandas as pd
import pytest

from recipeline.data.checking.schema import SchemaViolations
from recipeline.errors import (
    DataError,
    RecipelineError,
    UnavailableError,
    UsageError,
    causes,
    failed_in,
    guess,
    nearest,
    run_of,
)


def test_a_failure_is_the_rule_what_was_got_and_what_to_do_in_one_sentence() -> None:
    error = RecipelineError("The rows must be good.", got="bad ones", fix="Correct them.", details=["row 1", "row 2"])
    assert error.sentence == "The rows must be good. Got bad ones instead. Correct them."
    assert str(error) == f"{error.sentence}\n  row 1\n  row 2"
    assert RecipelineError("The rows must be good.").sentence == "The rows must be good."
    assert "Got 0 instead" in RecipelineError("There must be rows.", got=0).sentence


@pytest.mark.parametrize(("kind", "code"), [(UsageError, 2), (DataError, 3), (UnavailableError, 6), (RecipelineError, 1)])
def test_every_kind_of_failure_has_its_exit_code(kind: type[RecipelineError], code: int) -> None:
    assert kind("a").exit_code == code


def test_the_nearest_word_is_guessed_whatever_its_case_and_none_where_none_is_near() -> None:
    assert guess("PRODUCTON", ["Staging", "Production"]) == "Did you mean 'Production'? "
    assert guess("xyz", ["Staging", "Production"]) == ""
    assert guess("xyz", []) == ""
    assert nearest("stagin", iter(["Staging", "Production"])) == "Did you mean 'Staging'? Known: Staging, Production."


def test_errors_that_lead_to_each_other_in_a_circle_come_to_an_end() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__context__ = second, first
    assert list(causes(first)) == [first, second]


def test_an_error_names_the_outermost_run_that_it_ended_also_through_the_errors_that_it_causes() -> None:
    assert run_of(ValueError()) == ""
    error = ValueError("inner")
    failed_in(error, "step")
    failed_in(error, "main")
    failed_in(error, "")  # a run that could not be opened
    assert run_of(error) == "main"
    outer = UsageError("outer")
    outer.__cause__ = error
    assert run_of(outer) == "main"


@pytest.mark.parametrize(
    "error",
    [
        UsageError("x must be 1.", got=2, fix="Correct it.", details=["a", "b"]),
        SchemaViolations(pd.DataFrame({"row": [1]}), "a.csv", ["pH: too high"], 1),
        UnavailableError("No run."),
    ],
    ids=["usage", "violations", "unavailable"],
)
def test_a_failure_comes_back_whole_from_another_process(error: RecipelineError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert (str(again), again.sentence, again.details) == (str(error), error.sentence, error.details)


def test_names_in_a_failure_are_replaced_by_others() -> None:
    error = DataError("/tmp/a has no rows.", got="/tmp/a", details=["/tmp/a: row 1"])
    error.rename({"/tmp/a": "it"})
    assert str(error) == "it has no rows. Got it instead.\n  it: row 1"
    assert (error.sentence, error.details) == ("it has no rows. Got it instead.", ("it: row 1",))
