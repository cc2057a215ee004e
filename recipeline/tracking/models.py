"""Logged models: written without pickle and with pinned requirements.

They are read by URI.
"""

from __future__ import annotations

import json
import logging
import shutil
import sysconfig
import tempfile
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from importlib import metadata, util
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature, get_model_info, infer_signature

from recipeline.config.import_path import installed_distribution
from recipeline.errors import UnavailableError
from recipeline.inference.trust import TREES, read_model, types_to_trust
from recipeline.tracking._compat import as_path, context_tags, model_location, requirements_known
from recipeline.tracking.artifacts.artifact_cache import file_digest
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.failures import is_conflict
from recipeline.tracking.new_run import create_model

#: Packages needed to load and serve a model, besides those of its own candidate.
REQUIREMENTS = ("mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops")


def pinned_requirements(packages: Collection[str]) -> list[str]:
    """Return the requirements of a model made of `packages`, pinned.

    Versions are the installed ones. MLflow would load the model in a new process to find them, at 4 s a model.
    """
    found = [installed_distribution(name) for name in {*REQUIREMENTS, *packages}]  # None: a module of the project itself
    return sorted({f"{name}=={version}" for name, version in filter(None, found)})


def own_code(packages: Collection[str], root: Path | None = None) -> list[str]:
    """Return the files and folders of those `packages` that are the user's own.

    Loading the model needs them, and they cannot be installed: they belong to no distribution, or to one that is installed
    (editable) from within the project's folder `root`. Nothing of Python itself is among them.
    """
    places = [place for name in sorted(packages) for place in _places(name)]
    return [str(place) for place in places if not _is_installed(place, root)]


def _places(name: str) -> list[Path]:
    """Return the file or folder of a top-level module; namespaces have several."""
    try:
        spec = util.find_spec(name)
    except (ImportError, ValueError):  # it is imported, and has no specification
        spec = None
    if spec is None:
        return []
    found = spec.submodule_search_locations
    # A module of the interpreter, or inside of an archive, has no such path.
    return [path for path in map(Path, [spec.origin or ""] if found is None else found) if path.is_absolute() and path.exists()]


def _is_installed(place: Path, root: Path | None) -> bool:
    """Whether a module is Python's own, or of an installable distribution.

    Others must be able to install it to load the model.
    """
    place = place.resolve()
    python = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    if python & {*place.parents} or place.parent.name in ("site-packages", "dist-packages"):
        return True
    is_project = root is not None and place.is_relative_to(root.resolve())
    for beside in metadata.distributions(path=[str(place.parent)]):
        # A source folder that was once built or installed has the notes of a distribution too, but no RECORD.
        if _lists(beside, place) and not (is_project and beside.read_text("RECORD") is None):
            return True
    return not is_project and any(place.is_relative_to(folder) for folder in _editable_folders())


def _lists(distribution: metadata.Distribution, place: Path) -> bool:
    """Whether a distribution lists the module at `place`, in its own folder."""
    if distribution.files:
        return any(file.parts[:1] == (place.name,) for file in distribution.files)
    names = (distribution.read_text("top_level.txt") or distribution.name.replace("-", "_")).split()
    return place.name.partition(".")[0] in names


def _editable_folders() -> Iterator[Path]:
    """Yield the folders that distributions are installed from as they lie there."""
    for distribution in metadata.distributions():
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        if origin.get("dir_info", {}).get("editable") and origin["url"].startswith("file:"):
            yield as_path(origin["url"]).resolve()


