"""Tasks in scaffolding: targets that look like one, and its first candidates."""
