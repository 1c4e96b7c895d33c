"""A line of the books that was of nothing we knew finds what it is of, and its fee whose it is."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel.db import transaction
from parking_cloud.payments.provider import BookLine, Method, ProviderState
from parking_cloud.payments.schemas import Via
from parking_cloud.payments.service import NewPaymentOrder, start_payment
from parking_cloud.settlement import service, statements
from parking_cloud.settlement.reconciling import Reconciler
from parking_cloud.settlement.rules import Cause, Entry, undone
from parking_cloud.settlement.schemas import DifferenceOut
from tests.payments.parts import minute, priced_garage
from tests.settlement.parts import CHIEF, DAY, Town

Sessions = async_sessionmaker[AsyncSession]
NEXT = DAY + timedelta(days=1)
EVENING, TOMORROW, DAY_AFTER = minute(24 * 60), minute(25 * 60), minute(48 * 60)

causes = st.builds(Cause, st.sampled_from(["refund_done", "refund_failed"]), st.sampled_from("ab"))
sides = st.dictionaries(causes, st.integers(-2, 2))


@given(sides, sides)
def test_only_what_went_out_and_came_back_whole_explains_itself(
    there: dict[Cause, int], here: dict[Cause, int]
) -> None:
    def entries(of: dict[Cause, int]) -> dict[Cause, Entry]:
        return {cause: Entry(cause, amount, DAY) for cause, amount in of.items()}

    found = undone(entries(there), entries(here))
    assert sum(there[cause] for cause in found) == 0
    assert not found & here.keys()
    for reference in "ab":
        assert len({cause for cause in found if cause.reference == reference}) in (0, 2)


@pytest.fixture
async def town(session: AsyncSession, sessions: Sessions) -> Town:
    return Town(sessions, await priced_garage(session))


async def compared(town: Town, *days: int) -> list[DifferenceOut]:
    """The differences, after these days from DAY on have been compared."""
    reconciler = Reconciler(town.sessions, {"stripe": town.provider})
    for number in days:
        day = DAY + timedelta(days=number)
        await reconciler.compare(town.provider, day, EVENING + timedelta(days=number))
    async with transaction(town.sessions) as session:
        return await service.differences(session, open_only=False, day=None, limit=99)


@pytest.mark.stack
@pytest.mark.anyio
async def test_a_payment_whose_news_was_lost_is_found_by_the_books_and_its_fee_is_charged(
    town: Town, session: AsyncSession
) -> None:
    await taken_with_its_answer_lost(town)
    town.provider.keep_books(minute(11))
    (unknown,) = await compared(town, 0)
    assert (unknown.kind, unknown.there, unknown.resolved_at) == ("unknown_line", 1_200, None)
    async with transaction(town.sessions) as running:
        await statements.gather(running, EVENING)
    await town.turn(TOMORROW)  # the books have said where to look
    assert await session.scalar(text("select paid from charge")) == 1_200
    await session.commit()
    after = await compared(town, 1)
    assert all(difference.resolved_at for difference in after)
    assert {d.resolved_by for d in after if d.kind == "unknown_line"} == {"came_later"}
    async with transaction(town.sessions) as running:
        operator = await running.scalar(text("select id from operator"))
        closed = await statements.close(running, CHIEF, operator, NEXT + timedelta(days=1), DAY_AFTER)
        assert (closed.electronic, closed.fees) == (1_200, -24)


async def taken_with_its_answer_lost(town: Town) -> None:
    """A mandate's payment: the provider has taken it, and we know neither that nor its name there."""
    charge = await town.stay(2)
    async with transaction(town.sessions) as session:
        order = NewPaymentOrder(
            provider="stripe", method=Method.ALIPAY, via=Via.MANDATE, saved_method="customer/method"
        )
        await start_payment(session, {charge: 1_200}, order, minute(0))
    with town.provider.losing_answers():
        await town.turn(minute(0))
    async with transaction(town.sessions) as session:
        await session.execute(text("update payment set look_again_at = null"))


@pytest.mark.stack
@pytest.mark.anyio
async def test_a_line_of_somebody_else_is_asked_about_once_and_stays_listed(
    town: Town, session: AsyncSession
) -> None:
    charge = await town.stay(2)
    await town.pay(charge, Method.ALIPAY, minute(0))
    town.provider.keep_books(minute(11))
    line = BookLine(id="txn_x", kind="payment", amount=500, fee=10, at=minute(20), payment_id="pi_x")
    town.provider.lines["txn_x"] = line
    for _ in range(3):
        (unknown,) = await compared(town, 0, 1)
        assert unknown.resolved_at is None
    told = await session.execute(text("select concerns, reference from provider_news"))
    assert [tuple(row) for row in told] == [("payment", "pi_x")]


@pytest.mark.stack
@pytest.mark.anyio
@pytest.mark.parametrize("later", [0, 1])
async def test_a_refund_that_came_back_before_it_was_confirmed_explains_itself(
    town: Town, session: AsyncSession, later: int
) -> None:
    """Stripe books it out while it is pending, and in again when it fails; we book neither."""
    charge = await town.stay(2)
    await town.pay(charge, Method.ALIPAY, minute(0))
    with town.provider.keeping_refunds_pending():
        await town.lower(charge, 500, minute(5))
    (refund,) = town.provider.refunds.values()
    town.provider.refunds[refund.id] = msgspec.structs.replace(refund, state=ProviderState.FAILED)
    await town.turn(minute(5) + timedelta(days=3))
    town.provider.keep_books(minute(11))
    back = BookLine(
        id="txn_back",
        kind="refund",
        amount=refund.amount,
        fee=0,
        at=minute(12) + timedelta(days=later),
        refund_id=refund.id,
    )
    town.provider.lines["txn_back"] = back
    found = await compared(town, *range(later + 1))
    assert sorted((d.kind, d.there, d.resolved_by) for d in found) == [
        ("missing_here", -700, "undone"),
        ("missing_here", 700, "undone"),
    ]
    assert all("came back" in difference.explanation["en"] for difference in found)
    assert len(await compared(town, *range(later + 1))) == 2
