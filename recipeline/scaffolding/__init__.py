"""A project of its own: its files, the library it is locked to, and a first recipe for a table."""
