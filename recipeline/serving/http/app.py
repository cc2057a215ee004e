"""The Flask application: routes, and what every answer has in common."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from recipeline.serving.http.fast_path import Application
from recipeline.serving.http.frame import OPEN_PATHS, Frame
from recipeline.serving.http.health import add_health
from recipeline.serving.http.pages import add_pages
from recipeline.serving.http.predictions import add_prediction
from recipeline.serving.http.webhook import add_webhook
from recipeline.serving.state import Service


def create_app(service: Service, add_hooks: Callable[[Flask], object] | None = None) -> Flask:
    """Return the application that serves the model of `service`.

    No file is opened and no thread is started. `add_hooks` is called with it. Hooks, routes and error handlers may also be
    registered later, until the first request.
    """
    app = Application(Frame(service), service.settings.root_path, int(service.settings.max_body_mb * 2**20))
    add_health(app, service)
    add_prediction(app, service)
    add_pages(app, service, OPEN_PATHS)
    add_webhook(app, service)
    if add_hooks:
        add_hooks(app)
    return app
