from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from recipeline.cli.options import (
    _settings,
    cache_option,
    check_path,
    check_rows,
    choose_word,
    data_option,
    make_line,
    method_option,
    model_option,
    parse_switch,
    promote_option,
    session_options,
)
from recipeline.errors import DataError, UsageError
from tests.conftest import ROOT, find_command, small_recipe


def line_within(recipe: str, profile: str, **parameters: str) -> str:
    """Return the line that a command with this recipe and profile shows."""
    with click.Context(click.Command("main")) as context:
        context.params = {"recipe": recipe, "profile": profile, "data": "x.csv"}
        return make_line("promote", **parameters)


@given(st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=20), st.sampled_from(["local", "server"]))
def test_a_line_to_go_on_with_names_the_recipe_and_the_profile_as_they_were_given(recipe: str, profile: str) -> None:
    words = shlex.split(line_within(recipe, profile, promote="always"))
    assert words[:2] == ["make", "promote"]
    name, _, value = words[2].partition("=")
    pairs = dict(pair.split("=", 1) for pair in shlex.split(value.replace("$$", "$")))  # make's $, then that of scripts/step
    expected = {"recipe": recipe, "profile": profile, "promote": "always"}
    defaults = {"recipe": "recipe.yaml", "profile": "local"}
    assert (name, pairs) == ("ARGS", {key: it for key, it in expected.items() if it != defaults.get(key)})


def test_a_line_to_go_on_with_is_short_where_nothing_was_given() -> None:
    assert make_line("approve") == "make approve"
    assert line_within("recipe.yaml", "local") == "make promote"
    assert line_within("loans.yaml", "local") == 'make promote ARGS="recipe=loans.yaml"'


@pytest.mark.parametrize(
    ("word", "default", "chosen"),
    [("", "", "add"), ("", "replace", "replace"), ("replace", "", "replace"), ("add", "x", "add")],
)
def test_an_empty_word_is_the_default_and_else_the_first_that_is_known(word: str, default: str, chosen: str) -> None:
    assert choose_word("mode", word, ("add", "replace"), default=default) == chosen


@pytest.mark.parametrize(
    ("known", "rule"), [(("add", "replace"), "mode must be add or replace."), (("a", "b", "c"), "mode must be one of a, b, c.")]
)
def test_a_word_that_is_not_known_is_refused_with_those_that_are(known: tuple[str, ...], rule: str) -> None:
    with pytest.raises(UsageError) as error:
        choose_word("mode", "repalce", known)
    assert error.value.sentence.startswith(f"{rule} Got 'repalce' instead.")
    assert f"Known: {', '.join(known)}." in error.value.sentence


def test_the_nearest_known_word_is_guessed() -> None:
    with pytest.raises(UsageError, match=r"Did you mean 'replace'\?"):
        choose_word("mode", "repalce", ("add", "replace"))


@pytest.mark.parametrize(
    ("word", "default", "is_on"), [("on", False, True), ("off", True, False), ("", True, True), ("", False, False)]
)
def test_a_switch_is_on_or_off_and_empty_its_default(word: str, default: bool, is_on: bool) -> None:
    assert parse_switch("dry_run", word, default=default) is is_on


@pytest.mark.parametrize("word", ["ON", "yes", "1", " "])
def test_any_other_word_is_no_switch(word: str) -> None:
    with pytest.raises(UsageError, match=r"dry_run must be on or off\. Got "):
        parse_switch("dry_run", word, default=True)


def test_every_entry_point_has_a_recipe_and_a_profile() -> None:
    @click.command()
    @session_options
    def show(recipe: str, profile: str) -> None:
        click.echo(f"{recipe} {profile}")

    assert CliRunner().invoke(show, []).stdout == "recipe.yaml local\n"
    assert CliRunner().invoke(show, ["--profile", "ci", "--recipe", "a.yaml"]).stdout == "a.yaml ci\n"


