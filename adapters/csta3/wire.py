"""The TCP connection to a CSTA exchange: start a session, monitor, ask who waits, keep the session alive.

CSTA can clear, divert and make calls. So only one function can write to the socket, and it allows a few listening
requests by name.
"""

from datetime import datetime
from typing import Final
from xml.etree.ElementTree import Element

from adapters.csta3.frames import EVENT, Cutter, Fault, framed
from adapters.csta3.messages import NAMESPACE, name, read, request, text, whole, written
from adapters.csta3.settings import Settings
from adapters.csta3.translator import Translator
from queue_monitor.ports import Adapter, AdapterError, CallerNames, Clock, Connection, Reach
from queue_monitor.switch_session import Line, Place, SwitchAdapter, epoch_of, only_opened, reached, secret_of

KIND: Final = "csta3"

ALLOWED: Final = frozenset(
    (
        *("StartApplicationSession", "ResetApplicationSessionTimer", "StopApplicationSession"),
        *("MonitorStart", "SnapshotDevice", "RequestSystemStatus", "SystemStatusResponse"),
    )
)
APPLICATION: Final = "queue-monitor"
NO_PILOTS: Final = "no queue is named: pilots = { device = queue name }"
_MISSES: Final = 2
_SHORTEST_SESSION: Final = 2
_WRONG_FOR_GOOD: Final = ("invalid", "privilege", "notsupported", "not supported", "security")