def log_model(
    model: Any,
    run_id: str,
    example: pd.DataFrame,
    *,
    packages: Collection[str],
    root: Path | None = None,
    trusted: Collection[str] = (),
    params: Mapping[str, str] | None = None,
    experiment_id: str = "",
    reader: Reader | None = None,
) -> tuple[str, dict[str, str]]:
    """Log a fitted model to the run; return its model ID and the digests of its files.

    The signature is of `example`'s columns; its first rows are the input example. `packages` are those of its candidate,
    `root` is the project's folder, and `trusted` the types that it may be made of besides those of all models. `params` are
    shown with it. The run's experiment is asked for where it is not given. The files can be read by `reader` at once.

    Raises
    ------
    UsageError : the model holds other types, or cannot be saved without pickle.
    """
    logging.getLogger("mlflow.sklearn").setLevel(logging.ERROR)
    client = MlflowClient()
    own = {name: code for name in sorted(packages) if (code := own_code([name], root))}
    reader = reader or Reader(client)
    with tempfile.TemporaryDirectory() as temporary:
        # Written before the store knows of it: a model that cannot be saved leaves nothing behind, and what is hashed is what
        # is uploaded.
        folder, described = Path(temporary) / "model", Model(run_id=run_id)
        _write(
            sk_model=model,
            trusted=trusted,
            path=str(folder),
            mlflow_model=described,
            signature=infer_signature(example, model.predict(example)),
            input_example=example.head(3),
            pip_requirements=pinned_requirements({*packages} - {*own}),
            code_paths=[place for code in own.values() for place in code] or None,
        )
        for compiled in folder.rglob("__pycache__"):
            shutil.rmtree(compiled, ignore_errors=True)
        experiment_id = experiment_id or client.get_run(run_id).info.experiment_id
        logged = create_model(client, experiment_id, run_id, name="model", tags=context_tags({}), params=params or {})
        described.model_id = described.model_uuid = logged.model_id
        described.artifact_path = logged.artifact_location
        described.save(folder / "MLmodel")
        digests = {str(path.relative_to(folder)): file_digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}
        for name, digest in digests.items():
            reader.folders.upload(logged.artifact_location, folder / name, name.rpartition("/")[0], digest=digest)
        log_output(client, run_id, logged.model_id)
        client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        reader.know_model(logged.model_id, logged.artifact_location)
    return logged.model_id, digests


def log_output(client: MlflowClient, run_id: str, model_id: str) -> None:
    """Record a new model as an output of its run, once.

    A request whose answer was lost is sent again, and MLflow inserts the row again.
    """
    try:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    except MlflowException as error:
        if not is_conflict(error):
            raise
        outputs = client.get_run(run_id).outputs
        if outputs is None or model_id not in {it.model_id for it in outputs.model_outputs}:
            raise


def _write(*, sk_model: Any, trusted: Collection[str], path: str, **options: Any) -> None:
    """Write `sk_model` into the folder `path`, in the skops format.

    Only types that it may contain are trusted.
    """
    write = partial(mlflow.sklearn.save_model, sk_model, path, serialization_format="skops", **options)
    with requirements_known():
        try:
            write(skops_trusted_types=list(TREES))
        except Exception:  # a type besides trees, or one that skops cannot write: of a dozen kinds
            types = types_to_trust(sk_model, trusted)
            if {*types} <= {*TREES}:
                raise
            shutil.rmtree(path)
            write(skops_trusted_types=types)


def model_id_of(version: ModelVersion) -> str:
    """Return the ID of the logged model that a version is of."""
    return str(version.model_id or version.source.rpartition("/")[2])


def load_model(uri: str, trusted: Collection[str] = ()) -> Any:
    """Return the scikit-learn model at a ``models:/`` or ``runs:/`` URI.

    It is read by `recipeline.inference.trust.read_model`.

    Raises
    ------
    UnavailableError : there is none, its files are missing or broken, or it must not be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            copy = mlflow.artifacts.download_artifacts(artifact_uri=model_location(uri), dst_path=folder)
        except Exception as error:  # of as many clients as there are kinds of storage
            raise _not_whole(uri, error) from None
        return read_model(Path(copy), trusted, name=f"The model {uri}")


def feature_names(uri: str) -> list[str]:
    """Return the names of the columns that the model at a ``models:/`` URI takes.

    Raises
    ------
    UnavailableError : there is no such model, or it does not say.
    """
    try:
        signature = get_model_info(uri).signature
    except Exception as error:  # of YAML, of JSON, of a storage client
        raise _not_whole(uri, error) from None
    return input_names(uri, signature)


def input_names(uri: str, signature: ModelSignature | None) -> list[str]:
    """Return the names of the columns in the signature of the model at `uri`.

    Raises
    ------
    UnavailableError : it has none.
    """
    if signature is None or not signature.inputs.has_input_names():
        raise _not_whole(uri, "no signature with column names")
    return [str(name) for name in signature.inputs.input_names()]


def _not_whole(uri: str, reason: object) -> UnavailableError:
    return UnavailableError(
        f"The model {uri} is missing or damaged: {' '.join(str(reason).split())[:200].rstrip('.')}.",
        fix="Register a new version, or restore its files.",
    )
