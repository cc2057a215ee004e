"""Scaffolding of a project: files, locked library, draft recipe."""
