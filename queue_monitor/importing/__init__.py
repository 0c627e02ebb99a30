"""Imports years of past calls from files into the call history, judged by the rules of their days and marked.

The events of the files go through the same live state and the same commit as in operation; only the journal does not
have them. `run` imports, or tries it (`dry_run`); `summary` describes the result.
"""

from queue_monitor.importing.engine import Imported, run
from queue_monitor.importing.reading import KINDS, Wanted
from queue_monitor.importing.summary import summary

__all__ = ["KINDS", "Imported", "Wanted", "run", "summary"]
