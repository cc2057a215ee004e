"""The picture side: cards that people open, made of results that steps have saved. Nothing here trains, and nothing reads a store."""
