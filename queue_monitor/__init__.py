"""The queue monitor follows every caller who waits and warns, before it is too late, that the target is at risk."""

__version__ = "0.2.0"
