"""The docs site: its source, made of the repository's Markdown and of the code, and its configuration for Sphinx."""
