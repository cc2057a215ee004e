"""The routes about the service itself: health, readiness, version and model."""

from __future__ import annotations

from importlib import metadata

from flask import Flask, Response, request

from recipeline.metrics.catalogue import metrics_of
from recipeline.records import to_plain
from recipeline.serving.http.answers import JSON, answer, prefix_of, served_by
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.prometheus import choose_kind
from recipeline.serving.results import AnswersBy, ServedDescription, ShadowDescription
from recipeline.serving.state import Service
from recipeline.tracking.tags import PREFIX, bare


def add_health(app: Flask, service: Service) -> None:
    @app.get("/")
    def index() -> Response:
        state = service.state()
        prefix = prefix_of(request, service)
        links = {
            name: f"{prefix}/{name}" for name in ("predict", "model", "readyz", "metrics", "openapi.json", "docs", "playground")
        }
        return answer({"service": service.model_name, "status": state["status"], "served": state["served"], "links": links})

    @app.get("/healthz")
    def healthz() -> Response:
        return answer({"status": "alive"})

    @app.get("/readyz")
    def readyz() -> Response:
        state = service.state()
        return answer(state, 200 if state["status"] == "ready" else 503)

    @app.get("/ping")
    @app.get("/health")
    def ping() -> Response:
        """MLflow's: 200 where a model is loaded."""
        return Response("\n", 200 if service.model and not service.draining() else 503, mimetype=JSON)

    @app.get("/version")
    def version() -> Response:
        """MLflow's own version, as `mlflow models serve` tells it."""
        return Response(metadata.version("mlflow"), 200, mimetype=JSON)

    @app.get("/metrics")
    def prometheus() -> Response:
        kind = choose_kind(request.headers.get("Accept", ""))
        return Response(service.metrics.expose(kind), 200, content_type=kind, headers={"Vary": "Accept"})

    @app.get("/model")
    def model() -> Response:
        served = served_by(service)
        shadow = service.shadow.describe(served) if service.shadow else None
        return answer(to_plain(describe(served, shadow)))


def describe(model: ServedModel, shadow: ShadowDescription | None = None) -> ServedDescription:
    """Return what is known of the model, and of the one in shadow beside it."""
    tags, info = {bare(key): value for key, value in model.tags.items() if key.startswith(PREFIX)}, model.info
    scores = ("cv_mean_score", "cv_std", *(metric.name for metric in metrics_of(info.target.task)))
    return ServedDescription(
        **model.identity,
        candidate=info.candidate,
        target=info.target,
        features=info.features,
        interval=info.interval,
        sample=info.sample,
        metrics={name: float(tags[name]) for name in scores if name in tags},
        lineage={
            name: value for name, value in tags.items() if name.endswith(("_run_id", "_digest")) or name.startswith("git_")
        },
        created_ms=model.created_ms,
        answers_by=AnswersBy(model.path, model.path_reason),
        prediction_set=info.prediction_set,
        rename=dict(info.csv.rename),
        shadow=shadow,
    )
