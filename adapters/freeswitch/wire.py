"""The TCP connection to a FreeSWITCH event socket: log in, read, ask who waits, notice a silence.

A client that is logged in there may do anything to the switch: no account may only read. So only one function can write
to the socket, and it allows a few harmless commands by name.
"""

import re
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final

from adapters.freeswitch.frames import Cutter, Frame
from adapters.freeswitch.settings import Settings
from adapters.freeswitch.translator import QUEUES, Translator
from queue_monitor.ports import Adapter, AdapterError, CallerNames, Clock, Connection, Reach
from queue_monitor.switch_session import Line, Place, SwitchAdapter, epoch_of, reached, secret_of

KIND: Final = "freeswitch"
DEFAULT_PASSWORD: Final = "ClueCon"

ALLOWED: Final = re.compile(
    r"auth \S.*"
    r"|event (plain|json) (CUSTOM callcenter::info|HEARTBEAT)"
    r"|filter Event-Name (CUSTOM|HEARTBEAT)"
    r"|api status"
    r"|api callcenter_config (queue list( (members|agents|tiers) \S.*)?|agent list|tier list)"
    r"|exit"
)
AGENTS: Final = "api callcenter_config agent list"
TIERS: Final = "api callcenter_config tier list"

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_HEARTBEATS: Final = 2.5


class EslDialogue:
    """Logs in to an event socket over one line, subscribes, and asks who waits and who answers."""

    def __init__(
        self, line: Line, settings: Settings, clock: Clock, translator: Translator, password: str = ""
    ) -> None:
        self.translator = translator
        self._line = line
        self._settings = settings
        self._password = password
        self._clock = clock
        self._cutter = Cutter()
        self._asked = self._next_list = self._next_tiers = clock.monotonic()

    def send(self, command: str) -> None:
        """Send one allowed command, the only way to the socket. Raises `ValueError` for any other."""
        if _CONTROL.search(command):
            raise ValueError("a line break in a command could smuggle in another")
        if not ALLOWED.fullmatch(command):
            raise ValueError(f"this monitor never sends the command {command.partition(' ')[0]!r} like that")
        if command.startswith("api "):
            self._asked = self._clock.monotonic()
            self.translator.asked(command, self._clock.now())
        self._line.write(command.encode() + b"\n\n")

    async def log_in(self) -> None:
        greeting = await self._next_frame()
        if greeting.kind == "text/rude-rejection":
            raise AdapterError(
                f"{self._line.place} lets nobody in from this machine. "
                "See apply-inbound-acl in event_socket.conf.xml there.",
                permanent=True,
            )
        if greeting.kind != "auth/request":
            raise AdapterError(f"{self._line.place} answers, but is no FreeSWITCH event socket", permanent=True)
        self.send(f"auth {self._password}")
        reply = await self._next_frame()
        if not reply.headers.get("Reply-Text", "").startswith("+OK"):
            raise AdapterError(
                f"{self._line.place} refused the password. See event_socket.conf.xml there.",
                permanent=True,
            )
        self.send("api status")
        # Two commands: all that follows CUSTOM in one is taken for another custom event.
        self.send(f"event {self._settings.format} CUSTOM callcenter::info")
        self.send(f"event {self._settings.format} HEARTBEAT")

    async def _next_frame(self) -> Frame:
        """Read until the next frame. All that is read goes to the translator too."""
        while True:
            piece = await self._line.read()
            if not piece:
                raise AdapterError(f"{self._line.place} closed the connection at login")
            for found in self._cutter.cut(piece):
                if isinstance(found, Frame):
                    return found
                raise AdapterError(f"{self._line.place} answers, but is no FreeSWITCH event socket", permanent=True)

    def ask(self) -> str:
        """Ask who answers which queue and who waits, at once and then when it is due.

        Returns the trouble in words if nothing is received any more, else "".
        """
        now, patience = self._clock.monotonic(), _HEARTBEATS * self._settings.heartbeat_seconds
        if self.translator.trouble:
            return self.translator.trouble
        if now - self._line.heard_at > patience:
            return f"has been silent for {patience:g} s"
        for command in self.translator.questions():
            # A name that the command cannot carry is left to the events.
            with suppress(ValueError):
                self.send(command)
        if self.translator.unanswered:
            return f"has not answered for {patience:g} s" if now - self._asked > patience else ""
        if now >= self._next_tiers:
            self._next_tiers = now + self._settings.tier_seconds
            self.send(AGENTS)
            self.send(TIERS)
        if now >= self._next_list:
            self._next_list = now + self._settings.snapshot_seconds
            self.send(QUEUES)
        return ""

    def say_goodbye(self) -> None:
        self.send("exit")


def _password(settings: Settings) -> str:
    password = secret_of(settings.password, settings.password_env)
    if password == DEFAULT_PASSWORD:
        raise AdapterError(
            f"the password {DEFAULT_PASSWORD} is what every FreeSWITCH ships with, and whoever knows it may do "
            "anything to the switch. Set another in event_socket.conf.xml there, and here.",
            permanent=True,
        )
    if not password.strip() or _CONTROL.search(password):
        raise AdapterError("the event socket needs a password: set password or password_env", permanent=True)
    return password


def _place(settings: Settings) -> Place:
    return Place(
        name="FreeSWITCH",
        host=settings.host,
        port=settings.port,
        connect_seconds=settings.connect_seconds,
        tick_seconds=min(1.0, settings.heartbeat_seconds),
        opened_by="listen-ip and listen-port in event_socket.conf.xml",
    )


def _dialogue(
    name: str,
    switch: str,
    settings: Settings,
    clock: Clock,
    line: Line,
    began: datetime,
    callers: CallerNames | None = None,
) -> EslDialogue:
    password = _password(settings)
    connection = Connection(source=f"urn:kc:{KIND}:{name}", switch=switch, epoch=epoch_of(began), callers=callers)
    return EslDialogue(line, settings, clock, Translator(connection, settings), password)


def build(name: str, switch: str, settings: Settings, clock: Clock, callers: CallerNames | None = None) -> Adapter:
    dialogue = partial(_dialogue, name, switch, settings, clock, callers=callers)
    return SwitchAdapter(name, _place(settings), clock, dialogue)


async def reach(name: str, switch: str, settings: Settings, clock: Clock) -> Reach:
    """Log in on a separate line, which disturbs no other. Raises `AdapterError`."""

    async def ask(line: Line) -> Reach:
        dialogue = _dialogue(name, switch, settings, clock, line, clock.now())
        await dialogue.log_in()
        dialogue.say_goodbye()
        return Reach()

    return await reached(_place(settings), clock, ask)
