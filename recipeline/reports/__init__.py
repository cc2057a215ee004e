"""Cards and summaries, made of plain results."""
