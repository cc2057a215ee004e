"""The REST service: what is in Production, behind HTTP. It never trains, and never loads a pickle."""
