"""The HTTP interface: the status API, its documentation, and the pages."""

from queue_monitor.api.app import create_app
from queue_monitor.api.json.status import status_body

__all__ = ["create_app", "status_body"]
