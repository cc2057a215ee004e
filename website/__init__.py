"""The docs site: its source, made of Markdown and code, and Sphinx's settings."""
