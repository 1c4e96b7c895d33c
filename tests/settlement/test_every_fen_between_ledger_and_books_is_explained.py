"""What our ledger and the provider's books do not agree on is listed to the fen, and explained when it can
be."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel.db import transaction
from parking_cloud.ledger import service as ledger
from parking_cloud.ledger.schemas import Account, AccountKind
from parking_cloud.payments.provider import BookLine, Method
from parking_cloud.settlement import service
from parking_cloud.settlement.reconciling import Reconciler
from parking_cloud.settlement.rules import Cause, DifferenceKind, Entry, compare
from parking_cloud.settlement.schemas import DifferenceOut
from tests.payments.parts import minute, priced_garage
from tests.settlement.parts import CHIEF, DAY, Town

Sessions = async_sessionmaker[AsyncSession]
EVENING = minute(24 * 60)

causes = st.builds(Cause, st.sampled_from(["payment", "refund_done"]), st.sampled_from("abcdef"))
days = st.sampled_from([DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)])
entries = st.dictionaries(causes, st.tuples(st.integers(-500, 500), days), max_size=6)


@given(entries, entries, st.lists(st.tuples(st.text(max_size=3), st.integers(-99, 99)), max_size=3))
def test_the_differences_are_the_whole_difference(
    there: dict[Cause, tuple[int, date]],
    here: dict[Cause, tuple[int, date]],
    unknown: list[tuple[str, int]],
) -> None:
    known_there = {cause: Entry(cause, amount, day) for cause, (amount, day) in there.items()}
    known_here = {cause: Entry(cause, amount, day) for cause, (amount, day) in here.items()}
    for day in (DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)):
        lines = [entry for entry in known_there.values() if entry.day == day]
        booked = [entry for entry in known_here.values() if entry.day == day]
        found = compare(day, lines, booked, known_there, known_here, unknown)
        whole = sum(e.amount for e in lines) + sum(n for _, n in unknown) - sum(e.amount for e in booked)
        assert sum(difference.there - difference.here for difference in found) == whole
        for difference in found:
            if difference.kind is DifferenceKind.TIMING:
                cause = difference.cause
                assert known_there[cause].amount == known_here[cause].amount
                assert known_there[cause].day != known_here[cause].day


@given(entries)
def test_two_sides_that_agree_have_no_difference(both: dict[Cause, tuple[int, date]]) -> None:
    known = {cause: Entry(cause, amount, DAY) for cause, (amount, _) in both.items()}
    assert compare(DAY, list(known.values()), list(known.values()), known, known) == []


class TestOverRealTables:
    pytestmark = [pytest.mark.stack, pytest.mark.anyio]

    @pytest.fixture
    async def town(self, session: AsyncSession, sessions: Sessions) -> Town:
        """Two payments and a refund of this noon, with their lines in the books a minute later."""
        town = Town(sessions, await priced_garage(session))
        for hours in (2, 3):
            charge = await town.stay(hours)
            await town.pay(charge, Method.ALIPAY, minute(0))
        await town.lower(charge, 700, minute(10))
        town.provider.keep_books(minute(11))
        return town

    async def found(self, town: Town, day: date = DAY, at: datetime = EVENING) -> list[DifferenceOut]:
        await Reconciler(town.sessions, {"stripe": town.provider}).compare(town.provider, day, at)
        async with transaction(town.sessions) as session:
            return await service.differences(session, open_only=False, day=None, limit=99)

    async def test_books_that_agree_have_no_difference_and_their_fees_are_booked_once(
        self, town: Town
    ) -> None:
        for _ in range(2):
            assert await self.found(town) == []
        async with transaction(town.sessions) as session:
            (run,) = await service.runs(session, 10)
            fees = await ledger.balance(session, Account(AccountKind.FEES, name="stripe"))
            money = await ledger.balance(session, Account(AccountKind.PROVIDER, name="stripe"))
        assert (run.lines, run.books, run.ledger, run.fees) == (3, 1_900, 1_900, 60)
        assert (fees, money) == (60, town.provider.balance() - 60)

    async def test_what_is_missing_there_is_explained_when_it_comes(self, town: Town) -> None:
        line = town.provider.lines.pop("txn_pi_0")
        (missing,) = await self.found(town)
        assert (missing.kind, missing.here, missing.there) == (DifferenceKind.MISSING_THERE, 1_200, 0)
        assert missing.resolved_at is None
        late = msgspec.structs.replace(line, at=minute(26 * 60))
        town.provider.lines[line.id] = late
        after = await self.found(town, DAY + timedelta(days=1), minute(48 * 60))
        assert [(d.kind, d.resolved_by) for d in after] == [
            (DifferenceKind.TIMING, "timing"),
            (DifferenceKind.MISSING_THERE, "came_later"),
        ]

    async def test_what_is_missing_here_is_listed(self, town: Town) -> None:
        town.provider.lines["txn_x"] = BookLine(
            id="txn_x", kind="payment", amount=500, fee=10, at=minute(20), payment_id="pi_of_nobody"
        )
        (missing,) = await self.found(town)
        assert (missing.kind, missing.here, missing.there) == (DifferenceKind.UNKNOWN_LINE, 0, 500)
        async with transaction(town.sessions) as session:
            await service.explain_by_hand(session, CHIEF, missing.id, "测试环境的付款", minute(2000))
            with pytest.raises(service.ResolvedAlready):
                await service.explain_by_hand(session, CHIEF, missing.id, "测试环境的付款", minute(2001))
        (explained,) = await self.found(town)
        assert (explained.resolved_by, explained.note) == ("by_hand", "测试环境的付款")

    async def test_another_amount_is_listed(self, town: Town) -> None:
        line = town.provider.lines["txn_pi_0"]
        town.provider.lines[line.id] = msgspec.structs.replace(line, amount=line.amount + 1)
        (differs,) = await self.found(town)
        assert (differs.kind, differs.here, differs.there) == (DifferenceKind.AMOUNT, 1_200, 1_201)
        assert "¥12.01" in differs.explanation["en"]
        assert "¥12.01" in differs.explanation["zh-CN"]

    async def test_a_midnight_between_the_two_explains_itself(self, town: Town) -> None:
        midnight = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
        line = town.provider.lines["txn_pi_0"]
        town.provider.lines[line.id] = msgspec.structs.replace(line, at=midnight)
        await self.found(town)
        after = await self.found(town, DAY + timedelta(days=1), minute(48 * 60))
        assert {d.resolved_by for d in after} == {"timing", "came_later"}
        assert sum(d.there - d.here for d in after) == 0

    async def test_days_are_compared_one_after_the_other_once_they_are_over(self, town: Town) -> None:
        reconciler = Reconciler(town.sessions, {"stripe": town.provider})
        evening, night = minute(10 * 60), minute(13 * 60)
        morning = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)
        for now in (evening, night, morning, morning):
            await reconciler.do_some(now)
        assert await self.days(town) == [DAY]
        for _ in range(5):
            await reconciler.do_some(morning + timedelta(days=3))
        assert await self.days(town) == [DAY + timedelta(days=n) for n in range(4)]

    async def test_books_that_cannot_be_read_are_read_later(self, town: Town) -> None:
        reconciler = Reconciler(town.sessions, {"stripe": town.provider})
        town.provider.away = True
        assert await reconciler.do_some(minute(24 * 60)) == 0
        town.provider.away = False
        assert await reconciler.do_some(minute(24 * 60)) == 1

    async def days(self, town: Town) -> list[date]:
        async with transaction(town.sessions) as session:
            return list(await session.scalars(text("select day from reconciliation_run order by day")))