class CstaDialogue:
    """Starts a session with an exchange over one line, monitors its devices, asks who waits, and keeps it alive."""

    def __init__(
        self, line: Line, settings: Settings, clock: Clock, translator: Translator, password: str = ""
    ) -> None:
        self.translator = translator
        self._line = line
        self._settings = settings
        self._password = password
        self._clock = clock
        self._cutter = Cutter()
        self._answers: dict[int, Element] = {}
        self._invoke = 0
        self._id = ""
        self._seconds = settings.session_seconds
        self._next_reset = self._next_status = self._next_list = clock.monotonic()

    def send(self, root: Element, invoke: int | None = None, device: str = "") -> int:
        """Send one allowed request, the only way to the socket. Returns its invoke id; raises `ValueError` for
        others.
        """
        kind = name(root)
        if kind not in ALLOWED:
            raise ValueError(f"this monitor never sends {kind!r}")
        if invoke is None:
            invoke = self._invoke = (self._invoke + 1) % EVENT
            self.translator.asked(invoke, kind, device, self._clock.now())
        self._line.write(framed(invoke, written(root)))
        return invoke

    async def log_in(self) -> None:
        if self._settings.session_seconds:
            await self._start_session()
        for device in (*self._settings.pilots, *self._settings.agent_names):
            told = await self._answer_to(self.send(self._request("MonitorStart", monitorObject__deviceObject=device)))
            if name(told) != "MonitorStartResponse":
                raise self._refused(told, f"cannot monitor the device {device}")
        now = self._clock.monotonic()
        self._next_reset = now + self._seconds / 2
        self._next_status = now + self._settings.heartbeat_seconds

    async def _start_session(self) -> None:
        login = {}
        if self._settings.username:
            login = {
                "applicationInfo__applicationSpecificInfo__userName": self._settings.username,
                "applicationInfo__applicationSpecificInfo__password": self._password,
            }
        told = await self._answer_to(
            self.send(
                self._request(
                    "StartApplicationSession",
                    applicationInfo__applicationID=APPLICATION,
                    **login,
                    requestedProtocolVersions__protocolVersion=NAMESPACE + self._settings.edition,
                    requestedSessionDuration=str(self._settings.session_seconds),
                )
            )
        )
        if name(told) != "StartApplicationSessionPosResponse":
            raise self._refused(told, "refused the session")
        self._id = text(told, "sessionID")
        # The granted time counts, not the requested one; some of it must be left to prolong the session in.
        self._seconds = max(whole(told, "actualSessionDuration") or self._seconds, _SHORTEST_SESSION)

    def _request(self, kind: str, **parts: str) -> Element:
        return request(kind, self._settings.edition, **parts)

    def _refused(self, told: Element, what: str) -> AdapterError:
        """Return the error for a refusal, with the exchange's own fixed word for it, which holds no number."""
        words = [(one.text or "").strip() for one in told.iter() if (one.text or "").strip()]
        why = words[0][:60] if words else name(told)[:60]
        hopeless = any(word in why.casefold() for word in _WRONG_FOR_GOOD)
        return AdapterError(f"{self._line.place} {what}: {why}", permanent=hopeless)

    async def _answer_to(self, invoke: int) -> Element:
        while invoke not in self._answers:
            piece = await self._line.read()
            if not piece:
                raise AdapterError(f"{self._line.place} closed the connection at the beginning")
            for found in self._cutter.cut(piece):
                if isinstance(found, Fault):
                    raise AdapterError(f"{self._line.place} answers, but speaks no CSTA III in XML", permanent=True)
                root = read(found.content)
                if found.invoke != EVENT and not isinstance(root, str) and name(root) != "SystemStatus":
                    self._answers[found.invoke] = root
        return self._answers.pop(invoke)

    def ask(self) -> str:
        """Ask who waits and whether the exchange is there, and prolong the session, each when it is due.

        Returns the trouble in words if requests stay unanswered, else "". Exchanges have been known to drop their
        monitors in silence, so a silent one is asked too.
        """
        if self.translator.trouble:
            return self.translator.trouble
        now = self._clock.monotonic()
        replies, self.translator.replies = self.translator.replies, []
        for invoke in replies:
            self.send(self._request("SystemStatusResponse"), invoke)
        if now >= self._next_status:
            if self.translator.unanswered("RequestSystemStatus") >= _MISSES:
                return f"has not answered {_MISSES} requests for its status"
            self._next_status = now + self._settings.heartbeat_seconds
            self.send(self._request("RequestSystemStatus"))
        if self._id and now >= self._next_reset:
            self._next_reset = now + self._seconds / 2
            duration = str(self._settings.session_seconds)
            self.send(
                self._request("ResetApplicationSessionTimer", sessionID=self._id, requestedSessionDuration=duration)
            )
        if now >= self._next_list:
            self._next_list = now + self._settings.snapshot_seconds
            for device in self._settings.pilots:
                self.send(self._request("SnapshotDevice", snapshotObject=device), device=device)
        return ""

    def say_goodbye(self) -> None:
        if self._id:
            self.send(self._request("StopApplicationSession", sessionID=self._id))


def _place(settings: Settings) -> Place:
    return Place(
        name="the CSTA link",
        host=settings.host,
        port=settings.port,
        tls=settings.tls,
        tls_ca=settings.tls_ca,
        connect_seconds=settings.connect_seconds,
        tick_seconds=min(1.0, settings.heartbeat_seconds),
    )


async def reach(label: str, switch: str, settings: Settings, clock: Clock) -> Reach:
    """Check that the port accepts a connection, without a session, which would take licences. Raises `AdapterError`."""
    if not settings.pilots:
        raise AdapterError(NO_PILOTS, permanent=True)
    return await reached(_place(settings), clock, only_opened)


def build(label: str, switch: str, settings: Settings, clock: Clock, callers: CallerNames | None = None) -> Adapter:

    def dialogue(line: Line, began: datetime) -> CstaDialogue:
        if not settings.pilots:
            raise AdapterError(NO_PILOTS, permanent=True)
        password = secret_of(settings.password, settings.password_env)
        connection = Connection(source=f"urn:kc:{KIND}:{label}", switch=switch, epoch=epoch_of(began), callers=callers)
        return CstaDialogue(line, settings, clock, Translator(connection, settings), password)

    return SwitchAdapter(label, _place(settings), clock, dialogue)
