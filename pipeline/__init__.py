"""The library behind the steps: importable, without a command line, without printing, without reading the environment.

The pure side (pandas, scikit-learn, statistics) never imports MLflow; what speaks MLflow is in ``store``, ``runs``,
``artifacts``, ``models``, ``registry``, ``cache`` and ``session``. ``ARCHITECTURE.md`` has the map.
"""
