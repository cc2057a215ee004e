"""Server up: MLflow's server, PostgreSQL and an S3 endpoint on this machine."""

from __future__ import annotations

import os

import click

from recipeline.cli.command import FilesEntryPoint, Result, entry_point


@entry_point("server_up", FilesEntryPoint)
@click.option("--port", default="", show_default="the last one, else a free one", help="MLflow's port.")
@click.option("--workers", default="", show_default="one per core, 2 to 4", help="MLflow's worker processes.")
def server_up(port: str, workers: str) -> Result:
    """Start a team's server on this machine: MLflow on PostgreSQL and an S3 endpoint.

    All of it listens on the loopback address. Running parts are left alone.

    \b
    Writes: .server/ in the project's folder: data, logs, generated secrets
    Example: recipeline server-up --port 5000
    """
    from recipeline.cli.environment import find_project
    from recipeline.cli.output.terminal import echo
    from recipeline.cli.server import as_values, count_workers, describe
    from recipeline.hosting.stack import start_server
    from recipeline.hosting.state import FOLDER, ServerFolder

    folder = ServerFolder(find_project() / FOLDER)
    status = start_server(
        folder, port=port, workers=count_workers(workers, os.cpu_count()), say=lambda text: echo(text, err=True)
    )
    return Result(describe(status), values=as_values(status))
