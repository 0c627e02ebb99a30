"""Sets how long tests wait for what must come."""

from typing import Final

PATIENCE: Final = 240.0
"""Seconds, a little less than pytest allows a test. A busy machine never takes so long: only what hangs does."""
