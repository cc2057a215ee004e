"""The Flask application: routes, and what every answer has in common."""

from __future__ import annotations

from flask import Flask

from recipeline.serving.http.fast_path import Application
from recipeline.serving.http.frame import OPEN_PATHS, Frame
from recipeline.serving.http.health import add_health
from recipeline.serving.http.pages import add_pages
from recipeline.serving.http.predictions import add_prediction
from recipeline.serving.state import Service


def create_app(service: Service) -> Flask:
    """Return the application that answers with what `service` serves. Nothing is opened or begun."""
    app = Application(service.settings.root_path)
    frame = Frame(service)
    frame.put_around(app)
    add_health(app, service)
    add_prediction(app, service, frame)
    add_pages(app, service, OPEN_PATHS)
    return app
