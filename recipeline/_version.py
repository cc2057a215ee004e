"""The version of the library: the one place that it is written down."""

__version__ = "0.2.0"
