"""The TCP connection to an Asterisk manager: log in, read, ask who waits, ask whether it is still there.

A manager account that may only read can still throw a waiting caller out (`QueueWithdrawCaller` needs no privilege). So
only one function can write to the socket, and it allows a few harmless actions by name.
"""

import hashlib
from datetime import UTC, datetime
from functools import partial
from typing import Final

from adapters.asterisk_ami.messages import headers
from adapters.asterisk_ami.settings import Settings
from adapters.asterisk_ami.translator import Translator
from queue_monitor.ports import Adapter, AdapterError, CallerNames, Clock, Connection, Reach
from queue_monitor.switch_session import Line, Place, SwitchAdapter, epoch_of, reached, secret_of

KIND: Final = "asterisk_ami"

ALLOWED: Final = frozenset(
    ("Login", "Challenge", "Logoff", "Ping", "Events", "QueueStatus", "QueueSummary", "CoreStatus", "CoreShowChannels")
)
_BANNER: Final = b"Asterisk Call Manager/"
_MISSES: Final = 2
_SECOND_LOOK: Final = 4.0
"""The channels that are up are asked for at the beginning and after this time: by then, one whose caller hung up while
nobody listened is gone for certain (seconds).
"""

_BOOT_SECONDS: Final = 3.0
"""The time to wait before the first list, a little longer than the translator waits for FullyBooted (seconds)."""


class AmiDialogue:
    """Logs in to an Asterisk manager over one line, asks who waits and whether it is there, and logs off."""

    def __init__(self, line: Line, settings: Settings, clock: Clock, translator: Translator, secret: str = "") -> None:
        self.translator = translator
        self._line = line
        self._settings = settings
        self._secret = secret
        self._clock = clock
        self._actions = 0
        self._began = self._next_ping = self._next_list = clock.monotonic()
        self._asked = False
        self._looks = 2

    def send(self, action: str, **fields: str) -> str:
        """Send one allowed action, the only way to the socket, and return its ActionID. Raises `ValueError` for any
        other.
        """
        if action not in ALLOWED:
            raise ValueError(f"this monitor never sends the action {action!r}")
        if any("\r" in value or "\n" in value for value in fields.values()):
            raise ValueError("a line break in a field could smuggle in another action")
        self._actions += 1
        action_id = f"{action.lower()}-{self._actions}"
        lines = [f"Action: {action}", f"ActionID: {action_id}", *(f"{key}: {value}" for key, value in fields.items())]
        self._line.write("\r\n".join([*lines, "", ""]).encode())
        return action_id

    async def log_in(self) -> None:
        username = self._settings.username
        if self._settings.challenge:
            answer = await self._answer_to(self.send("Challenge", AuthType="MD5"))
            if "Challenge" not in answer:
                raise AdapterError(f"{self._line.place} offers no MD5 login; set challenge = false", permanent=True)
            key = hashlib.md5((answer["Challenge"] + self._secret).encode(), usedforsecurity=False).hexdigest()
            answer = await self._answer_to(self.send("Login", AuthType="MD5", Username=username, Key=key))
        else:
            answer = await self._answer_to(self.send("Login", Username=username, Secret=self._secret))
        if answer.get("Response") != "Success":
            raise AdapterError(
                f"{self._line.place} refused the account {username!r}: username or secret is wrong, or the account's "
                "permit/deny list leaves this machine out. See manager.conf there.",
                permanent=True,
            )
        self._began = self._clock.monotonic()

    async def _answer_to(self, action_id: str) -> dict[str, str]:
        """Read until the reply comes, and hand all that is read to the translator too, from the banner on."""
        wanted = f"\r\nActionID: {action_id}\r\n".encode()
        heard = b""
        while True:
            piece = await self._line.read()
            begun = not action_id.endswith("-1") or heard.startswith(_BANNER)
            if not piece and (begun or not heard):
                raise AdapterError(
                    f"{self._line.place} closed the connection at login: see host, port and tls here, and permit there"
                )
            heard += piece
            if not begun and (not piece or len(heard) >= len(_BANNER)) and not heard.startswith(_BANNER):
                raise AdapterError(
                    f"{self._line.place} answers, but is no Asterisk manager interface: see host, port and tls",
                    permanent=True,
                )
            for block in heard.split(b"\r\n\r\n")[:-1]:
                if wanted in block + b"\r\n":
                    return headers(block[block.find(b"Response:") :])

    def ask(self) -> str:
        """Ask who waits, and whether the switch is there, each when it is due; at first also which channels are up.

        The first list waits until the switch has started. Returns the trouble in words if pings stay unanswered, else
        "".
        """
        now = self._clock.monotonic()
        if not self._asked and not self.translator.booted and now - self._began < _BOOT_SECONDS:
            return ""
        if not self._asked or now >= self._next_ping:
            if self.translator.unanswered_pings >= _MISSES:
                return f"has not answered {_MISSES} pings"
            self._next_ping = now + self._settings.ping_seconds
            self.translator.ping_sent(self.send("Ping"), self._clock.now())
        if not self._asked or now >= self._next_list:
            self._next_list = now + self._settings.snapshot_seconds
            if self._looks:
                self._looks -= 1
                self.send("CoreShowChannels")
                if self._looks:
                    self._next_list = now + min(self._settings.snapshot_seconds, _SECOND_LOOK)
            self.send("QueueStatus")
        self._asked = True
        return ""

    def say_goodbye(self) -> None:
        self.send("Logoff")

    async def reach(self) -> Reach:
        """Log in, ask for the switch's time, log off. Raises `AdapterError`."""
        await self.log_in()
        asked_at = self._clock.now()
        pong = await self._answer_to(self.send("Ping"))
        self.say_goodbye()
        try:
            switch_time = datetime.fromtimestamp(float(pong["Timestamp"]), UTC)
        except (KeyError, ValueError, OverflowError):
            return Reach()
        return Reach(switch_time=switch_time, asked_at=asked_at)


def _place(settings: Settings) -> Place:
    return Place(
        name="Asterisk",
        host=settings.host,
        port=settings.port,
        tls=settings.tls,
        tls_ca=settings.tls_ca,
        connect_seconds=settings.connect_seconds,
        opened_by="enabled, bindaddr and permit in manager.conf",
    )


def _dialogue(
    name: str,
    switch: str,
    settings: Settings,
    clock: Clock,
    line: Line,
    began: datetime,
    callers: CallerNames | None = None,
) -> AmiDialogue:
    secret = secret_of(settings.secret, settings.secret_env)
    connection = Connection(source=f"urn:kc:{KIND}:{name}", switch=switch, epoch=epoch_of(began), callers=callers)
    return AmiDialogue(line, settings, clock, Translator(connection, settings), secret)


def build(name: str, switch: str, settings: Settings, clock: Clock, callers: CallerNames | None = None) -> Adapter:
    dialogue = partial(_dialogue, name, switch, settings, clock, callers=callers)
    return SwitchAdapter(name, _place(settings), clock, dialogue)


async def reach(name: str, switch: str, settings: Settings, clock: Clock) -> Reach:
    """Log in on a separate line, which disturbs no other. Raises `AdapterError`."""
    return await reached(
        _place(settings), clock, lambda line: _dialogue(name, switch, settings, clock, line, clock.now()).reach()
    )
