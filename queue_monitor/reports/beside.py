"""Makes a PDF in a process beside the monitor, one at a time: it takes a second or more, and figures must not wait."""

import asyncio
import sys
from typing import Final

from queue_monitor.reports.pdf import MissingPdf

PATIENCE_SECONDS: Final = 120
"""The longest time for a PDF; a year of forty queues takes some ten seconds on a slow machine."""


class PdfPress:
    """Makes PDFs for a running monitor."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def pdf_of(self, page: bytes) -> bytes:
        """Return the PDF of a page. Raises `MissingPdf`, also where the process is stopped or takes too long."""
        async with self._turn:
            making = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "queue_monitor.reports.pdf",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    made, said = await making.communicate(page)
            except TimeoutError:
                raise MissingPdf(f"the PDF was not made in {PATIENCE_SECONDS} s") from None
            finally:
                if making.returncode is None:
                    making.kill()
                    await making.wait()
        if making.returncode:
            words = said.decode(errors="replace").strip().splitlines()
            raise MissingPdf(words[-1] if words else f"the process ended with {making.returncode}")
        return made
