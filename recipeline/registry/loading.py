"""Models by URI: version, description and loaded model."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlflow.entities.model_registry import ModelVersion

from recipeline.artifacts import GOLDEN, INTERVAL, MODEL_INFO
from recipeline.config.table import SYNTHETIC
from recipeline.data.origin.uris import redact
from recipeline.data.target_codes import NUMBERS
from recipeline.errors import UnavailableError, UsageError, nearest
from recipeline.inference.asking import recognise
from recipeline.inference.columns import Columns
from recipeline.inference.golden import PREDICTION
from recipeline.inference.interval import QUANTILE, Interval, Tails, both
from recipeline.inference.model_info import ModelInfo, Target
from recipeline.registry.stages import ARCHIVED, CHAMPION, PRODUCTION, STAGING
from recipeline.registry.versions import Registry
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.store import Store
from recipeline.tracking.lineage import run_of_version
from recipeline.tracking.models import feature_names, input_names, load_model, model_id_of
from recipeline.tracking.tags import VersionTags, run_id_tag

_REGISTERED = re.compile(r"^models:/(?P<name>[^/@]+)(?:/(?P<version>[^/@]+)|@(?P<alias>[^/@]+))$")

_OTHER = re.compile(r"^(models:/m-\w+|runs:/\w+/.+)$")

_LATEST = "latest"


@dataclass(frozen=True)
class NamedModel:
    """A loaded model: name, version, columns, and `model_info.json` if available.

    `uri` leads to it whatever becomes of Production, and `model_id` is that of what was logged.
    """

    name: str
    version: str
    candidate: str
    data_source: str
    model: Any
    features: tuple[str, ...]
    info: ModelInfo | None
    #: Returns the interval around its predictions, its tails asked as it is told; None where it has none.
    load_interval: Callable[[Ask], Interval | None] = lambda _: None
    uri: str = ""
    model_id: str = ""

    @cached_property
    def target(self) -> Target:
        """The meaning of its predictions; without a description, as the model shows."""
        if self.info:
            return self.info.target
        codes, threshold = recognise(self.model)
        return Target(PREDICTION, task=codes.task, labels=codes.labels, threshold=threshold)

    @property
    def is_synthetic(self) -> bool:
        """Whether it was trained on made-up rows."""
        return self.data_source == SYNTHETIC

    def __str__(self) -> str:
        made_of = [self.candidate, f"trained on {self.data_source} rows" if self.data_source else ""]
        details = ", ".join(part for part in made_of if part)
        return f"{self.name}{' version ' if self.name else ''}{self.version}" + (f" ({details})" if details else "")


def check_model_uri(uri: str) -> None:
    """Raise UsageError where `uri` is none that `load_named` knows."""
    if uri and not _REGISTERED.match(uri) and not _OTHER.match(uri):
        raise UsageError(
            "model_uri must be models:/<name>/<version, Production or latest>, models:/<name>@<alias>, models:/m-<ID>, "
            "or runs:/<run ID>/<name>.",
            got=f"'{redact(uri)}'",
            fix="Leave it empty for the model in Production.",
        )


def load_named(store: Store, reader: Reader, model_name: str, uri: str) -> NamedModel:
    """Return the model at `uri`; empty: the version of `model_name` in Production.

    Production is the version with the alias champion. A version that this project registered must reproduce its golden rows.

    Raises
    ------
    UsageError : no such kind of URI.
    UnavailableError : there is no such model, or its files are incomplete.
    """
    check_model_uri(uri)
    found = _REGISTERED.match(uri or f"models:/{model_name}/{PRODUCTION}")
    if not found:
        word = uri.rpartition("models:/")[2]
        model = load_model(uri, reader.trusted)
        return NamedModel("", word, "", "", model, tuple(feature_names(uri)), None, uri=uri, model_id=word)
    registry = Registry(store, found["name"])
    version = _by_alias(registry, found["alias"]) if found["alias"] else _by_version(registry, found["version"])
    return _load_version(reader, version)


def _load_version(reader: Reader, version: ModelVersion) -> NamedModel:
    run_id = version.tags.get(run_id_tag("evaluate"), "")
    uri = f"models:/{version.name}/{version.version}"
    model = load_golden(reader, version) if run_id else load_version(reader, version)
    info = reader.load(MODEL_INFO, run_id) if run_id and reader.has(MODEL_INFO, run_id) else None
    names = tuple(feature.name for feature in info.features) if info else tuple(feature_names(uri))
    return NamedModel(
        version.name,
        str(version.version),
        version.tags.get(VersionTags.CANDIDATE, ""),
        version.tags.get(VersionTags.DATA_SOURCE, ""),
        model,
        names,
        info,
        lambda ask: load_interval(reader, run_id, names, ask) if info else None,
        uri,
        model_id_of(version),
    )


def _by_alias(registry: Registry, alias: str) -> ModelVersion:
    version = registry.holder(alias)
    if version is None:
        raise UnavailableError(
            f"No version of {registry.name} has the alias '{alias}'.", fix="See `mlflow ui` for the aliases."
        )
    return version


def _by_version(registry: Registry, word: str) -> ModelVersion:
    """Return the version of that number, the newest one, or the one in that stage."""
    if word.isdecimal():
        return registry.version(word)
    stages = {name.lower(): name for name in (PRODUCTION, STAGING, ARCHIVED, _LATEST)}
    stage = stages.get(word.lower())
    if stage is None:
        raise UsageError(
            "model_uri must end in a number, a stage or 'latest'.", got=f"'{word}'", fix=nearest(word, stages.values())
        )
    champion = registry.holder(CHAMPION) if stage == PRODUCTION else None
    with warnings.catch_warnings():  # stages are deprecated
        warnings.simplefilter("ignore", FutureWarning)
        held = [version for version in registry.versions() if stage in (_LATEST, version.current_stage)]
    if champion is None and not held:
        where = "the registry" if stage == _LATEST else stage
        raise UnavailableError(
            f"No version of {registry.name} is in {where}.",
            fix="Run `make pipeline`, or name another model with model_uri=.",
        )
    return champion or held[0]


Ask = Callable[[Any, Any, Columns], Tails]


def load_version(reader: Reader, version: ModelVersion) -> Any:
    """Return the version's model; files of this project's models are checked.

    They must be as their run wrote them.

    Raises
    ------
    UnavailableError : it is missing, was changed, is a pickle, or is made of types that are not trusted.
    """
    run_id = version.tags.get(run_id_tag("train"), "")
    if run_id:
        return reader.load_model(model_id_of(version), run_id)
    return load_model(f"models:/{version.name}/{version.version}", reader.trusted)


def features_of(reader: Reader, version: ModelVersion) -> list[str]:
    """Return the names of the columns that a version's model takes.

    Raises
    ------
    UnavailableError : its description is missing, was changed, or does not say.
    """
    uri, run_id = f"models:/{version.name}/{version.version}", version.tags.get(run_id_tag("train"), "")
    if not run_id:
        return feature_names(uri)
    return input_names(uri, reader.describe_model(model_id_of(version), run_id).signature)


def load_golden(reader: Reader, version: ModelVersion) -> Any:
    """Return the version's model after a check of its golden rows.

    It is loaded as the service loads it.

    Raises
    ------
    UnavailableError : it does not load, its golden rows are missing, its answers differ, or its labels are not those of its
        probabilities.
    """
    from recipeline.inference.golden import answers_golden, has_limits, limits_golden, says_golden

    uri, run_id = f"models:/{version.name}/{version.version}", run_of_version(version, GOLDEN.step)
    golden = reader.load(GOLDEN, run_id)
    try:
        model = load_version(reader, version)
        info = reader.load(MODEL_INFO, run_id) if reader.has(MODEL_INFO, run_id) else None
        same = answers_golden(model, golden, info.target.codes if info else NUMBERS)
        says = info is None or says_golden(model, golden, info.target)
        same_limits = True
        if has_limits(golden):
            columns = Columns.of(reader.load(MODEL_INFO, run_id))
            interval = load_interval(reader, run_id, columns.names)
            same_limits = interval is None or limits_golden(interval, golden, columns)
    except (ValueError, TypeError, AttributeError) as error:
        raise _differs(uri, f"'{' '.join(str(error).split())[:200]}'") from None
    if not same or not same_limits:
        raise _differs(uri, "other limits" if same else "other predictions")
    if not says:
        raise UnavailableError(
            f"{uri} says other labels than its probabilities and its threshold give.",
            fix="Choose an estimator whose labels follow them: SVC with calibrate: sigmoid, not probability: true.",
        )
    return model


def load_interval(reader: Reader, run_id: str, names: Sequence[str], ask: Ask | None = None) -> Interval | None:
    """Return the interval of the model that the run evaluated; None without one.

    The model takes the columns `names`. `ask(low, high, columns)` makes a function of an array of the tail models; without it
    they are called through scikit-learn.

    Raises
    ------
    UnavailableError : its description or its tails are incomplete.
    """
    known = reader.load(MODEL_INFO, run_id).interval
    if known is None:
        return None
    if known.method != QUANTILE:
        return Interval.restore(known)
    from recipeline.inference.compiled.form import as_function

    low, high = reader.load(INTERVAL, run_id)
    codes = Columns.of_numbers(names)
    tails = ask(low, high, codes) if ask else both(as_function(low, codes), as_function(high, codes))
    return Interval.restore(known, tails)


def _differs(uri: str, got: str) -> UnavailableError:
    return UnavailableError(
        f"{uri} does not reproduce the golden rows of its evaluation: {got}.",
        fix="Its files were changed: train and register it again.",
    )
