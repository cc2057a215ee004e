"""The command line: decorators, options, environment, progress, signals and exit codes."""
