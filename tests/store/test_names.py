"""The names in the table of names: one row for a queue however it is spelled."""

from itertools import islice, product

from sqlalchemy import create_engine

from queue_monitor.store.names import QUEUE, Names
from queue_monitor.store.schema import name


def test_the_spellings_of_a_queue_are_one_name_and_take_no_memory_of_their_own():
    engine, names = create_engine("sqlite://"), Names()
    spellings = ["".join(letters) for letters in islice(product(*zip("kundcenter", "KUNDCENTER", strict=True)), 500)]

    with engine.begin() as connection:
        name.create(connection)
        for spelling in spellings:
            names.ensure(connection, QUEUE, [spelling])

        assert {names.id(QUEUE, spelling) for spelling in spellings} == {1}
        assert names.text(connection, QUEUE, 1) == "kundcenter"
        assert sum(len(held) for held in vars(names).values() if isinstance(held, dict)) == 2
