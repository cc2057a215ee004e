"""Recipe and profile: YAML into frozen, typed settings."""
