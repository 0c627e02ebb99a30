"""A mail server's reply decides by its first digit whether a message is tried again; nothing else in it does."""

from typing import Any

import pytest

from queue_monitor.ports import DeliveryError
from tests.alerts.receivers import MailSink, free_port, mail_sink
from tests.alerts.test_real_delivery import apprise, notice
from tests.alerts.test_unkind_names import named

# Apprise looks for this module of Python's at its first use; it is gone in 3.13, and Apprise does without.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


async def failing(sink: MailSink, url: str = "") -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await apprise(url or sink.url).send(notice())
    return caught.value


@pytest.mark.parametrize(
    ("reply", "reason", "permanent"),
    [
        ("421 4.3.2 Closing", "busy", False),
        ("450 4.2.0 Greylisted, see http://postgrey.example/help/550.html", "busy", False),
        ("450 4.1.1 Recipient address rejected: unverified address: 554 5.1.1", "busy", False),
        ("451 4.7.1 Try again", "busy", False),
        ("452 4.2.2 Mailbox full", "busy", False),
        ("454 4.7.0 Temporary authentication failure", "busy", False),
        ("455 Not now", "busy", False),
        ("530 5.7.0 Authentication required", "login", True),
        ("535 5.7.8 Authentication failed", "login", True),
        ("550 5.1.1 User unknown; try again in 450 s", "address_refused", True),
        ("551 5.7.1 User not local", "address_refused", True),
        ("553 5.1.3 Bad address", "address_refused", True),
        ("556 5.1.10 Null MX", "address_refused", True),
        ("521 5.3.2 Takes no mail", "refused", True),
        ("541 5.4.1 No answer from host", "refused", True),
        ("552 5.2.2 Mailbox full, connection timed out", "refused", True),
        ("554 5.7.1 Relay access denied", "refused", True),
        ("571 Blocked", "refused", True),
    ],
)
async def test_a_reply_about_an_addressee_is_for_now_or_for_good_by_its_first_digit(
    reply: str, reason: str, permanent: bool
) -> None:
    """The words that a server adds, with other numbers among them, decide nothing."""
    with mail_sink() as sink:
        sink.answers = {"lead@example.se": reply}
        error = await failing(sink)

    assert (error.reason, error.permanent) == (reason, permanent)


@pytest.mark.parametrize(
    ("step", "reply", "reason", "permanent"),
    [
        ("MAIL", "451 4.7.1 Slow down, 5.1.8", "busy", False),
        ("MAIL", "553 5.1.8 Sender refused", "address_refused", True),
        ("DATA", "451 4.3.0 Disk full, see 550", "busy", False),
        ("DATA", "554 5.6.0 Content refused", "refused", True),
    ],
)
async def test_a_reply_at_any_step_is_read_alike(step: str, reply: str, reason: str, permanent: bool) -> None:
    """A server may refuse the sender, or the message once it has it."""

    async def refuse(*_: Any) -> str:
        return reply

    with mail_sink() as sink:
        setattr(sink, f"handle_{step}", refuse)
        error = await failing(sink)

    assert (error.reason, error.permanent) == (reason, permanent)


@pytest.mark.parametrize(
    "query", ["from=vaxel.535@example.se&to=lead.550@example.se", "from=a@example.se&to=authentication@5.1.1.example"]
)
async def test_an_address_that_looks_like_a_reply_is_none(query: str) -> None:
    """A server that is away is away, whatever numbers stand in the channel's addresses."""
    with mail_sink() as sink:
        error = await failing(sink, f"mailto://127.0.0.1:{free_port()}?{query}")

    assert (error.reason, error.permanent) == ("unreachable", False)


@pytest.mark.parametrize("label", ["Authentication", "Timeout 550", "STARTTLS extension not supported", "error=410"])
async def test_a_queue_whose_name_looks_like_a_cause_is_none(label: str) -> None:
    """The message that could not be sent says nothing of why."""
    for url in (f"json://127.0.0.1:{free_port()}/", f"mailto://127.0.0.1:{free_port()}?from=a@b.se&to=c@d.se"):
        with pytest.raises(DeliveryError) as caught:
            await apprise(url).send(named(label))

        assert (caught.value.reason, caught.value.permanent) == ("unreachable", False)


async def test_the_reply_is_not_told_with_the_address_in_it() -> None:
    """The error is for the log, which holds no addresses."""
    with mail_sink() as sink:
        sink.answers = {"lead@example.se": "552 5.2.2 lead@example.se has a full mailbox"}
        error = await failing(sink)

    assert "lead@" not in str(error)
    assert "look at the address" in str(error)