@pytest.mark.parametrize(
    "data",
    [
        *("", "auto", "uci", "synthetic", "https://host/a.csv", "s3://b/a.csv", "file:/none.csv", "~/a.csv", "there.csv"),
        *("http:/user:secret@host/a.csv", "s3:/b/a.csv", "runs:/0/a.csv"),
    ],
)
def test_data_that_may_be_there_is_left_to_the_command(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.csv").touch()
    assert check_path(None, None, data) == data


@pytest.mark.parametrize("data", ["a.csv", "./auto", "/none/a", "folder/a.parquet", "a.csv.gz", f"{'x' * 300}.csv"])
def test_a_path_that_is_not_there_is_refused_but_under_mlflow_run(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="which does not exist"):
        check_path(None, None, data)
    monkeypatch.setenv("MLFLOW_RUN_ID", "0123")
    assert check_path(None, None, data) == data


@pytest.mark.parametrize("rows", ["a.csv", "auto", "a.jsonl", "/none/a", "folder/a.parquet", f"{'x' * 300}.csv"])
def test_rows_that_are_not_there_are_refused_under_the_name_of_their_option(
    rows: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"labels must be an existing file .*, which does not exist,"):
        check_rows(None, click.Option(["--labels"]), rows)
    for other in ("", ".", "http:/user:secret@host/a.csv", "s3://b/a.csv", "~/a.csv"):
        assert check_rows(None, click.Option(["--labels"]), other) == other


def words_of_choices() -> dict[str, set[str]]:
    """Return the options that take words of a list, with commands or steps."""
    found: dict[str, set[str]] = {}
    for folder in ("recipeline/commands", "steps"):
        for path in (ROOT / folder).glob("*.py"):
            names = re.findall(r'(?:choose_word|parse_switch)\("(\w+)", \w+', path.read_text(encoding="utf-8"))
            found.setdefault(path.stem, set()).update(names)
    return {name: names for name, names in found.items() if names}


def test_help_shows_the_words_of_each_option_that_takes_no_others() -> None:
    choices = words_of_choices()
    assert choices["monitor"] == {"fail_on", "on_drift"}
    assert {"serve", "predict", "prune", "report", "retrain", "main", "promote"} <= {*choices}
    for name, options in choices.items():
        context = click.Context(find_command(name))
        shown = {it.name: it.make_metavar(context) for it in context.command.params}
        assert all("|" in shown[option] for option in options), (name, shown)


@pytest.fixture
def helped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Return the help of a command with every option that has a setting.

    In a project of its own.
    """

    @click.command()
    @data_option
    @method_option("--split")
    @model_option
    @cache_option
    @promote_option
    def command(**_: str) -> None:
        """Do something."""

    (tmp_path / "MLproject").touch()
    (tmp_path / "profiles").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def show() -> str:
        _settings.cache_clear()
        text = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
        _settings.cache_clear()
        return text

    return show


def test_help_shows_choices_and_the_settings_of_the_project_that_it_is_typed_in(
    tmp_path: Path, helped: Callable[[], str]
) -> None:
    content = small_recipe() | {"split": {"method": "random"}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    profile = {"store": {"tracking_uri": "sqlite:///x.db"}, "data": "https://me:secret@host.example/a.csv", "promote": "manual"}
    (tmp_path / "profiles/local.yaml").write_text(yaml.safe_dump(profile | {"cache": False}), encoding="utf-8")
    text = helped()
    for choices in ("--split grouped|random", "--cache on|off", "--promote auto|manual|never|always"):
        assert choices in text
    for default in ("the recipe's: random", "the profile's: off", "the profile's: manual", "the profile's: a URI"):
        assert f"[default: ({default})]" in text
    assert all(f"{name} ({it['alias']})" in text for name, it in content["candidates"].items())
    assert "secret" not in text


def test_help_is_there_without_a_project_and_where_its_files_have_faults(tmp_path: Path, helped: Callable[[], str]) -> None:
    assert "[default: (the profile's)]" in helped()
    (tmp_path / "recipe.yaml").write_text("targt: x", encoding="utf-8")
    assert "[default: (the recipe's)]" in helped()
