"""Ten thousand damaged messages for every kind of switchboard: nothing raises, what is not understood is counted."""

import random
from collections import Counter

import pytest

from queue_monitor.events import decode, encode
from queue_monitor.ports import Rejected
from tests.adapters.telling import LONG_AGO
from tests.adapters.test_contract import KINDS, content, module_of, recordings, translator

MESSAGES = 10_000


def damaged(piece: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """One message with something wrong: bytes changed, cut out, doubled, swapped, or another's tail."""
    at, to = sorted((chance.randrange(len(piece) + 1), chance.randrange(len(piece) + 1)))
    match chance.randrange(8):
        case 0:
            return piece[:at] + bytes([chance.randrange(256)]) + piece[at + 1 :]
        case 1:
            return piece[:at] + piece[to:]
        case 2:
            return piece[:to] + piece[at:]
        case 3:
            return piece[:at] + bytes(chance.randrange(256) for _ in range(chance.randrange(40))) + piece[at:]
        case 4:
            return piece[:at] + chance.choice(others)[at:]
        case 5:
            return piece.replace(b":", b"|", 1).replace(b"|", b":", chance.randrange(3))
        case 6:
            digits = [chance.choice((b"-1", b"99999999999999999999", b"nan", b"1e9", b"")) for _ in range(1)]
            return b"".join(digits).join(piece.split(str(chance.randrange(10)).encode(), 2))
        case _:
            return piece[to:] + piece[:at]


@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_damaged_messages_harm_nothing(kind: str):
    files = recordings(kind) or recordings("replay")
    pieces = [piece for file in files for piece, _ in module_of(kind).recorded_pieces(content(file)) if piece][:4000]
    assert pieces, f"no recordings for {kind}"
    chance = random.Random(kind)
    one = translator(kind)
    tally: Counter[str] = Counter()
    for number in range(MESSAGES):
        piece = chance.choice(pieces)
        if number % 3:
            piece = damaged(piece, chance, pieces)
        items = list(one.feed(piece, LONG_AGO))
        if number % 100 == 0:
            items += one.flush(LONG_AGO)
        if number % 500 == 499:
            items += one.close(LONG_AGO)
            one = translator(kind, str(number))
        for item in items:
            tally[item.reason if isinstance(item, Rejected) else "event"] += 1
            if not isinstance(item, Rejected):
                assert decode(encode(item)) == item

    assert tally["event"]
    assert len(tally) > 1, "nothing damaged was noticed"
