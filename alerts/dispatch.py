"""The dispatcher sends each change of an alert to the recipients that ask for it, and keeps the record.

A failed notice is tried again, and then sent through the channel's fallback. The outbox is in memory, with the store
behind it: while the database is away alerts still go out, and they are written down when it is back. After a restart
the undelivered notices are tried again, as long as they have not expired.

Longer than 450 lines because the outbox, the attempts and the record of a notice are one state.
"""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import structs

from alerts.notification_policy import NotifyReason
from alerts.people import PATIENCE, Channel, Recipient, RetryPolicy
from alerts.unsaved import UnsavedFile
from queue_monitor.model import (
    Acknowledgement,
    Alert,
    AlertBatch,
    AlertChange,
    AlertKind,
    AlertLevel,
    AlertReason,
    Attempt,
    Notice,
    NoticeState,
)
from queue_monitor.ports import AlertStore, Clock, DeliveryError, StoreError

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 2.0
KEPT: Final = timedelta(hours=48)
SHOWN_FOR: Final = timedelta(hours=26)
"""The time for which an end is tried at a system that shows what stands: as long as that would go on showing it."""


class Dispatcher:
    """The dispatcher plans notices, sends them, and knows which alerts nobody has acknowledged.

    `sign`: returns the link of an episode for a recipient ("" when there is no page).
    `counted`: the number of deliveries by channel and result.
    `unsaved`: the file of what the store has not taken, which outlives a kill.
    """

    def __init__(
        self,
        channels: Iterable[Channel],
        recipients: Sequence[Recipient],
        store: AlertStore,
        clock: Clock,
        zone: ZoneInfo,
        *,
        patience: RetryPolicy = PATIENCE,
        escalate_to: str = "",
        sign: Callable[[str, str], str] = lambda episode, recipient: "",
        unsaved: UnsavedFile | None = None,
    ) -> None:
        self._channels = {channel.name: channel for channel in channels}
        self._recipients = recipients
        self._store = store
        self._clock = clock
        self._zone = zone
        self._patience = patience
        self._escalate_to = escalate_to
        self._sign = sign
        self._notices: dict[str, Notice] = {}
        self._seen: dict[str, Acknowledgement] = {}
        self._open: dict[str, Alert] = {}
        self._unsaved: list[AlertBatch] = []
        self._beside = unsaved
        self._is_beside = False
        self._beside_fails = False
        self._saved: bytes | None = None
        self._sending: set[str] = set()
        self._store_down = False
        self._writing = asyncio.Lock()
        self.counted: Counter[tuple[str, str]] = Counter()
        self.undelivered = 0

    # ---- the notices and acknowledgements so far

    def recall(self, batch: AlertBatch) -> None:
        """Take up the notices and acknowledgements of the process before this one.

        What waits goes to its recipient as the settings are now: by his or her present channel, when the present quiet
        hours end, and not at all to one who is no longer in them.
        """
        self._notices = {notice.id: notice for notice in batch.notices}
        self._seen = {seen.episode: seen for seen in batch.acknowledgements}
        self._saved = batch.state
        notices: list[Notice] = []
        attempts: list[Attempt] = []
        for notice in self.pending:
            recipient = next((one for one in self._recipients if one.name == notice.recipient), None)
            if recipient is None:
                notices.append(structs.replace(notice, state=NoticeState.DROPPED))
                attempts.append(self._tried(notice, 0, "no_recipient"))
            elif self._is_by_another_way(notice, recipient):
                notices.append(structs.replace(notice, state=NoticeState.DROPPED))
                attempts.append(self._tried(notice, 0, "superseded"))
                notices += self._by_the_new_way(notice, recipient)
            elif (waits := self._quiet_as_now(notice, recipient)) is not notice:
                notices.append(waits)
        self._notices |= {notice.id: notice for notice in notices}
        if notices:
            self._line_up(AlertBatch(notices=tuple(notices), attempts=tuple(attempts)))

    def _is_by_another_way(self, notice: Notice, recipient: Recipient) -> bool:
        """Return whether a notice is to go by a channel that is no longer its recipient's, or no longer there."""
        if notice.fallback_of:
            return notice.channel not in self._channels
        return notice.channel != recipient.channel

    def _by_the_new_way(self, notice: Notice, recipient: Recipient) -> list[Notice]:
        """Return the notice for its recipient's present channel, unless that has it already."""
        anew = self._to_all(notice.alert, recipient, notice.escalation)
        return [each for each in anew if each.id not in self._notices]

    def _quiet_as_now(self, notice: Notice, recipient: Recipient) -> Notice:
        """Return a notice that waits, due when the quiet hours of the present settings end."""
        now = self._clock.now()
        was_quiet = notice.due_at - max(notice.made_at, now) > self._patience.longest_wait
        until = recipient.quiet_until(now, self._zone) or (now if was_quiet else None)
        if until is None or until == notice.due_at:
            return notice
        return structs.replace(notice, due_at=until, expires_at=until + self._patience.give_up_after)

    def try_again(self, standing: Iterable[Alert]) -> None:
        """Send once more, at a start, what of the alerts that stand has reached its recipient on no channel: a wrong
        address or password may have been mended since.
        """
        episodes = {alert.episode for alert in standing}
        now = self._clock.now()
        for notice in list(self._notices.values()):
            alert = notice.alert
            if alert.episode not in episodes or notice.state is not NoticeState.FAILED or notice.fallback_of:
                continue
            reached = any(
                other.recipient == notice.recipient and other.state in (NoticeState.SENT, NoticeState.PENDING)
                for other in self._of(alert.episode)
            )
            recipient = next((one for one in self._recipients if one.name == notice.recipient), None)
            if recipient is not None and not reached and now <= notice.expires_at:
                due, before = recipient.quiet_until(now, self._zone) or now, notice.tried_before + notice.attempts
                again = structs.replace(notice, state=NoticeState.PENDING, attempts=0, tried_before=before, due_at=due)
                anew = (
                    self._by_the_new_way(notice, recipient) if self._is_by_another_way(notice, recipient) else [again]
                )
                self._notices |= {each.id: each for each in anew}
                log.info("alert is tried again channel=%s kind=%s", notice.channel, alert.kind)

    @property
    def acknowledged(self) -> frozenset[str]:
        return frozenset(self._seen)

    def acknowledgements(self, alerts: Iterable[Alert]) -> dict[str, Acknowledgement]:
        """Return who has seen these alerts, by episode; those that nobody has seen are left out."""
        return {alert.episode: self._seen[alert.episode] for alert in alerts if alert.episode in self._seen}

    @property
    def pending(self) -> list[Notice]:
        return [notice for notice in self._notices.values() if notice.state is NoticeState.PENDING]

    @property
    def lost_heartbeats(self) -> list[Notice]:
        """Return the signs of life, and the news that one was lost, that failed on their own channel, whether or not a
        fallback delivered them.
        """
        return [
            notice
            for notice in self._notices.values()
            if notice.alert.reason in (AlertReason.ALIVE, AlertReason.NOT_DELIVERED)
            and notice.state is NoticeState.FAILED
            and not notice.fallback_of
        ]

    async def acknowledge(self, episode: str, by: str = "") -> None:
        """Record that somebody has seen the episode, so that it is not escalated. Only the first acknowledgement
        counts.

        An escalation that still waits is not sent: it says that nobody has acknowledged.
        """
        if episode in self._seen:
            return
        seen = Acknowledgement(episode=episode, at=self._clock.now(), by=by)
        self._seen[episode] = seen
        log.info("alert acknowledged episode=%s", episode)
        waits = [
            notice
            for notice in self.pending
            if notice.escalation and notice.alert.episode == episode and notice.id not in self._sending
        ]
        dropped = tuple(structs.replace(notice, state=NoticeState.DROPPED) for notice in waits)
        self._notices |= {notice.id: notice for notice in dropped}
        attempts = tuple(self._tried(notice, 0, "acknowledged") for notice in waits)
        await self.save(AlertBatch(notices=dropped, attempts=attempts, acknowledgements=(seen,)))

    # ---- planning

    def plan(self, alerts: Iterable[Alert]) -> AlertBatch:
        """Return the notices for these changes, and the older notices that they replace; both are saved with the
        state.
        """
        notices: list[Notice] = []
        attempts: list[Attempt] = []
        for alert in alerts:
            if not NotifyReason(alert.notified).notifies:
                if alert.change is AlertChange.CLEARED:
                    self._supersede(alert, None, notices, attempts)
            else:
                for recipient in self._recipients:
                    if self._concerns(alert, recipient):
                        self._plan(alert, recipient, notices, attempts)
            if alert.change is AlertChange.CLEARED:
                notices += self._ends(alert, {notice.channel for notice in notices if notice.alert is alert})
        self._notices |= {notice.id: notice for notice in notices}
        return AlertBatch(notices=tuple(notices), attempts=tuple(attempts))

    def _ends(self, alert: Alert, planned: Collection[str]) -> list[Notice]:
        """Return the notices of an end to the systems that show the alert and are sent no other: people need no word of
        it, or the alert went there in another channel's place.
        """
        now = self._clock.now()
        shown = [
            notice
            for notice in self._of(alert.episode)
            if (notice.state is NoticeState.SENT or notice.id in self._sending) and notice.channel not in planned
        ]
        ends = [
            structs.replace(
                notice,
                id=_id(alert, notice.channel, str(notice.address), "end"),
                alert=alert,
                made_at=now,
                due_at=now,
                expires_at=now + self._patience.give_up_after,
                state=NoticeState.PENDING,
                attempts=0,
                escalation=False,
                fallback_of="",
                link="",
            )
            for notice in shown
            if (channel := self._channels.get(notice.channel)) is not None and channel.mirrors
        ]
        return list({notice.id: notice for notice in ends}.values())

    async def inform(self, alert: Alert, names: Collection[str]) -> None:
        """Send a message that is no alarm, such as news of a report, to the recipients of these names.

        Their own choice of kinds and queues is not asked. The same message is never sent twice to a recipient.
        """
        notices = [
            notice
            for recipient in self._recipients
            if recipient.name in names
            for notice in self._to_all(alert, recipient)
            if notice.id not in self._notices
        ]
        self._notices |= {notice.id: notice for notice in notices}
        await self.save(AlertBatch(notices=tuple(notices)))

    def follow(self, open_alerts: Iterable[Alert]) -> None:
        """Remember the alerts that are open now, as they stand."""
        self._open = {alert.episode: alert for alert in open_alerts}

    def _concerns(self, alert: Alert, recipient: Recipient) -> bool:
        """Return whether a recipient gets this alert; one who is sent something of that episode, also as an
        escalation, gets what follows in it.
        """
        follows = (NoticeState.SENT, NoticeState.PENDING)
        if any(each.recipient == recipient.name and each.state in follows for each in self._of(alert.episode)):
            return True
        return recipient.wants(alert) and not recipient.only_escalations

    def _plan(self, alert: Alert, recipient: Recipient, notices: list[Notice], attempts: list[Attempt]) -> None:
        """Add one recipient's notice, which replaces those not sent to him or her yet.

        An alert's end is sent only to a recipient who was sent the alert.
        """
        told = self._was_told(alert.episode, recipient.name)
        self._supersede(alert, recipient.name, notices, attempts)
        if told or alert.change is not AlertChange.CLEARED:
            notices += self._to_all(alert, recipient)

    def _supersede(self, alert: Alert, recipient: str | None, notices: list[Notice], attempts: list[Attempt]) -> None:
        for notice in self.pending:
            if notice.alert.episode != alert.episode or notice.id in self._sending:
                continue
            if recipient is None or notice.recipient == recipient:
                dropped = structs.replace(notice, state=NoticeState.DROPPED)
                self._notices[notice.id] = dropped
                notices.append(dropped)
                attempts.append(self._tried(notice, 0, "superseded", alert.change.value))

    def _was_told(self, episode: str, recipient: str) -> bool:
        return any(
            notice.recipient == recipient and (notice.state is NoticeState.SENT or notice.id in self._sending)
            for notice in self._of(episode)
        )

    def _to_all(self, alert: Alert, recipient: Recipient, escalation: bool = False) -> list[Notice]:
        """Return a recipient's notice once for each address of the channel."""
        first = self._notice(alert, recipient, escalation)
        named = (alert, recipient.name, recipient.channel, str(escalation))
        return [first, *(_at(first, address, *named) for address in self._others(recipient.channel))]

    def _others(self, channel: str) -> range:
        """Return the numbers of a channel's addresses beyond the first."""
        return range(1, len(self._channels[channel].notifiers) if channel in self._channels else 1)

    def _notice(self, alert: Alert, recipient: Recipient, escalation: bool) -> Notice:
        now = self._clock.now()
        due = recipient.quiet_until(now, self._zone) or now
        return Notice(
            id=_id(alert, recipient.name, recipient.channel, str(escalation)),
            alert=alert,
            recipient=recipient.name,
            channel=recipient.channel,
            made_at=now,
            due_at=due,
            expires_at=due + self._patience.give_up_after,
            escalation=escalation,
            link=self._sign(alert.episode, recipient.name) if _can_be_seen_to(alert) else "",
        )

    def _named(self, name: str) -> Recipient:
        return next(recipient for recipient in self._recipients if recipient.name == name)

    # ---- escalation

    def _escalated(self, episode: str) -> set[str]:
        return {notice.recipient for notice in self._of(episode) if notice.escalation}

    def escalations(self) -> AlertBatch:
        """Return escalation notices for alarms that nobody acknowledged in time, or that reached nobody.

        Each episode is escalated once, and not while its trouble is less than when it was raised.
        """
        found = []
        for episode, alert in self._open.items():
            if self._must_escalate(episode, alert):
                notices = sorted(self._of(episode), key=lambda notice: notice.made_at)
                bad = [notice.alert for notice in notices if notice.alert.change is not AlertChange.EASED]
                made = self._to_all((bad or [alert])[-1], self._named(self._escalate_to), escalation=True)
                found += [structs.replace(each, unanswered_since=notices[0].alert.at) for each in made]
                log.warning("alert escalated episode=%s to=%s", episode, self._escalate_to)
        self._notices |= {notice.id: notice for notice in found}
        return AlertBatch(notices=tuple(found))

    def _must_escalate(self, episode: str, alert: Alert) -> bool:
        if not self._escalate_to or alert.level is not AlertLevel.ALARM:
            return False
        if alert.change is AlertChange.EASED or alert.lower:
            return False
        if episode in self._seen or self._escalated(episode):
            return False
        notices = self._of(episode)
        if notices and all(notice.state is NoticeState.FAILED for notice in notices):
            return True
        first = min((notice.made_at for notice in notices), default=None)
        return first is not None and self._clock.now() - first >= self._patience.escalate_after

    def _of(self, episode: str) -> list[Notice]:
        return [notice for notice in self._notices.values() if notice.alert.episode == episode]

    # ---- sending

    async def run(self) -> None:
        """Send due notices until cancelled."""
        while True:
            await self.work()
            await self._clock.sleep(LOOK_SECONDS * max(1.0, self._clock.rate))

    async def work(self) -> None:
        """Make one round: try every due notice once, side by side, and write down the outcomes."""
        if escalated := self.escalations().notices:
            await self.save(AlertBatch(notices=escalated))
        now = self._clock.now()
        self._bring_back(now)
        due = [notice for notice in self.pending if notice.due_at <= now and notice.id not in self._sending]
        await asyncio.gather(*(self._deliver(notice) for notice in due))
        if self._unsaved:
            await self.save()
        self._forget(now)

    def _bring_back(self, now: datetime) -> None:
        """Date what was made after `now` as of now, so that a clock that was set back holds no message up."""
        for notice in list(self._notices.values()):
            ahead = notice.made_at - now
            if ahead > timedelta(0):
                is_quiet = notice.due_at - notice.made_at > self._patience.longest_wait
                by = timedelta(0) if is_quiet else ahead  # quiet hours end when the clock shows it
                due, expires = notice.due_at - by, notice.expires_at - by
                self._notices[notice.id] = structs.replace(notice, made_at=now, due_at=due, expires_at=expires)

    async def _deliver(self, notice: Notice) -> None:
        now = self._clock.now()
        if now > self._expires(notice):
            await self._failed(notice, "expired", "too old to be worth anything", permanent=True)
            return
        channel = self._channels.get(notice.channel)
        if channel is None:
            await self._failed(notice, "no_channel", f"there is no channel {notice.channel}", permanent=True)
            return
        if notice.address >= len(channel.notifiers):
            await self._failed(notice, "no_address", "the channel has fewer addresses than before", permanent=True)
            return
        self._sending.add(notice.id)
        try:
            async with asyncio.timeout(self._patience.send_seconds):
                await channel.notifiers[notice.address].send(notice)
        except DeliveryError as error:
            await self._failed(notice, error.reason, str(error), error.permanent)
        except TimeoutError:
            await self._failed(notice, "timeout", f"no answer in {self._patience.send_seconds:g} s", permanent=False)
        except Exception as error:
            log.exception("notifier failed channel=%s", notice.channel)
            await self._failed(notice, "bug", type(error).__name__, permanent=False)
        else:
            sent = structs.replace(notice, state=NoticeState.SENT, attempts=notice.attempts + 1)
            await self._settle(sent, "sent")
        finally:
            self._sending.discard(notice.id)

    async def _failed(self, notice: Notice, reason: str, detail: str, permanent: bool) -> None:
        """Plan the next try, or give up and take the channel's fallback."""
        failures = notice.attempts + 1
        due = self._clock.now() + self._patience.wait(failures)
        if not permanent and self._has_tries(notice, failures) and due <= self._expires(notice):
            await self._settle(structs.replace(notice, attempts=failures, due_at=due), reason, detail)
            return
        given_up = structs.replace(notice, state=NoticeState.FAILED, attempts=failures)
        other = None if reason == "expired" else self._fallback(notice)
        if other is None:
            self.undelivered += 1
            log.error(
                "alert not delivered channel=%s address=%d reason=%s kind=%s detail=%s",
                *(notice.channel, notice.address + 1, reason, notice.alert.kind, detail),
            )
        else:
            log.warning(
                "alert takes another way channel=%s address=%d reason=%s detail=%s",
                *(notice.channel, notice.address + 1, reason, detail),
            )
        await self._settle(given_up, reason, detail, other or ())

    def _is_end_at_mirror(self, notice: Notice) -> bool:
        """Return whether this is an end for a system that shows what stands: without it, it goes on showing it."""
        channel = self._channels.get(notice.channel)
        return channel is not None and channel.mirrors and notice.alert.change is AlertChange.CLEARED

    def _expires(self, notice: Notice) -> datetime:
        return notice.expires_at + (SHOWN_FOR if self._is_end_at_mirror(notice) else timedelta(0))

    def _has_tries(self, notice: Notice, failures: int) -> bool:
        """Return whether a notice is tried again by the same way.

        A system that shows what stands is tried until the notice expires, unless another way takes over.
        """
        channel = self._channels.get(notice.channel)
        is_only_way = channel is not None and channel.mirrors and not channel.fallback
        return failures < self._patience.tries or is_only_way or self._is_end_at_mirror(notice)

    def _fallback(self, notice: Notice) -> tuple[Notice, ...] | None:
        """Return the notice for the next channel that has not been tried for it.

        The list is empty when another address of the failed channel has taken that fallback already; None means that no
        channel is left.
        """
        tried = {notice.channel}
        earlier = self._notices.get(notice.fallback_of)
        while earlier is not None:
            tried.add(earlier.channel)
            earlier = self._notices.get(earlier.fallback_of)
        channel = self._channels.get(notice.channel)
        name = channel.fallback if channel else ""
        if not name or name in tried:
            return None
        now = self._clock.now()
        named = (notice.alert, notice.recipient, name, notice.channel, str(notice.escalation))
        if _id(*named) in self._notices:
            return ()
        first = structs.replace(
            notice,
            id=_id(*named),
            address=0,
            channel=name,
            made_at=now,
            due_at=now,
            expires_at=now + self._patience.give_up_after,
            attempts=0,
            fallback_of=notice.id,
        )
        return first, *(_at(first, address, *named) for address in self._others(name))

    async def _settle(self, notice: Notice, result: str, detail: str = "", more: Sequence[Notice] = ()) -> None:
        notices = (notice, *more)
        self._notices |= {each.id: each for each in notices}
        tried = self._tried(notice, notice.tried_before + notice.attempts, result, detail)
        await self.save(AlertBatch(notices=notices, attempts=(tried,)))
        self.counted[notice.channel, result] += 1

    def _tried(self, notice: Notice, number: int, result: str, detail: str = "") -> Attempt:
        return Attempt(
            notice=notice.id,
            number=number,
            at=self._clock.now(),
            channel=notice.channel,
            recipient=notice.recipient,
            result=result,
            detail=detail[:300],
        )

    # ---- the record

    async def save(self, batch: AlertBatch | None = None) -> None:
        """Write a batch to the store, after those still unsaved; when the store is away, keep them for later."""
        if batch is not None:
            self._line_up(batch)
        async with self._writing:
            while self._unsaved:
                try:
                    await self._store.save_alerts(self._unsaved[0])
                except StoreError as error:
                    if not self._store_down:
                        log.error("alert record down error=%s", error)
                    self._store_down = True
                    await self._keep_beside()
                    return
                self._store_down = False
                self._saved = self._unsaved.pop(0).state or self._saved
            await self._clear_beside()

    async def catch_up(self, state: bytes | None) -> bool:
        """Write to the store what an earlier process could not; return whether there was anything.

        `state`: the state of the alerts that the store has. Raises `StoreError`.
        """
        if self._beside is None:
            return False
        try:
            left = await self._beside.left(state)
        except (OSError, msgspec.DecodeError) as error:
            log.error("alerts left beside the store cannot be read error=%s", error)
            return False
        for batch in left:
            await self._store.save_alerts(batch)
        self._is_beside = True
        await self._clear_beside()
        return bool(left)

    async def _keep_beside(self) -> None:
        """Keep what is unsaved in a file, for a process that goes on after a kill."""
        if self._beside is None:
            return
        self._is_beside = True
        await self._do_beside(self._beside.keep(self._unsaved, self._saved), "kept")

    async def _clear_beside(self) -> None:
        if self._beside is None or not self._is_beside:
            return
        self._is_beside = not await self._do_beside(self._beside.clear(), "removed")

    async def _do_beside(self, doing: Awaitable[None], done: str) -> bool:
        """Do something with the file; return whether it could be done. The log says once that it cannot, until it can
        again.
        """
        try:
            await doing
        except OSError as error:
            if not self._beside_fails:
                log.error("alerts beside the store cannot be %s error=%s", done, error)
            self._beside_fails = True
            return False
        if self._beside_fails:
            log.warning("alerts beside the store are %s again", done)
        self._beside_fails = False
        return True

    def _line_up(self, batch: AlertBatch) -> None:
        """Add a batch to the unsaved ones, of which only the newest keeps its state: a long stop costs no memory."""
        if batch.state is not None and not self._writing.locked():
            older = [structs.replace(each, state=None) for each in self._unsaved]
            self._unsaved = [each for each in older if each != AlertBatch()]
        self._unsaved.append(batch)

    def _forget(self, now: datetime) -> None:
        self._notices = {
            key: notice
            for key, notice in self._notices.items()
            if notice.state is NoticeState.PENDING or now - notice.made_at < KEPT or notice.alert.episode in self._open
        }


def _can_be_seen_to(alert: Alert) -> bool:
    return alert.change is not AlertChange.CLEARED and alert.kind is not AlertKind.HEARTBEAT


def _at(notice: Notice, address: int, alert: Alert, *named: str) -> Notice:
    """Return the same notice for another address of its channel."""
    return structs.replace(notice, id=_id(alert, *named, str(address)), address=address)


def _id(alert: Alert, *more: str) -> str:
    named = " ".join((alert.episode, alert.at.isoformat(), alert.change.value, *more))
    return hashlib.sha256(named.encode()).hexdigest()[:20]
