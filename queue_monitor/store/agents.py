"""The agents as the store keeps them: a pseudonym that changes every day, made with a key that never leaves its file.

One key always gives the same pseudonyms, so a rebuild of history from the journal has the same rows.
"""

import hashlib
import hmac
import stat
from datetime import date
from functools import lru_cache
from pathlib import Path
from secrets import token_bytes
from typing import Final

from queue_monitor.ports import StoreError
from queue_monitor.store.names import plain
from queue_monitor.whole_file import write_whole

DAILY: Final = "daily"
NAMED: Final = "named"
NONE: Final = "none"
_KEY_BYTES: Final = 32


class Agents:
    """The pseudonyms of agents. Without a file the key is gone with the process, which is right for a store in memory.

    `how`: `daily` (a pseudonym), `named` (the id itself) or `none`.
    """

    def __init__(self, how: str, file: Path | None) -> None:
        if how not in (DAILY, NAMED, NONE):
            raise StoreError(f"store.agents: {how!r} is not one of {DAILY}, {NAMED}, {NONE}")
        self._how = how
        self._file = file
        self._key: bytes | None = None
        self.pseudonym = lru_cache(maxsize=10_000)(self._pseudonym)

    def check(self) -> None:
        """Read the key if there is one already, so that a key that cannot be used is reported at the start."""
        if self._how == DAILY and self._file is not None and self._file.exists():
            self._key = _read(self._file)

    def _pseudonym(self, agent_id: str, day: date) -> str | None:
        if self._how == NONE:
            return None
        if self._how == NAMED:
            return plain(agent_id)
        if self._key is None:
            self._key = _read_or_make(self._file) if self._file is not None else token_bytes(_KEY_BYTES)
        text = f"{day.isoformat()} {agent_id}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).digest()[:8].hex()


def _read_or_make(file: Path) -> bytes:
    key = token_bytes(_KEY_BYTES)
    try:
        write_whole(file, f"{key.hex()}\n".encode(), anew=True)
    except FileExistsError:
        return _read(file)
    except OSError as error:
        raise StoreError(f"store.agent_key: {file} cannot be made: {error.strerror}") from error
    return key


def _read(file: Path) -> bytes:
    try:
        mode = file.stat().st_mode
        text = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        if isinstance(error, PermissionError):
            reason += f"; it must be the monitor's own: chown --reference={file.parent}/. {file}"
        raise StoreError(f"store.agent_key: {file} cannot be read: {reason}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise StoreError(f"store.agent_key: {file} is open to others than its owner; chmod 600 {file}")
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise StoreError(
            f"store.agent_key: {file} does not hold a key (64 hex digits); put the right one back, or take the file"
            " away and a new one is made: agents then have other pseudonyms from then on"
        )
    return key
