"""Serve: the model in Production over HTTP, until the process is stopped."""

from __future__ import annotations

import os
import re
from functools import partial

import click

from recipeline.cli.command import Result, ServiceEntryPoint, announce, entry_point
from recipeline.cli.environment import open_settings
from recipeline.cli.options import parse_switch, session_options
from recipeline.cli.output.results import ServeValues
from recipeline.data.origin.filesystems import resolve_place
from recipeline.errors import UsageError

TOKENS = "RECIPELINE_SERVICE_TOKENS"


@entry_point("serve", ServiceEntryPoint)
@session_options
@click.option("--host", default="", show_default="127.0.0.1", help="The address to listen on.")
@click.option("--port", default="", show_default="8000", help="The port to listen on.")
@click.option(
    "--insecure",
    default="",
    show_default="off",
    metavar="on|off",
    help="on: serve without tokens also on an address that is reachable from other machines.",
)
def serve(recipe: str, profile: str, host: str, port: str, insecure: str) -> Result:
    """Serve the model in Production over HTTP.

    A promotion or a rollback takes effect within seconds.

    \b
    Reads:  the registry, each second where it is a SQLite file, else every 10 s
    Tokens: RECIPELINE_SERVICE_TOKENS in the environment, comma separated; each of them gives access
    Example: recipeline serve --port 8080
    """
    from recipeline.serving.http.listening import is_loopback
    from recipeline.serving.server import Serving
    from recipeline.serving.server import serve as answer

    host, number = host or "127.0.0.1", _port(port)
    settings = open_settings(recipe, profile)
    stated = os.environ.get(TOKENS, "")
    tokens = tuple(token.strip() for token in stated.split(",") if token.strip())
    if stated and not tokens:  # who sets it wants the service to be closed
        raise UsageError(f"{TOKENS} is set and holds no token.", fix="Make one with `openssl rand -hex 32`, or unset it.")
    if not all(re.fullmatch(r"[!-~]+", token) for token in tokens):
        raise UsageError(
            f"The tokens in {TOKENS} must be letters, digits and signs of ASCII: no header of HTTP can hold others.",
            fix="Make one with `openssl rand -hex 32`.",
        )
    may_be_open = parse_switch("insecure", insecure, default=False)
    if not (is_loopback(host) or tokens or may_be_open):
        raise UsageError(
            f"The address {host} is reachable from other machines, and no tokens are set.",
            fix=f"Set {TOKENS} in the environment, or insecure=on behind a proxy that authenticates.",
        )
    log = settings.profile.service.prediction_log
    serving = Serving(
        model_name=settings.recipe.model_name,
        settings=settings.profile.service,
        open_store=partial(settings.open_store, reads=True),
        copies=settings.cache_folder / "service" / settings.store_key / re.sub(r"[^\w.-]", "_", settings.recipe.model_name),
        log_folder=settings.root / log.folder if log else None,
        log_archive=resolve_place(log.archive, settings.root) if log and log.archive else "",
        tokens=tokens,
        poll_seconds=settings.profile.service.poll_seconds or poll_seconds(settings.tracking_uri),
        add_hooks=settings.profile.service.load_hooks(),
    )
    address = f"http://{f'[{host}]' if ':' in host else host}:{number}"

    def tell(workers: int) -> None:
        announce(
            f"{settings.recipe.model_name} on {address}, {workers} workers; to try it: {address}/playground; "
            f"{'with' if tokens else 'without'} a token. Ctrl-C ends it.",
            ServeValues(address, settings.recipe.model_name, workers, bool(tokens)),
        )

    ended_by = answer(serving, host, number, tell)
    return Result("ended", 128 + ended_by)


def poll_seconds(uri: str) -> float:
    """Return the default interval of registry polls of the store at `uri`."""
    return 1.0 if uri.startswith("sqlite:") else 10.0


def _port(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise UsageError("port must be a number from 1 to 65535.", got=f"'{text}'", fix="Leave it empty for 8000.")
    return int(text or 8000)
