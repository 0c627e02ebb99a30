import secrets
import stat
from datetime import date
from pathlib import Path

import pytest

from queue_monitor.ports import StoreError
from queue_monitor.store import SqlStore, open_store
from queue_monitor.store import agents as keeping
from queue_monitor.whole_file import write_whole
from tests.store.calls import entered
from tests.store.records import EVER, batch, call

DAY_SECONDS = 86_400


async def agents(store: SqlStore) -> list[str | None]:
    return [visit.agent for kept in await store.calls(*EVER) for visit in kept.visits]


async def anna_twice_and_bo(store: SqlStore) -> list[str | None]:
    calls = [call("1", agent="växel:anna"), call("2", 60, agent="växel:bo"), call("3", DAY_SECONDS, agent="växel:anna")]
    await store.commit(batch(*calls, call("4", DAY_SECONDS + 60, "abandoned_late", agent=None), events=[entered(1)]))
    return await agents(store)


async def test_an_agent_has_another_name_every_day_that_tells_nothing(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/journal.db")
    first, other, next_day, nobody = await anna_twice_and_bo(store)
    await store.close()

    assert len({first, other, next_day}) == 3
    assert nobody is None
    assert all(agent and len(agent) == 16 and "anna" not in agent for agent in (first, other, next_day))
    assert (tmp_path / "agent.key").stat().st_mode & 0o777 == 0o600


async def test_the_same_key_gives_the_same_names_again(tmp_path: Path) -> None:
    key = tmp_path / "keys/agent.key"
    found = []
    for name in ("one", "two"):
        store = await open_store(f"sqlite:///{tmp_path}/{name}.db", agent_key=key)
        found.append(await anna_twice_and_bo(store))
        await store.close()

    assert found[0] == found[1]


async def test_a_setting_keeps_agents_by_name_or_not_at_all(tmp_path: Path) -> None:
    named = await open_store("sqlite://", agents="named")
    nothing = await open_store("sqlite://", agents="none")

    assert await anna_twice_and_bo(named) == ["växel:anna", "växel:bo", "växel:anna", None]
    assert await anna_twice_and_bo(nothing) == [None] * 4
    await named.close()
    await nothing.close()
    with pytest.raises(StoreError, match="'sometimes' is not one of daily, named, none"):
        await open_store("sqlite://", agents="sometimes")


@pytest.mark.parametrize(
    "content, mode, words",
    [
        ("00" * 32, 0o644, "chmod 600"),
        ("00" * 31, 0o600, "does not hold a key"),
        ("å", 0o600, "cannot be read"),
    ],
)
async def test_a_key_that_cannot_be_used_is_said_at_the_start(
    tmp_path: Path, content: str, mode: int, words: str
) -> None:
    key = tmp_path / "agent.key"
    key.write_text(content)
    key.chmod(mode)

    with pytest.raises(StoreError, match=words) as caught:
        await open_store(f"sqlite:///{tmp_path}/journal.db")

    assert str(key) in str(caught.value)


async def test_a_key_is_not_made_before_anybody_has_answered(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/journal.db")
    await store.commit(batch(call("1", 0, "abandoned_late", agent=None), events=[entered(1)]))
    await store.close()

    assert not (tmp_path / "agent.key").exists()


def test_of_two_who_make_the_key_at_once_both_use_the_one_that_was_there_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, first = tmp_path / "deep" / "agent.key", "ab" * 32
    makes = secrets.token_bytes

    def slowly(size: int) -> bytes:
        write_whole(file, first.encode())
        return makes(size)

    monkeypatch.setattr("queue_monitor.store.agents.token_bytes", slowly)
    mine, other = keeping.Agents(keeping.DAILY, file), keeping.Agents(keeping.DAILY, file)

    assert mine.pseudonym("a", date(2026, 11, 23)) == other.pseudonym("a", date(2026, 11, 23))
    assert [path.name for path in file.parent.iterdir()] == ["agent.key"]
    assert file.read_text() == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
