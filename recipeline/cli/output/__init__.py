"""Output of commands: progress, tables, one JSON object."""
