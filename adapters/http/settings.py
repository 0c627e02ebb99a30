"""The settings of one sender."""

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct

from queue_monitor.ports import About, Signal, Stability

SHORTEST_SECRET: Final = 32
Secret = Annotated[
    str,
    Meta(
        min_length=SHORTEST_SECRET,
        description=f"a key of at least {SHORTEST_SECRET} characters; make one with: openssl rand -hex 32",
    ),
]


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sender of events; the source's name is what it calls itself in `X-KC-Source`.

    `secrets`: one or two keys, of 32 characters or more, that sign its requests; two while one is being changed for the
        other. `window_seconds`: how far its clock may differ from ours. `commit_seconds`: how long a request may wait
        for the journal before the sender is asked to come again; `body_seconds`: how long its body may be on its way.
        `events_per_second` and `burst_events`: how much it may send, in the long run and at once. `requests_at_once`:
        how many of its requests may be under way.
    """

    secrets: tuple[Secret, ...]
    window_seconds: Annotated[float, Meta(gt=0, le=3600)] = 300.0
    commit_seconds: Annotated[float, Meta(gt=0, le=60)] = 10.0
    body_seconds: Annotated[float, Meta(gt=0, le=60)] = 10.0
    events_per_second: Annotated[float, Meta(gt=0, le=1_000_000)] = 100.0
    burst_events: Annotated[int, Meta(ge=500, le=1_000_000)] = 5000
    requests_at_once: Annotated[int, Meta(ge=1, le=1000)] = 100


EXAMPLE: Final[Mapping[str, object]] = {"secrets": ["env:SENDER_SECRET"]}
"""The settings that `queue-monitor init` asks for, each as one would write it."""

ABOUT: Final = About(
    reads=(
        "events posted to us, signed by their sender: webhooks, anybody's own program "
        "([docs/http-intake.md](../docs/http-intake.md))"
    ),
    tested=(
        "the real application over a real socket: every answer, both keys, the window to the microsecond, 10 "
        "000 mangled bodies"
    ),
    cannot_say="what the sender does not tell; without a sign of life, whether a silence is only a quiet hour",
    signals=dict.fromkeys(Signal, Stability.STABLE),
)
