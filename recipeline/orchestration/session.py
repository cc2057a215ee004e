"""A command's session: recipe, profile, store and the order of the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from recipeline.artifacts import COLUMN_PROFILE
from recipeline.config.import_path import import_paths
from recipeline.config.profile import Profile
from recipeline.config.recipe import Recipe
from recipeline.config.settings import flatten
from recipeline.data.origin.sources import Source, read_source
from recipeline.engine.workers import Workers
from recipeline.errors import failed_in
from recipeline.orchestration.fingerprints import (
    CONTENT,
    RESULT,
    Components,
    code_components,
    fingerprint,
    library_components,
)
from recipeline.orchestration.step import Draw, Params, Reporter, Step
from recipeline.orchestration.wording import describe_experiment, describe_registered_model
from recipeline.registry.ledger import Actor, ChangedBy
from recipeline.registry.versions import Registry
from recipeline.tracking.artifacts.artifact_cache import ArtifactCache
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.failures import is_missing, store_errors
from recipeline.tracking.connection.store import Store
from recipeline.tracking.finished_runs import History
from recipeline.tracking.known_runs import KnownRuns
from recipeline.tracking.lineage import lineage_tags
from recipeline.tracking.runs import StepRun, open_run


@dataclass
class Session:
    """The state that all steps of one command share."""

    root: Path
    cwd: Path
    cache_folder: Path
    recipe: Recipe
    profile: Profile
    profile_name: str
    store: Store
    reporter: Reporter
    workers: Workers
    #: The order of the steps; each reads what the one before it wrote.
    order: tuple[str, ...]
    #: Returns the step of a name.
    step: Callable[[str], Step]
    #: Draws the card of a step out of its results, or out of what it failed by.
    draw: Draw
    #: The user who gives the command.
    actor: Actor
    #: The key that signs the ledger's entries; empty: they are not signed.
    ledger_key: str = field(default="", repr=False)
    experiment_name: str = ""
    known_experiment_id: str = ""
    #: The run that `mlflow run` opened for this command; taken by the first run opened.
    adopted: Run | None = None
    #: The cards drawn by this command, by run ID.
    cards: dict[str, str] = field(default_factory=dict)
    _sources: dict[str, Source] = field(default_factory=dict)

    @cached_property
    def experiment_id(self) -> str:
        """The experiment of this command's runs: MLflow's choice, else the recipe's."""
        if self.adopted:
            return str(self.adopted.info.experiment_id)
        if self.known_experiment_id:
            return self.known_experiment_id
        return self.store.experiment(self.experiment_name or self.recipe.experiment, note=describe_experiment(self.recipe))

    @cached_property
    def runs(self) -> KnownRuns:
        """The runs that this command has read or made, by ID."""
        return KnownRuns(self.store.client)

    @cached_property
    def history(self) -> History:
        """The finished runs of this recipe and profile."""
        history = History(self.store.client, self.recipe.name, self.profile_name, self.runs)
        history.know_experiments(self.store.experiments.values())
        return history

    @cached_property
    def registry(self) -> Registry:
        """The versions of the recipe's registered model."""
        description = describe_registered_model(self.recipe)
        return Registry(self.store, self.recipe.model_name, ledger_key=self.ledger_key, description=description)

    @cached_property
    def reader(self) -> Reader:
        """The reader of artifacts and models of any run in the store.

        Models may have the types that the profile trusts. Artifacts of another machine are kept in the user's cache.
        """
        cache = ArtifactCache(self.cache_folder / "artifacts")
        return Reader(self.store.client, self.profile.service.trusted_types, cache=cache, runs=self.runs)

    def find_columns(self, lineage: Mapping[str, str]) -> None:
        """Replace patterns of the recipe by the columns that the ingest run found."""
        ingest = lineage.get(COLUMN_PROFILE.step)
        if ingest and self.recipe.stated.patterns:
            self.recipe = self.recipe.with_columns(self.reader.load(COLUMN_PROFILE, ingest).matched)

    def find_run(self, run_id: str) -> Run | None:
        """Return a run of the store, deleted or not; None where there is none."""
        try:
            return self.runs.get(run_id) if run_id else None
        except MlflowException as error:
            if not is_missing(error):
                raise
            return None

    def changed_by(self, run: StepRun) -> ChangedBy:
        """Return who changes the registry in `run`."""
        return ChangedBy(self.actor, run.id)

    def source(self, data: str, *, seconds: float = 0.0) -> Source:
        """Return the rows that `data` names, fetched once per command.

        Empty: the profile's.

        `seconds` is how long a URI may take; 0: the default.
        """
        data = data or self.profile.data
        if data not in self._sources:
            self._sources[data] = read_source(
                data,
                self.recipe,
                folder=self.cwd,
                cache=self.cache_folder,
                sql=self.profile.sql,
                root=self.root,
                seconds=seconds,
            )
        return self._sources[data]

    def upstream(self, name: str) -> tuple[str, ...]:
        """Return the steps before `name`, in order."""
        return self.order[: self.order.index(name)]

    def components(self, step: Step, params: Params, parent_fingerprint: str, *, with_content: bool = True) -> Components:
        """Return all components that the step's result depends on.

        Without `with_content`, outside data is not read.
        """
        upstream = self.upstream(step.name)
        values = step.inputs(self, **params)
        settings = {key: value.strip('"') for key, value in flatten(values).items()}
        modules = self._modules(values)  # what the recipe names by import path is code too
        handed_on = (*(step.reads or ()), *(step.writes or ()))
        types = {it.type.rpartition(".")[0] for it in handed_on if it.type}  # so is what its artifacts are read as
        code = code_components(self.root, [f"steps.{step.name}", *types, *modules])
        content = step.content(self, **params) if step.content and with_content else {}
        content = {f"{CONTENT} {name}": digest for name, digest in content.items()}
        parent = {f"{RESULT} {upstream[-1]}": parent_fingerprint[:12]} if upstream else {}
        return {**settings, **content, **parent, **code, **library_components(modules)}

    def recipe_digest(self, candidate: str) -> str:
        """Return a digest of the settings and code of the candidate's model.

        Rows and library versions are not included.
        """
        keys = ["task", "target", "random_state", *self.recipe.decided]
        parts = (candidate, *self.recipe.candidates[candidate].members)
        if any(self.recipe.candidates[name].search for name in parts):
            keys.append("cv")  # the search is inside these folds
        values = {**self.recipe.part(keys, candidates=[candidate]), "features": list(self.recipe.features)}
        types = {name: self.recipe.columns[name].type for name in self.recipe.features}
        # Numbers, whole ones and booleans are all the same to a model.
        values |= {f"columns.{name}.type": it for name, it in types.items() if it in ("category", "datetime")}
        values |= {f"split.{key}": name for key, name in self.recipe.split.named.items()}
        values |= {"weight": self.recipe.weight} if self.recipe.weight is not None else {}
        return fingerprint({**flatten(values), **code_components(self.root, self._modules(values))})

    def environment_digest(self, candidate: str) -> str:
        """Return a digest of the fitting code and the libraries of the candidate."""
        modules = self._modules(self.recipe.part([], candidates=[candidate]))
        return fingerprint(
            {**code_components(self.root, ["recipeline.training.cross_validation", *modules]), **library_components(modules)}
        )

    @staticmethod
    def _modules(values: Any) -> list[str]:
        """Return the modules in nested settings: the project's own or a library's."""
        return [path.rpartition(".")[0] for path in import_paths(values)]

    @contextmanager
    def open_run(
        self, name: str, *, nested_in: str | None = None, lineage: Mapping[str, str] | None = None
    ) -> Iterator[StepRun]:
        """Open the run of a step of this session; see `tracking.runs.open_run`.

        A store that fails is the run's failure. A `lineage` that is known already is tagged from the start.
        """
        experiment_id = self.experiment_id
        adopt, self.adopted = self.adopted, None
        run = open_run(
            self.store.client,
            name,
            experiment_id,
            {"recipe": self.recipe.name, "profile": self.profile_name} | lineage_tags(lineage or {}, self.reader),
            adopt=adopt.info.run_id if adopt else None,
            nested_in=nested_in,
            reader=self.reader,
        )
        run_id = ""
        try:
            with store_errors(self.store.uri), run as opened, store_errors(self.store.uri):
                run_id = opened.id
                yield opened
        except BaseException as error:
            failed_in(error, run_id)
            raise
        finally:
            self.history.forget()
