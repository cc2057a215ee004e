"""Logged models: written without pickle and with pinned requirements, read back by their URI."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from functools import partial
from importlib import metadata
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature

from pipeline.artifacts import folder_digests
from pipeline.errors import UnavailableError
from pipeline.trust import TREES, types_to_trust

#: What loading and serving a model needs, besides the packages of its own candidate.
REQUIREMENTS = ("mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops")
_DISTRIBUTIONS = {"sklearn": "scikit-learn"}


def pinned_requirements(packages: Collection[str]) -> list[str]:
    """Return the requirements of a model made of `packages`, each at the installed version.

    Left to itself, MLflow finds them out by loading the model in a new process, at 4 s a model.
    """
    names = {*REQUIREMENTS, *(_DISTRIBUTIONS.get(name, name) for name in packages)}
    installed = []
    for name in sorted(names):
        try:
            installed.append(f"{name}=={metadata.version(name)}")
        except metadata.PackageNotFoundError:  # a module of the project itself
            continue
    return installed


def log_model(model: Any, run_id: str, example: pd.DataFrame, *, packages: Collection[str]) -> tuple[str, dict[str, str]]:
    """Log a fitted model to the run; return its model ID and the digests of its files.

    The signature is of `example`'s columns; its first rows are the input example. `packages` are those of its candidate.

    Raises
    ------
    UsageError : the model holds types from other packages.
    """
    logging.getLogger("mlflow.sklearn").setLevel(logging.ERROR)
    write = partial(_log_model, model, run_id, example, pinned_requirements(packages))
    try:
        model_id = write(TREES)
    except MlflowException as error:
        if "untrusted types" not in str(error):
            raise
        model_id = write(types_to_trust(model, packages))
    location = mlflow.get_logged_model(model_id).artifact_location
    return model_id, folder_digests(location, mlflow.get_tracking_uri())


def _log_model(model: Any, run_id: str, example: pd.DataFrame, requirements: list[str], trusted_types: Sequence[str]) -> str:
    with mlflow.start_run(run_id=run_id):
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(example, model.predict(example)),
            input_example=example.head(3),
            pip_requirements=requirements,
            serialization_format="skops",
            skops_trusted_types=list(trusted_types),
        )
    return str(info.model_id)


def load_model(uri: str) -> Any:
    """Return the scikit-learn model at a ``models:/`` URI.

    Raises
    ------
    UnavailableError : there is none, or its files are missing or broken.
    """
    try:
        return mlflow.sklearn.load_model(uri)
    except Exception as error:  # of a dozen readers: zip, JSON, skops, numpy, scikit-learn
        raise UnavailableError(
            f"The model {uri} must be there and whole.",
            got=f"'{' '.join(str(error).split())[:200]}'",
            fix="Register a new version, or restore its files.",
        ) from None
