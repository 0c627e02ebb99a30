"""The file of the tokens that were made on a page: their holders, roles and SHA-256. Only its owner can read it."""

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from queue_monitor.model import Access
from queue_monitor.whole_file import write_json

_decoder: Final = msgspec.json.Decoder(list[Access])


class TokenFile:
    """The JSON file at `path`; made when the first token is made."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Access]:
        """Return everybody in the file; empty where there is no file. Raises `OSError` where it cannot be read."""
        try:
            return _decoder.decode(self._path.read_bytes())
        except FileNotFoundError:
            return []
        except msgspec.DecodeError as error:
            raise OSError(f"http.token_file: {self._path} is damaged: {error}") from error
        except OSError as error:
            raise OSError(f"http.token_file: {self._path} cannot be read: {error.strerror or error}") from error

    async def add(self, access: Access) -> None:
        """Add one holder; return when the disk has it. Raises `OSError`, and then nothing has changed."""
        await asyncio.to_thread(write_json, self._path, [*self.read(), access])
