"""Tasks in monitoring: predictions that are watched, and what labels say of them."""
