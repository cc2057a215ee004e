"""The command line: options, environment, progress, signals and exit codes."""
