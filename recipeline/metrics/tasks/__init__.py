"""Tasks in metrics: how predictions of a target are scored."""
