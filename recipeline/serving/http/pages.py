"""The pages /playground and /docs, and the description /openapi.json.

A page is one answer with its styles and scripts inside: it needs no token, cannot mix two versions of the service, and its
policy names its scripts by their digests, so that a browser runs no others.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import orjson
from flask import Flask, Response, request

from recipeline.serving.http.answers import prefix_of
from recipeline.serving.http.openapi import describe_api
from recipeline.serving.state import Service

STATIC = Path(__file__).parents[1] / "static"

#: The playground's modules, each after those that it imports.
MODULES = (
    *("dom", "numbers", "csv", "api", "timing", "theme", "picture", "curves", "bars", "kinds/slider", "kinds/ranged"),
    *("kinds/number", "kinds/integer", "kinds/boolean", "kinds/category", "kinds/datetime", "kinds/other", "kinds/every"),
    *("control", "scale", "tasks/regression", "tasks/multiclass", "tasks/binary", "tasks/every"),
    *("effects", "scoring", "batch", "main"),
)

_IMPORT = re.compile(r'^import \{[^}]*\} from "\.{1,2}/[\w/]+\.js";\n', re.MULTILINE)

_EMPTY_SCRIPT = re.compile(r"(<script[^>]*>)(</script>)")

_EXPORT = re.compile(r"^export (?=(?:async )?function|class|const)", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """A page, and the Content-Security-Policy that it is sent with."""

    body: bytes
    policy: str

    @property
    def etag(self) -> str:
        """A name of this content."""
        return hashlib.sha256(self.body).hexdigest()[:32]


def add_pages(app: Flask, service: Service, open_paths: Collection[str]) -> None:
    """Add /playground, /docs and /openapi.json.

    `open_paths` are the addresses that need no token.
    """

    @app.get("/playground")
    def playground() -> Response:
        return _send(make_playground())

    @app.get("/docs")
    def docs() -> Response:
        return _send(make_docs())

    @app.get("/openapi.json")
    def openapi() -> Response:
        """Tell of the model's columns whom the model itself would be told to."""
        model = service.model if service.admits(request.headers.get("Authorization", "")) else None
        described = describe_api(service, model, open_paths, prefix_of(request, service))
        return Response(orjson.dumps(described), 200, mimetype="application/json", headers={"Cache-Control": "no-store"})


def _send(page: Page) -> Response:
    response = Response(page.body, 200, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = page.policy
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-cache"  # kept, but asked for again: it belongs to this version of the service
    response.set_etag(page.etag)
    response.make_conditional(request)
    return response


@cache
def make_playground() -> Page:
    """Return the playground. Its policy forbids whatever makes HTML of text."""
    folder = STATIC / "playground"
    script = join_modules((folder / f"{name}.js").read_text(encoding="utf-8") for name in MODULES)
    return _assemble(folder, [script], "require-trusted-types-for 'script'", "trusted-types 'none'")


@cache
def make_docs() -> Page:
    """Return Swagger UI from the files of the package flask-swagger-ui.

    Its blueprint is not used.
    """
    spec = find_spec("flask_swagger_ui")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("flask_swagger_ui")
    files, folder = Path(spec.origin).parent / "dist", STATIC / "docs"
    scripts = [path.read_text(encoding="utf-8") for path in (files / "swagger-ui-bundle.js", folder / "main.js")]
    return _assemble(folder, scripts, style=(files / "swagger-ui.css").read_text(encoding="utf-8"))


def join_modules(sources: Iterable[str]) -> str:
    """Return JavaScript modules as one, with their imports resolved."""
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", source)) for source in sources)


def _assemble(folder: Path, scripts: Iterable[str], *rules: str, style: str = "") -> Page:
    """Return the folder's page with its style and scripts inlined, in order."""
    page = (folder / "page.html").read_text(encoding="utf-8")
    sheet = folder / "page.css"
    style += sheet.read_text(encoding="utf-8") if sheet.is_file() else ""
    page = page.replace("<style></style>", f"<style>{style}</style>", 1)
    texts = [_inside_html(script) for script in scripts]
    waiting = iter(texts)
    page = _EMPTY_SCRIPT.sub(lambda tags: f"{tags[1]}{next(waiting)}{tags[2]}", page)
    policy = (
        "default-src 'none'",
        f"script-src {' '.join(map(_digest, texts))}",
        f"style-src {_digest(style)}",
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        *rules,
    )
    return Page(page.encode(), "; ".join(policy))


def _inside_html(script: str) -> str:
    """Return a script that can be inlined in HTML: < is \x3c in texts and patterns."""
    return re.sub(r"<(?=!--|/?script)", r"\\x3c", script, flags=re.IGNORECASE)


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
