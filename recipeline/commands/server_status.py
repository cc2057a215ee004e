"""Server status: what runs, its addresses, how to use it."""

from __future__ import annotations

from recipeline.cli.command import FilesEntryPoint, Result, entry_point


@entry_point("server_status", FilesEntryPoint)
def server_status() -> Result:
    """Show what runs of the server that `server-up` started, and how to use it.

    \b
    Reads:  .server/ in the project's folder
    Exit code 6: a part is not running.
    Example: recipeline server-status
    """
    from recipeline.cli.environment import find_project
    from recipeline.cli.server import as_values, describe
    from recipeline.hosting.stack import read_status
    from recipeline.hosting.state import FOLDER, ServerFolder

    status = read_status(ServerFolder(find_project() / FOLDER))
    code, outcome = (0, "ok") if status.is_running else (6, "stopped")
    return Result(describe(status), code, outcome=outcome, values=as_values(status))
