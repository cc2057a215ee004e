"""The catalogue of tags of runs, versions and ledger entries.

Each has its name, its meaning and its writers.
"""

from __future__ import annotations

from typing import Self

#: The prefix of all tags of this library.
PREFIX = "recipeline."


class Tag(str):
    """The full name of a tag, and its writers.

    `writers` are the steps and commands on whose runs, or for whose versions, it is written.
    """

    __slots__ = ("meaning", "writers")

    meaning: str
    writers: str

    def __new__(cls, name: str, meaning: str, writers: str) -> Self:
        """Return the tag `name`, which is given without the prefix."""
        tag = super().__new__(cls, PREFIX + name)
        tag.meaning, tag.writers = meaning, writers
        return tag


def bare(name: str) -> str:
    """Return the name of a tag without the prefix."""
    return name.removeprefix(PREFIX)


def run_id_tag(step: str) -> str:
    """Return the tag with a step's run ID, on downstream runs and on versions."""
    return f"{PREFIX}{step}_run_id"


class RunTags:
    """The tags of runs, besides `run_id_tag` of each upstream step."""

    STEP = Tag("step", "the step or the command; `main` of a chain", "all")
    RECIPE = Tag("recipe", "the recipe's name", "all")
    PROFILE = Tag("profile", "the profile's name", "all")
    OUTCOME = Tag("outcome", "`ok`, `promoted`, `kept`, `rejected`, `drift` or `error`", "all")
    EXIT_CODE = Tag("exit_code", "the exit code of the command", "all")
    ERROR = Tag("error", "the sentence of a failure", "all")
    CARD_FAILURES = Tag("card_failures", "parts of the card that could not be drawn", "all")
    OPENING = Tag("opening", "finds a run whose creation was interrupted, or repeated", "all")
    MANIFEST_DIGEST = Tag("manifest_digest", "sha256 of the run's manifest.json; `none` without results", "all")
    FINGERPRINT = Tag("fingerprint", "sha256 of what the result depends on", "steps")
    DATA_SOURCE = Tag("data_source", "the kind of source of the rows", "steps, `main`, `retrain`")
    DATA_DIGEST = Tag("data_digest", "sha256 of the source", "steps, `main`, `retrain`")
    DATA_ORIGIN = Tag("data_origin", "path or URI of the source, without secrets", "`ingest`")
    PART_DIGEST = Tag("part_digest", "sha256 of the files of a source of several; further tags have a number", "`ingest`")
    SPLIT_METHOD = Tag("split_method", "the method of the split", "`split`")
    SPLIT_BY = Tag("split_by", "columns or rule that the recipe's split names, with their keys", "`split`")
    BEST_MODEL = Tag("best_model", "the candidate that is the best by the mean over the folds", "`train`")
    MAX_TRAIN_ROWS = Tag("max_train_rows", "engine.max_train_rows of the profile, where it has one", "`train`")
    FITTED_ROWS = Tag("fitted_rows", "the number of training rows that models were fitted to, where it was limited", "`train`")
    AVAILABLE_ROWS = Tag("available_rows", "the number of all training rows then", "`train`")
    VERDICT = Tag("verdict", "the verdict on the best candidate, or on the newest window", "`evaluate`, `monitor`")
    MODEL_VERSION = Tag("model_version", "the version", "`register`, `promote`, `predict`, `monitor`, changes of Production")
    SHADOW_VERSION = Tag("shadow_version", "the challenger in shadow that logged rows are compared with", "`monitor`")
    SHADOW_RUN_ID = Tag("shadow_run_id", "the run of monitor whose comparison in shadow was shown", "`approve`")
    DECISION_RULE = Tag("decision_rule", "the rule of the decision", "`promote`")
    DECISION_REASON = Tag("decision_reason", "the reason of the decision", "`promote`")
    MODEL_NAME = Tag("model_name", "the name of the model; of a transferred run, of the one that it is for", "`predict`, steps")
    MODEL_DATA_SOURCE = Tag("model_data_source", "the kind of source of the model's training rows", "`predict`")
    INPUT = Tag("input", "the rows, without secrets", "`predict`, `monitor`, `retrain`")
    OUTPUT = Tag("output", "the file of predictions", "`predict`")
    MODE = Tag("mode", "`append` or `replace`", "`retrain`")
    BASE_DIGEST = Tag("base_digest", "sha256 of the rows that rows were added to", "`retrain`")
    ADDED_DIGEST = Tag("added_digest", "sha256 of the added files; further tags have a number", "`retrain`, copies of `ingest`")
    COMBINED_DIGEST = Tag("combined_digest", "sha256 of all rows", "`retrain`")
    MAIN_RUN_ID = Tag("main_run_id", "the run of the chain", "`retrain`")
    RETRAIN_RUN_ID = Tag("retrain_run_id", "the run of the retraining", "`monitor`")
    BEFORE = Tag("before", "the run of evaluate that is compared with", "`compare`")
    AFTER = Tag("after", "the run of evaluate that is compared", "`compare`")
    SOURCE_URI = Tag("source_uri", "of a transferred run, the store that it is from, without secrets", "steps")
    SOURCE_RUN_ID = Tag("source_run_id", "of a transferred run, its ID in that store", "steps")
    SOURCE_HOST = Tag("source_host", "of a transferred run, the machine that transferred it", "steps")
    TARGET_URI = Tag("target_uri", "the store that the version was transferred to, without secrets", "`promote`")
    TARGET_VERSION = Tag("target_version", "name and number of the version there", "`promote`")
    TARGET_RUN_ID = Tag("target_run_id", "the run of promote there", "`promote`")
    NESTED = Tag("nested", "`on` where the report has a nested estimate", "`report`")
    PRUNED = Tag("pruned", "`true` on a deleted run: `prune` deletes its files, in the end", "`prune`")
    DELETED = Tag("deleted", "the number of deleted runs and versions", "`prune`")


