"""Batch prediction into a folder: input and output, worker processes, the command."""
