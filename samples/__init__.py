"""Synthetic stand-ins for tables that cannot be reached; a recipe names one as `data.synthetic`."""