class VersionTags:
    """The tags of versions, in the order in which MLflow shows them.

    They are besides `run_id_tag` of each step of the lineage.
    """

    CANDIDATE = Tag("candidate", "the candidate", "`register`")
    VERDICT = Tag("verdict", "`VALIDATED`", "`register`")
    R2 = Tag("r2", "R2 on the test rows", "`register`")
    RMSE = Tag("rmse", "root mean squared error on the test rows", "`register`")
    MAE = Tag("mae", "mean absolute error on the test rows", "`register`")
    BRIER_SKILL = Tag("brier_skill", "of classes, the Brier skill score on the test rows", "`register`")
    LOG_LOSS = Tag("log_loss", "of classes, the log loss on the test rows", "`register`")
    ROC_AUC = Tag("roc_auc", "of classes, the area under the ROC curve on the test rows", "`register`")
    CV_MEAN_SCORE = Tag("cv_mean_score", "mean over the folds of the metric that candidates are ranked by", "`register`")
    CV_STD = Tag("cv_std", "its standard deviation over the folds", "`register`")
    DATA_SOURCE = Tag("data_source", "the kind of source of the rows", "`register`")
    DATA_DIGEST = Tag("data_digest", "sha256 of the source", "`register`")
    SPLIT_METHOD = Tag("split_method", "the method of the split", "`register`")
    RECIPE = Tag("recipe", "the recipe's name", "`register`")
    PROFILE = Tag("profile", "the profile's name", "`register`")
    GIT_COMMIT = Tag("git_commit", "the commit of the project", "`register`")
    GIT_DIRTY = Tag("git_dirty", "whether the checkout differs from that commit", "`register`")
    IDENTITY = Tag("identity", "digests of recipe, training rows and environment: equal for equal versions", "`register`")
    REGISTER_RUN_ID = Tag("register_run_id", "the run of register", "`register`")
    GATE_RULE = Tag("gate_rule", "the rule that the version was measured by", "`promote`")
    GATE_GAIN = Tag("gate_gain", "gain of R2 over the champion, of classes of the Brier skill", "`promote`")
    GATE_LOWER = Tag("gate_lower", "lower limit of the gain", "`promote`")
    HELD_AGAINST = Tag("held_against", "the champion it was held against, or `mean predictor`", "`promote`")
    GATE_PASSED = Tag("gate_passed", "whether it passed the gate: `true` or `false`", "`promote`")
    GATE_RUN_ID = Tag("gate_run_id", "the run of promote", "`promote`")
    SOURCE_URI = Tag("source_uri", "of a transferred version, the store that it is from, without secrets", "`promote`")
    SOURCE_VERSION = Tag("source_version", "of a transferred version, its name and number in that store", "`promote`")
    SOURCE_RUN_ID = Tag("source_run_id", "of a transferred version, its run of register in that store", "`promote`")
    WITHDRAWN = Tag("withdrawn", "why it was rolled back", "`rollback`")
    CANDIDATES_COMPARED = Tag("candidates_compared", "the number of settings it was chosen from", "versions up to 0.2.0")


class LedgerTags:
    """The tags of the ledger's entries, versions of the ledger's model."""

    ENTRY = Tag("entry", "the entry as JSON", "changes of Production")
    HASH = Tag("entry_hash", "sha256 of the entry", "changes of Production")
    MAC = Tag("entry_mac", "its signature, with a ledger key", "changes of Production")
    STATE = Tag("state", "`open`, `applied` or `reverted`", "changes of Production")
    HEAD = Tag("ledger_head", "the newest entry, on the registered model", "changes of Production")


def tags_in(catalogue: type) -> tuple[Tag, ...]:
    """Return the tags of a catalogue, in its order."""
    return tuple(it for it in vars(catalogue).values() if isinstance(it, Tag))
