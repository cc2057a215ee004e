"""Live rows and the service's log, as commands name them."""
