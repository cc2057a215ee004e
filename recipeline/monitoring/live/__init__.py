"""Live rows: logs of a service, tables, late labels."""
