"""The spool gives back every batch that it acknowledged, in order, whatever became of process and disk."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from sensor_gateway import spool as module
from sensor_gateway.spool import Spool, SpoolFull, StreamEntry

pytestmark = pytest.mark.anyio

LIMIT = 1_000_000
SEGMENT = 300


def batch(number: int, size: int = 40) -> list[StreamEntry]:
    return [StreamEntry("s", {"n": b"%d" % number, "o": b"\xff" * size}, keep=number)]


def number_of(entries: list[StreamEntry]) -> int:
    return int(entries[0].fields["n"])


async def keep(spool: Spool, numbers: range) -> None:
    for number in numbers:
        await spool.append(batch(number))


async def give_back(spool: Spool) -> int | None:
    """The number of the oldest batch, which is gone from the spool then."""
    found = await spool.oldest(most_bytes=1)
    if found is None:
        return None
    entries, length = found
    await spool.given_back(length)
    return number_of(entries)


async def all_of(spool: Spool) -> list[int]:
    found = []
    while (number := await give_back(spool)) is not None:
        found.append(number)
    return found


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.spool"))


def damaged(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.damaged"))


def spoil(path: Path, position: int) -> None:
    """Turn one byte round."""
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)


async def test_what_is_kept_comes_back_whole_and_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT)
    two = [StreamEntry("a", {"o": b"\x00\x01"}, keep=5), StreamEntry("b", {"reason": b"x", "raw": b""})]
    await spool.append(two)
    await keep(spool, range(2))
    assert await spool.oldest(LIMIT) == ([*two, *batch(0), *batch(1)], spool.waiting_bytes)
    await spool.given_back(spool.waiting_bytes)
    assert (spool.waiting_bytes, segments(tmp_path)) == (0, [])


async def test_as_many_are_given_back_at_a_time_as_make_up_the_size_asked_for(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT)
    await keep(spool, range(10))
    size = spool.waiting_bytes // 10
    for most_bytes, batches in ((1, 1), (size, 1), (size + 1, 2), (LIMIT, 10)):
        assert await spool.oldest(most_bytes) == ([*chain(*map(batch, range(batches)))], batches * size)


async def test_segments_follow_each_other_and_go_when_they_are_done(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT, SEGMENT)
    await keep(spool, range(20))
    many = len(segments(tmp_path))
    assert many > 3
    assert [await give_back(spool) for _ in range(10)] == list(range(10))
    assert len(segments(tmp_path)) < many
    assert await all_of(spool) == list(range(10, 20))
    assert segments(tmp_path) == []


async def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT, SEGMENT)
    await keep(spool, range(12))
    assert [await give_back(spool) for _ in range(7)] == list(range(7))
    again = Spool(tmp_path, LIMIT, SEGMENT)
    assert again.waiting_bytes == spool.waiting_bytes
    await keep(again, range(12, 15))
    assert await all_of(again) == list(range(7, 15))


async def test_a_position_of_a_segment_that_is_gone_says_nothing_about_the_next(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT)
    await keep(spool, range(3))
    await give_back(spool)
    stale = (tmp_path / "position").read_bytes()
    await all_of(spool)
    (tmp_path / "position").write_bytes(stale)  # the power went before the disk had the newer one
    again = Spool(tmp_path, LIMIT)
    await keep(again, range(3, 6))
    assert await all_of(Spool(tmp_path, LIMIT)) == [3, 4, 5]


TORN: dict[str, Callable[[bytes], bytes]] = {
    "half a head": lambda record: record[:5],
    "half a body": lambda record: record[: len(record) // 2],
    "all but a byte": lambda record: record[:-1],
    "nulls for the body": lambda record: record[:8] + bytes(len(record) - 8),
    "nulls": lambda record: bytes(len(record)),
}


@pytest.mark.parametrize("torn", TORN.values(), ids=TORN)
async def test_a_torn_last_record_is_cut_and_what_follows_is_read(
    tmp_path: Path, torn: Callable[[bytes], bytes]
) -> None:
    spool = Spool(tmp_path, LIMIT)
    await keep(spool, range(2))
    (segment,) = segments(tmp_path)
    whole = segment.read_bytes()
    segment.write_bytes(whole + torn(whole[: len(whole) // 2]))
    again = Spool(tmp_path, LIMIT)
    assert again.waiting_bytes == len(whole)
    await keep(again, range(2, 4))
    assert await all_of(again) == [0, 1, 2, 3]


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_record_gone_bad_is_passed_over_and_its_segment_kept(tmp_path: Path, restarted: bool) -> None:
    spool = Spool(tmp_path, LIMIT)
    await keep(spool, range(3))
    (segment,) = segments(tmp_path)
    size = segment.stat().st_size // 3
    spoil(segment, size + size // 2)
    again = Spool(tmp_path, LIMIT) if restarted else spool
    assert await all_of(again) == [0, 2]
    assert again.waiting_bytes == 0
    assert segment.with_suffix(".damaged").exists()
    await keep(again, range(3, 5))
    assert await all_of(again) == [3, 4]


async def test_a_segment_that_cannot_be_followed_does_not_hold_up_the_next(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT, SEGMENT)
    await keep(spool, range(20))
    first, second, *_ = segments(tmp_path)
    in_first = first.read_bytes().count(b"\xff" * 40)
    spoil(first, 3)  # the length of the first record: where the next begins is lost
    assert await all_of(spool) == list(range(in_first, 20))
    assert first.with_suffix(".damaged").exists()
    assert not second.with_suffix(".damaged").exists()


async def test_full_means_that_nothing_of_the_batch_was_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit_bytes=500)
    await keep(spool, range(3))
    before = spool.waiting_bytes, [s.read_bytes() for s in segments(tmp_path)]
    with pytest.raises(SpoolFull, match="its limit is 500"):
        await spool.append(batch(3, size=400))
    assert (spool.waiting_bytes, [s.read_bytes() for s in segments(tmp_path)]) == before
    await give_back(spool)
    await spool.append(batch(3))
    assert await all_of(spool) == [1, 2, 3]


@contextlib.contextmanager
def full_disk(most_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond that: a write stops half-way, as on a disk that is full.

    Only around what is tested: what the tests themselves print may go to a file too.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_keeps_no_half_record(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT)
    await spool.append(batch(0, size=1_000))
    (segment,) = segments(tmp_path)
    whole = segment.read_bytes()
    with full_disk(2_000), pytest.raises(OSError, match="File too large"):
        await spool.append(batch(1, size=1_500))
    assert (segment.read_bytes(), spool.waiting_bytes) == (whole, len(whole))
    await spool.append(batch(2))
    assert await all_of(Spool(tmp_path, LIMIT)) == [0, 2]


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_segment_that_could_not_be_begun_is_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError("the disk is ill")

    spool = Spool(tmp_path, LIMIT)
    monkeypatch.setattr(module.os, "fsync", fail)
    with pytest.raises(OSError, match="ill"):
        await spool.append(batch(0))
    monkeypatch.undo()
    await keep(spool, range(1, 3))
    assert await all_of(Spool(tmp_path, LIMIT) if restarted else spool) == [1, 2]
    assert damaged(tmp_path) == []


async def test_a_full_disk_does_not_end_giving_back(tmp_path: Path) -> None:
    """How far it has come cannot be noted then; the segments that are done make room."""
    spool = Spool(tmp_path, LIMIT, SEGMENT)
    await keep(spool, range(12))
    with capture_logs() as logs, full_disk(0):
        returned = [await give_back(spool) for _ in range(7)]
    assert returned == list(range(7))
    assert {log["event"] for log in logs} == {"how far the spool has been given back cannot be noted"}
    assert not (tmp_path / "position").exists()
    again = await all_of(Spool(tmp_path, LIMIT, SEGMENT))
    assert again == list(range(again[0], 12))
    assert again[0] <= 7


async def test_who_stops_waiting_for_the_disk_does_not_upset_the_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    plain = module.os.fdatasync

    def slow(descriptor: int) -> None:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        plain(descriptor)

    spool = Spool(tmp_path, LIMIT)
    monkeypatch.setattr(module.os, "fdatasync", slow)
    waiting = asyncio.create_task(spool.append(batch(0)))
    await begun.wait()
    waiting.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    monkeypatch.undo()
    await spool.append(batch(1))
    assert spool.waiting_bytes == sum(s.stat().st_size for s in segments(tmp_path))
    assert await all_of(spool) == [0, 1]


class Life:
    """A spool through restarts, and what it has been told and has told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.acknowledged: list[int] = []
        self.returned: list[int] = []
        self.begin()

    def begin(self) -> None:
        self.spool = Spool(self.folder, LIMIT, SEGMENT)

    async def live(self, deed: int | bytes | str) -> None:
        if isinstance(deed, int):
            await self.spool.append(batch(len(self.acknowledged), deed))
            self.acknowledged.append(len(self.acknowledged))
        elif isinstance(deed, bytes):
            for newest in segments(self.folder)[-1:]:
                newest.write_bytes(newest.read_bytes() + deed)  # killed in the middle of a write
            self.begin()
        elif deed == "give back":
            await self.return_one()
        else:
            found = await self.spool.oldest(most_bytes=1)
            self.returned += [number_of(found[0])] if found else []  # and killed before it was noted
            self.begin()

    async def return_one(self) -> bool:
        number = await give_back(self.spool)
        self.returned += [] if number is None else [number]
        return number is not None


deeds = st.lists(
    st.one_of(
        st.integers(0, 200),
        st.binary(max_size=20),
        st.sampled_from(["give back", "give back", "give back and be killed"]),
    ),
    max_size=40,
)


@given(deeds=deeds)
@settings(max_examples=60, deadline=None)
def test_whatever_happens_acknowledged_batches_come_back_in_order(deeds: list[int | bytes | str]) -> None:
    async def live() -> Life:
        life = Life(Path(folder))
        for deed in deeds:
            await life.live(deed)
        while await life.return_one():
            pass
        return life

    with tempfile.TemporaryDirectory() as folder:
        life = asyncio.run(live())
    assert list(dict.fromkeys(life.returned)) == life.acknowledged
    assert life.returned == sorted(life.returned)
