"""The picture side: cards that people open, made of results that steps have saved. Nothing here trains, or reads a store."""
