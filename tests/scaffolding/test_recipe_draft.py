"""A drafted recipe is one that loads, and takes the table it was drafted from."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recipeline.config.recipe import load_recipe
from recipeline.config.table import RESERVED_COLUMNS, is_reserved
from recipeline.data.checking.schema import validate_table
from recipeline.data.reading.formats import Format
from recipeline.errors import DataError, UsageError
from recipeline.scaffolding.recipe_draft import draft_recipe, find_doubt, list_ignored, state_format
from recipeline.training.candidates import build_candidate
from recipeline.training.trial import find_faults
from tests.tables import opened

NAMES = st.text(
    st.characters(exclude_categories=("C", "Z", "M"), exclude_characters='$",;|')
    | st.sampled_from("a\u00a0\u200b\u00ad\x07\x1f\u2028"),
    min_size=1,
    max_size=12,
).filter(lambda name: name.strip() == name.strip("\ufeff") == name and not is_reserved(name))


def frame(rows: int = 30, **columns: object) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.normal(size=rows), "b": rng.normal(size=rows), "y": rng.normal(size=rows)} | columns)


def draft(
    folder: Path, table: pd.DataFrame, target: str = "y", *, sep: str = ",", name: str = "My table", **more: object
) -> str:
    path = folder / "table.csv"
    table.to_csv(path, index=False, sep=sep)
    return draft_recipe(path, target, name=name, **more)


@settings(max_examples=60, deadline=None)
@example(names=["5*", "*", "pH"], title="stars", sep=",", gaps=True)
@example(names=["Preis\u00a0in €", "a\tb", "a b"], title="names that Excel and pages have", sep=",", gaps=True)
@example(names=["x", "y*"], title="a target with a star", sep=";", gaps=False)
@given(
    names=st.lists(NAMES, min_size=2, max_size=6, unique=True),
    title=st.text(max_size=20),
    sep=st.sampled_from([",", ";", "\t", "|"]),
    gaps=st.booleans(),
)
def test_a_recipe_of_any_names_loads_and_takes_its_table(names: list[str], title: str, sep: str, gaps: bool) -> None:
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(30, len(names))), columns=names)
    if gaps:
        table.iloc[3, 0] = np.nan
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = draft(folder, table, names[-1], sep=sep, name=title)
        (folder / "recipe.yaml").write_text(text, encoding="utf-8")
        recipe = load_recipe(folder / "recipe.yaml", {})
        kept = [recipe.data.rename.get(name, name) for name in names]
        assert (list(recipe.columns), recipe.target) == (kept, kept[-1])
        assert all(name == own or "*" in own or not own.isprintable() for name, own in zip(kept, names, strict=True))
        assert recipe.columns[kept[0]].nullable == gaps
        content = (folder / "table.csv").read_bytes()
        read = validate_table(opened(content, kept, "it", Format.of(recipe.data)), recipe, origin="it")
        np.testing.assert_allclose(read[kept].to_numpy(float), table.to_numpy(float))
        features, target = read[kept[:-1]].to_numpy(float), read[kept[-1]].to_numpy(float)
        for candidate in recipe.candidates:
            if "Forest" not in candidate:
                build_candidate(recipe, candidate).fit(features, target).predict(features)


def test_a_parquet_file_is_a_table_too(tmp_path: Path) -> None:
    frame().to_parquet(tmp_path / "t.parquet")
    assert "target: y" in draft_recipe(tmp_path / "t.parquet", "y", name="t")


def columns_of(text: str) -> dict[str, Any]:
    columns: dict[str, Any] = yaml.safe_load(text)["columns"]
    return columns


def test_each_column_has_the_type_that_all_of_its_values_are_of(tmp_path: Path) -> None:
    table = frame(town=["Rome", "Oslo", None] * 10, day="2026-01-01", is_open=["yes", "no"] * 15, code=["007", "12"] * 15)
    found = columns_of(draft(tmp_path, table))
    assert found == {
        "a": {},
        "b": {},
        "y": {},
        "town": {"type": "category", "nullable": True},
        "day": {"type": "datetime"},
        "is_open": {"type": "boolean"},
        "code": {"type": "category"},
    }
    table.assign(day=pd.Timestamp("2026-01-01"), is_open=[True, False] * 15).to_parquet(tmp_path / "t.parquet")
    assert columns_of(draft_recipe(tmp_path / "t.parquet", "y", name="t")) == found


def test_text_that_does_not_repeat_and_an_empty_column_are_ignored_and_say_why(tmp_path: Path) -> None:
    text = draft(tmp_path, frame(note=[f"note {row}" for row in range(30)], empty=np.nan))
    assert "# ignored: note: text in 30 of 30 rows, for example 'note 0'\n" in text
    assert "# ignored: empty: no value in any row\n" in text
    found = columns_of(text)
    assert found["note"] == found["empty"] == {"type": "category", "nullable": True, "role": "ignore"}
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    assert load_recipe(tmp_path / "recipe.yaml", {}).features == ("a", "b")


def test_more_than_two_words_for_true_and_false_are_names(tmp_path: Path) -> None:
    words = np.random.default_rng(0).choice(["t", "f", "y", "n"], 30)
    columns = columns_of(draft(tmp_path, frame(word=words, flag=np.where(words == "t", "Yes", "no"))))
    assert (columns["word"], columns["flag"]) == ({"type": "category"}, {"type": "boolean"})


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, "encode those"),
        ({"note": [f"note {place}" for place in range(30)]}, "note: text in 30 of 30 rows"),
        ({"empty": [None] * 30}, "empty: no value in any row"),
        ({"price": [f"1,{place:02}" for place in range(30)]}, "price: text in 30 of 30 rows.*Set --decimal ','"),
    ],
)
def test_a_table_without_a_feature_is_refused(tmp_path: Path, columns: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=f"(?s)has no column beside the target that can be a feature.*{words}"):
        draft(tmp_path, frame(**columns).drop(columns=["a", "b"]))


def test_words_among_numbers_and_a_target_of_another_type_are_refused_with_an_example(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        draft(tmp_path, frame(pH=["3.1"] * 20 + ["3,2"] * 10))
    (fault,) = raised.value.details
    assert fault.startswith("pH: text in 10 of 30 rows, for example '3,2': a decimal comma?")
    with pytest.raises(DataError) as raised:
        draft(tmp_path, frame(day=["2026-01-01", "2026-01-02"] * 15), "day")
    assert raised.value.details == ("day: datetime, and the target must be numbers, or have two values or more",)
    with pytest.raises(DataError) as raised:
        draft(tmp_path, frame(town=["Rome"] * 30), "town")
    assert raised.value.details == ("town: the same value in all rows that have one, and the target must have two or more",)


def test_missing_dates_are_imputed_once_they_are_numbers(tmp_path: Path) -> None:
    text = draft(tmp_path, frame(day=["2026-01-01", None] * 15))
    preprocess = yaml.safe_load(text)["candidates"]["LinearRegression"]["preprocess"]
    assert [it["estimator"] for it in preprocess["all"]] == ["sklearn.impute.SimpleImputer"]
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    recipe = load_recipe(tmp_path / "recipe.yaml", {})
    assert find_faults(recipe, list(recipe.candidates), ()) == []


def test_words_for_missing_values_are_in_the_recipe(tmp_path: Path) -> None:
    table = frame(c=["?"] * 3 + ["1"] * 27)
    text = draft(tmp_path, table, na=("?",))
    assert "na:\n- '?'" in text
    assert "c:\n    nullable: true" in text
    with pytest.raises(DataError, match="c: text in 3 of 30 rows, for example '\\?'"):
        draft(tmp_path, table)


@pytest.mark.parametrize(
    ("target", "rows", "words"),
    [("Y", 30, "Did you mean 'y'"), ("price", 30, "must be a column of table.csv"), ("y", 8, "must have at least 20 rows")],
)
def test_a_target_that_is_not_there_and_too_few_rows_are_refused(tmp_path: Path, target: str, rows: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        draft(tmp_path, frame(rows), target)


@pytest.mark.parametrize("content", [b"", b"a,y\n", b"\xff\xfe\x00", b"PAR1"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError):
        draft_recipe(tmp_path / "t.csv", "y", name="t")
    with pytest.raises(DataError):
        draft_recipe(tmp_path, "y", name="t")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="No CSV or Parquet files in the folder"):
        draft_recipe(tmp_path / "empty", "y", name="t")


@pytest.mark.parametrize("slashes", ["/", "//"])
def test_an_address_in_the_place_of_a_file_is_refused_without_its_password(slashes: str) -> None:
    with pytest.raises(DataError, match=r"must be a whole CSV or Parquet file\. Got") as error:
        draft_recipe(Path(f"http:{slashes}user:Zq7x/Kw9v@host/a.csv;token=Zq7x"), "y", name="a")
    assert not [half for half in ("Zq7x", "Kw9v") if half in str(error.value)]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([[1, 2], None] * 15),
        pa.array([{"k": 1}] * 30),
        pa.array([b"x"] * 30),
        pa.array([[(1, 2)]] * 30, pa.map_(pa.int64(), pa.int64())),
        pa.array([[None]] * 30, pa.list_(pa.null())),
        pa.array([timedelta(1)] * 30),
    ],
    ids=lambda values: str(values.type),
)
@pytest.mark.parametrize("name", ["tags", "an array", "star*", "Unnamed: 0"])
def test_a_column_of_a_type_that_no_recipe_has_is_named_and_not_read(tmp_path: Path, values: pa.Array, name: str) -> None:
    table = pa.Table.from_pandas(frame()).append_column(name, values)
    pq.write_table(table, tmp_path / "t.parquet")
    text = draft_recipe(tmp_path / "t.parquet", "y", name="t")
    kept = pq.read_schema(tmp_path / "t.parquet").field(name).type
    assert f"\n# not read: {name}: type {kept}\nother_columns: ignore\n" in text
    assert list_ignored(text) == [name]
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    recipe = load_recipe(tmp_path / "recipe.yaml", {})
    assert list(recipe.columns) == ["a", "b", "y"]
    content = (tmp_path / "t.parquet").read_bytes()
    read = validate_table(opened(content, list(recipe.columns), "it", Format.of(recipe.data)), recipe, origin="it")
    assert read["a"].tolist() == table["a"].to_pylist()
    pq.write_table(table.select(["y", name]), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="has no column beside the target that can be a feature"):
        draft_recipe(tmp_path / "t.parquet", "y", name="t")


def test_a_target_of_a_type_that_no_recipe_has_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pandas(frame()).append_column("tags", pa.array([[1]] * 30)), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"tags: type list<element: int64>"):
        draft_recipe(tmp_path / "t.parquet", "tags", name="t")


def test_rows_without_a_target_are_left_out(tmp_path: Path) -> None:
    table = frame()
    table.loc[:3, "y"] = np.nan
    assert yaml.safe_load(draft(tmp_path, table))["missing_target"] == "drop"
    assert "missing_target" not in yaml.safe_load(draft(tmp_path, frame()))


def test_numbers_that_are_names_and_names_that_are_numbers_are_told_apart(tmp_path: Path) -> None:
    rows = 60
    place = np.arange(rows)
    table = frame(
        rows,
        diagnosis=np.where(place % 3 == 0, [f"V{it % 6}7" for it in place], [f"{400 + it % 7}" for it in place]),
        twin=[str(2**53 + it % 2) for it in place],
        account=[str(2**60 + it) for it in place],
        share=[f"{it % 12}%" for it in place],
        price=[f"{it % 11},5" for it in place],
        band=[f"{18 + it % 5}+" for it in place],
        huge=[f"{it}e18" for it in place],
    )
    table.insert(0, "Unnamed: 0", place)
    text = draft(tmp_path, table, sep=";")
    found, ignored = columns_of(text), {"type": "category", "nullable": True, "role": "ignore"}
    assert [found[name] for name in ("diagnosis", "twin", "band")] == [{"type": "category"}] * 3
    assert found["huge"] == {}
    assert {name for name, it in found.items() if it == ignored} == {"Unnamed: 0", "account", "share", "price"}
    for words in (
        "Unnamed: 0: a column without a name, as an index is",
        f"account: whole numbers beyond 2^53, for example {2**60}: names, and too many for a category",
        "share: text in 60 of 60 rows, for example '0%': a unit in the field? Write numbers alone.",
        "price: text in 60 of 60 rows, for example '0,5': a decimal comma? Set data.decimal in the recipe.",
    ):
        assert f"# ignored: {words}\n" in text
    with pytest.raises(DataError, match="share: text in 60 of 60 rows"):
        draft(tmp_path, table, "share", sep=";")


def test_zeros_count_in_a_categorical_column_of_parquet_too(tmp_path: Path) -> None:
    table = frame(60, ward=pd.Categorical([f"{it % 7:03}" for it in range(60)]), grade=pd.Categorical(np.arange(60) % 4))
    table.to_parquet(tmp_path / "t.parquet")
    found = columns_of(draft_recipe(tmp_path / "t.parquet", "y", name="t"))
    assert (found["ward"], found["grade"]) == ({"type": "category"}, {})
    assert columns_of(draft(tmp_path, table))["ward"] == {"type": "category"}


#: What a table in another form than a plain CSV is told by, and the words of a refusal without it.
FORMS: dict[str, tuple[dict[str, str], str]] = {
    "decimal": ({"decimal": ","}, "a decimal comma? Set --decimal ','."),
    "encoding": ({"encoding": "cp1252"}, "state --encoding, such as latin-1 or cp1252"),
    "separator": ({"separator": "~"}, "--target must be a column of t.csv"),
    "all": ({"decimal": ",", "encoding": "latin-1", "separator": "~"}, "state --encoding"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_csv_in_another_form_is_drafted_and_read_by_options_that_the_refusal_names(tmp_path: Path, form: str) -> None:
    stated, words = FORMS[form]
    sep = stated.get("separator", ";")
    table = frame(30, ort=["Köln", "Bonn", "Trier"] * 10) if "encoding" in stated else frame(30)
    mark, encoding = stated.get("decimal", "."), stated.get("encoding", "utf-8")
    table.to_csv(tmp_path / "t.csv", sep=sep, decimal=mark, encoding=encoding, index=False, float_format="%.3f")
    with pytest.raises((DataError, UsageError)) as raised:
        draft_recipe(tmp_path / "t.csv", "y", name="t")
    assert words in str(raised.value)
    assert "in the recipe" not in str(raised.value)
    data = state_format(stated.get("encoding", ""), stated.get("separator", ""), stated.get("decimal", ""))
    text = draft_recipe(tmp_path / "t.csv", "y", name="t", data=data)
    assert {key: yaml.safe_load(text)["data"][key] for key in stated} == stated
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    recipe = load_recipe(tmp_path / "recipe.yaml", {})
    assert [recipe.columns[name].type for name in "aby"] == ["number"] * 3
    content = (tmp_path / "t.csv").read_bytes()
    read = validate_table(opened(content, list(table), "it", Format.of(recipe.data)), recipe, origin="it")
    np.testing.assert_allclose(read[["a", "b", "y"]], table[["a", "b", "y"]].round(3))


_NUMBERS = "".join(f"{place}.5;{place};{place % 7}.25\n" for place in range(30))


@pytest.mark.parametrize(
    ("content", "stated", "words"),
    [
        (f"a;b;y\n{_NUMBERS}".encode("utf-16-le"), ("", "", ""), "state utf-16-le as --encoding."),
        (
            f"a;b;y\n{_NUMBERS}é".encode("latin-1"),
            ("ascii", "", ""),
            "of its mark or of --encoding. Got bytes that are not instead",
        ),
        (f'"a|b|y\n{_NUMBERS}'.encode(), ("", "|", ""), "separated by '|' (--separator)"),
        (
            f"a;b;y\n{_NUMBERS.replace('.', ',')}1.5;1;1\n".encode(),
            ("", "", ","),
            "a decimal point, contrary to --decimal ','?",
        ),
        (f"a;b;y\n{_NUMBERS}1;n/a;1\n".encode(), ("", "", ""), "a word for a missing value? List it under --na."),
        (f"a;b;y\n{_NUMBERS}1;2026-01-01;1\n".encode(), ("", "", ""), "for example '2026-01-01': a date?"),
        (f"a;b;y\n{_NUMBERS}1;yes;1\n".encode(), ("", "", ""), "for example 'yes': yes or no?"),
    ],
)
def test_a_refusal_names_options_and_no_recipe(
    tmp_path: Path, content: bytes, stated: tuple[str, str, str], words: str
) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError) as raised:
        draft_recipe(tmp_path / "t.csv", "y", name="t", data=state_format(*stated))
    assert words in str(raised.value)
    assert "recipe" not in str(raised.value)


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        (("klingon", "", ""), "--encoding must be an encoding that Python knows"),
        (("", "ab", ""), "--separator must be one character"),
        (("", "7", ""), "--separator must be one character"),
        (("", "", ";"), "--decimal must be a point or a comma"),
        (("", ",", ","), "--separator and --decimal must differ. Got ',' for both"),
    ],
)
def test_a_form_that_no_csv_has_is_refused_by_the_option(stated: tuple[str, str, str], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        state_format(*stated)
    assert words in str(raised.value)


def test_a_thousands_separator_beside_a_decimal_comma_is_one(tmp_path: Path) -> None:
    whole = [f"{place},305" for place in range(1, 30)]
    for last, cause in (
        ("1,2", "for example '1,2': a decimal comma?"),
        ("9,999", "for example '1,305': a thousands separator?"),
    ):
        with pytest.raises(DataError) as raised:
            draft(tmp_path, frame(y=[*whole, last]), sep=";")
        assert cause in raised.value.details[0]


@pytest.mark.parametrize("name", [*RESERVED_COLUMNS, "probability_yes", "recipeline.fold"])
def test_a_reserved_name_is_refused_by_the_table_and_not_by_a_file_that_is_gone(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        UsageError, match=rf"table\.csv must have no column .*Got '{name}' instead\. Rename it in the table"
    ) as raised:
        draft(tmp_path, frame(**{name: range(30)}))
    assert "recipe.yaml" not in str(raised.value)


@pytest.mark.parametrize("value", ["inf", "-Infinity", "1e39", "1e308", "1e999"])
@pytest.mark.parametrize("column", ["a", "y"])
def test_numbers_that_ingest_refuses_are_refused_before(tmp_path: Path, column: str, value: str) -> None:
    table = frame().astype({column: object})
    table.loc[3, column] = value
    with pytest.raises(DataError) as raised:
        draft(tmp_path, table)
    assert raised.value.details == (
        f"{column}: numbers that are infinite, or beyond 3.4e+38 in size, in 1 of 30 rows, for example {value}",
    )


def test_few_whole_numbers_may_be_classes_and_the_recipe_says_so(tmp_path: Path) -> None:
    species = frame(y=[0, 1, 2] * 10)
    text = draft(tmp_path, species)
    assert (yaml.safe_load(text)["task"], find_doubt(text)[:34]) == ("regression", "the target has 3 whole numbers, ta")
    assert find_doubt(draft(tmp_path, frame())) == find_doubt(draft(tmp_path, frame(y=range(30)))) == ""
    for values, task, kind in (
        ([0, 1, 2], "multiclass", "integer"),
        ([0, 1, 1], "regression", None),
        ([4, 7, 9], "regression", None),
    ):
        text = draft(tmp_path, frame(y=values * 10), task=task)
        (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
        recipe = load_recipe(tmp_path / "recipe.yaml", {})
        assert (recipe.task, yaml.safe_load(text)["columns"]["y"].get("type"), find_doubt(text)) == (task, kind, "")
        assert find_faults(recipe, list(recipe.candidates), ()) == []


@pytest.mark.parametrize(
    ("values", "task"), [([0.5, 1, 2], "multiclass"), ([0, 1, 2], "binary"), (["a", "b", "a"], "regression")]
)
def test_a_task_that_the_target_cannot_be_of_is_refused(tmp_path: Path, values: list[object], task: str) -> None:
    with pytest.raises(UsageError, match=f"--task must be one that the target 'y' can be of. Got {task}, and"):
        draft(tmp_path, frame(y=values * 10), task=task)


def test_a_target_of_decimals_is_what_the_same_numbers_are(tmp_path: Path) -> None:
    for values, task in (([0, 1, 1], "binary"), ([0, 1, 2], "regression"), ([0.5, 1, 2], "regression")):
        table = pa.Table.from_pandas(frame(y=np.array(values * 10, dtype=float)))
        decimals = table["y"].cast(pa.decimal128(10, 2))
        pq.write_table(table.set_column(table.schema.get_field_index("y"), "y", decimals), tmp_path / "t.parquet")
        text = draft_recipe(tmp_path / "t.parquet", "y", name="t")
        assert yaml.safe_load(text)["task"] == task
        assert text.splitlines()[1:] == draft(tmp_path, table.to_pandas(), name="t").splitlines()[1:]


@pytest.mark.parametrize("value", ["1.5", "7", "a", "yes"])
def test_a_target_of_one_value_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(DataError, match="y: the same value in all rows that have one, and the target must have two or more"):
        draft(tmp_path, frame(y=[value] * 29 + [None]))


def test_a_folder_is_drafted_from_all_its_files_and_the_recipe_takes_each(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    (folder / "later").mkdir(parents=True)
    frame(city=["Cork", "Kiel", None] * 10).to_csv(folder / "a.csv.gz", index=False)
    frame(city=["Bonn", "Kiel"] * 15)[["city", "y", "b", "a"]].to_parquet(folder / "later" / "b.parquet", index=False)
    (folder / "_SUCCESS").touch()
    drafted = yaml.safe_load(draft_recipe(folder, "y", name="x"))
    assert drafted["columns"] == {"a": {}, "b": {}, "y": {}, "city": {"type": "category", "nullable": True}}
    frame(town="Cork").to_csv(folder / "c.csv", index=False)
    with pytest.raises(DataError, match=r"same columns\. Got 'city' in one alone of .*a\.csv\.gz and .*c\.csv"):
        draft_recipe(folder, "y", name="x")


@pytest.mark.parametrize(
    "kind",
    [
        *(pa.float64(), pa.timestamp("us"), pa.date32(), pa.bool_(), pa.int64(), pa.null(), pa.decimal128(9, 2)),
        pa.list_(pa.int8()),
    ],
)
def test_a_column_without_a_value_is_one_of_the_recipe_whatever_its_kind(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_pandas(frame(), preserve_index=False).append_column("e", pa.nulls(30, kind)), path)
    (tmp_path / "recipe.yaml").write_text(draft_recipe(path, "y", name="x"), encoding="utf-8")
    recipe = load_recipe(tmp_path / "recipe.yaml", {})
    validate_table(opened(path.read_bytes(), recipe.header, format=Format.of(recipe.data)), recipe, origin="t")


@pytest.mark.parametrize("name", ["a\nb", "", " "])
def test_names_of_a_parquet_file_that_no_csv_has_are_drafted(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.parquet"
    frame(**{name: 1.5}).to_parquet(path, index=False)
    (tmp_path / "recipe.yaml").write_text(draft_recipe(path, "y", name="x"), encoding="utf-8")
    recipe = load_recipe(tmp_path / "recipe.yaml", {})
    validate_table(opened(path.read_bytes(), recipe.header, format=Format.of(recipe.data)), recipe, origin="t")
