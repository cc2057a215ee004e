"""Tasks in reports: the sections of cards that show predictions."""
