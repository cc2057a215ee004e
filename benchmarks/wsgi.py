"""Applications for a server: the service's own, and a Flask echo."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import orjson
from flask import Flask, Response, request

#: The profile of the service under another server.
PROFILE = "BENCH_PROFILE"


def make_echo() -> Flask:
    """Return an application that parses a body, and answers with how many rows it has."""
    app = Flask("echo", static_folder=None)

    @app.post("/predict")
    def echo() -> Response:
        rows = orjson.loads(request.get_data(cache=False))
        return Response(orjson.dumps({"length": len(rows)}), mimetype="application/json")

    return app


def make_service() -> Flask:
    """Return one worker's application with its defaults.

    PROMETHEUS_MULTIPROC_DIR is the folder that the workers share.
    """
    from threadpoolctl import threadpool_limits

    from recipeline.cli.environment import open_settings
    from recipeline.serving.following.follower import Watch
    from recipeline.serving.http.app import create_app
    from recipeline.serving.logs.background import BackgroundLog, to_stderr
    from recipeline.serving.prometheus import Metrics
    from recipeline.serving.state import Service

    threadpool_limits(1)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    settings, meeting = open_settings("recipe.yaml", os.environ[PROFILE]), Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    service = Service(settings.recipe.model_name, settings.profile.service, Metrics(meeting))
    service.access_log = BackgroundLog(to_stderr, bytes, service.metrics.dropped.labels("access").inc)
    Watch(service, settings.open_store, settings.cache_folder / "bench").start()
    return create_app(service)
