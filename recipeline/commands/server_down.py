"""Server down: stop the server of this machine."""

from __future__ import annotations

from recipeline.cli.command import FilesEntryPoint, Result, entry_point


@entry_point("server_down", FilesEntryPoint)
def server_down() -> Result:
    """Stop the server that `server-up` started; its data stays.

    \b
    Reads:  .server/ in the project's folder
    Example: recipeline server-down
    """
    from recipeline.cli.environment import find_project
    from recipeline.cli.server import StoppedValues
    from recipeline.hosting.stack import stop_server
    from recipeline.hosting.state import FOLDER, ServerFolder

    folder = ServerFolder(find_project() / FOLDER)
    stopped = stop_server(folder)
    words = f"Stopped: {', '.join(stopped)}. Data stays in {folder.path}; `make server-up` goes on with it."
    return Result(words if stopped else "Nothing was running.", values=StoppedValues(str(folder.path), tuple(stopped)))
