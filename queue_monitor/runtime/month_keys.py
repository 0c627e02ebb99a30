"""The keys by which telephone numbers in ids are replaced: one for each calendar month, in a file that only its owner
can read.

A month's key is destroyed with the last journal row of that month: after that nobody can find out whose calls they
were. The file also has, for each month, the replacements carried over from earlier months.
"""

import asyncio
import logging
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from secrets import token_bytes
from threading import Lock
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from queue_monitor.ports import StoreError
from queue_monitor.whole_file import write_json

log = logging.getLogger(__name__)

KEY_BYTES: Final = 32
_Month = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}$")]
_Key = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class _Kept(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One month in the file. `carried`: the replacements by its own key, and the earlier ones that stand in their
    place.
    """

    key: _Key
    carried: dict[str, str] = {}


_decoder: Final = msgspec.json.Decoder(dict[_Month, _Kept])


class MonthKeys:
    """The file at `path`, made with the first key; without a path the keys are gone with the process.

    A new key is on disk once `save` has returned; a thread writes it, for a disk may be slow. A file that cannot be
    written is no reason to refuse calls: the keys then stay in memory, that is logged once, and every `save` tries
    again. Raises `StoreError` for a file that cannot be used.
    """

    def __init__(self, path: Path | None, make: Callable[[int], bytes] = token_bytes) -> None:
        self._path = path
        self._make = make
        self._keys: dict[str, bytes] = {}
        self._carried: dict[str, dict[str, str]] = {}
        self._is_behind = False
        self._is_said = False
        self._writing = Lock()
        self._saving = asyncio.Lock()
        if path is not None:
            for month, kept in _read(path).items():
                self._keys[month] = bytes.fromhex(kept.key)
                self._carried[month] = dict(kept.carried)

    @property
    def months(self) -> list[str]:
        """Return the months that have a key, oldest first, each as `2026-11`."""
        return sorted(self._keys)

    def of(self, month: str) -> bytes:
        """Return the month's key; it is made at the first call."""
        key = self._keys.get(month)
        if key is None:
            key = self._keys[month] = self._make(KEY_BYTES)
            self._is_behind = True
        return key

    def before(self, month: str) -> str | None:
        """Return the newest earlier month that has a key; None where there is none."""
        return max((known for known in self._keys if known < month), default=None)

    def carried(self, month: str, replaced: str) -> str | None:
        """Return the replacement that stands in this month in place of the one by its own key; None where there is
        none.
        """
        return self._carried.get(month, {}).get(replaced)

    def carry(self, month: str, earlier: Mapping[str, str]) -> None:
        """Note the replacements to use in this month, by the ones that its own key gives."""
        self._carried.setdefault(month, {}).update(earlier)
        self._is_behind = True

    def destroy(self, month: str) -> None:
        """Delete a month's key and the replacements carried into it, for good. Raises `OSError` where the file still
        has it.
        """
        if self._keys.pop(month, None) is not None:
            self._carried.pop(month, None)
            self._save()

    async def save(self) -> None:
        """Write new keys to the file; return when the disk has them, or when it is logged that
        they cannot be written.
        """
        async with self._saving:  # whoever comes second must not go on before the first is done
            while self._is_behind:
                self._is_behind = False
                try:
                    await asyncio.to_thread(self._save)
                except OSError as error:
                    if not self._is_said:
                        reason = error.strerror or error
                        log.error("store.number_keys cannot be written path=%s error=%s", self._path, reason)
                    self._is_behind = self._is_said = True
                    return
                except asyncio.CancelledError:  # its thread goes on, and nobody would know when it is done
                    self._is_behind = True
                    raise
                self._is_said = False

    def _save(self) -> None:
        if self._path is None:
            return
        with self._writing:  # read inside the lock, so that the file gets exactly this, even when others write too
            keys, carried = self._keys.copy(), {month: its.copy() for month, its in self._carried.copy().items()}
            kept = {month: _Kept(key=keys[month].hex(), carried=carried.get(month, {})) for month in sorted(keys)}
            write_json(self._path, kept)


def _read(path: Path) -> dict[str, _Kept]:
    try:
        mode, content = path.stat().st_mode, path.read_bytes()
        kept = _decoder.decode(content)
    except FileNotFoundError:
        return {}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreError(
            f"store.number_keys: {path} is damaged; put the right one back, or take the file away and new keys are "
            "made: calls that go on then count anew where their ids hold a number"
        ) from error
    except OSError as error:
        raise StoreError(f"store.number_keys: {path} cannot be read: {error.strerror or error}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise StoreError(f"store.number_keys: {path} is open to others than its owner; chmod 600 {path}")
    return kept
