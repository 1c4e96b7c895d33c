"""Any sequence of charges, payments, refunds, corrections, disputes, repeated and late webhooks, lost answers
and crashes between any two steps: the ledger balances, nobody pays twice, no refund is lost.
"""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from parking_cloud.kernel.settings import Settings
from parking_cloud.ledger.schemas import Account, AccountKind
from parking_cloud.ledger.service import balances
from parking_cloud.payments.provider import Method, ProviderState
from parking_cloud.stays.schemas import StayState
from tests.payments.world import World, two_operators

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

WHICH = st.integers(0, 2)
ANY = st.integers(0, 9)
METHOD = st.sampled_from([Method.CARD, Method.ALIPAY])
PAYS = st.sampled_from([True, True, True, False])
TOLD = st.none() | st.integers(0, 5)
STATE = st.sampled_from([*StayState, StayState.CLOSED, StayState.CLOSED])
DESK = st.tuples(st.just("desk"))
STEP = st.one_of(
    st.tuples(st.just("becomes"), WHICH, STATE, st.integers(1, 300)),
    st.tuples(st.just("becomes"), WHICH, st.just(StayState.CLOSED), st.integers(1, 300)),
    st.tuples(st.just("read_again"), WHICH),
    st.tuples(st.just("pay"), WHICH, METHOD),
    st.tuples(st.just("pay"), WHICH, METHOD),
    st.tuples(st.just("pay_all")),
    st.tuples(st.just("click_again"), ANY, METHOD),
    st.tuples(st.just("payer_decides"), ANY, PAYS, TOLD),
    st.tuples(st.just("payer_decides"), ANY, PAYS, TOLD),
    st.tuples(st.just("cash"), WHICH, st.sampled_from([100, 600, 1200])),
    st.tuples(st.just("waive"), WHICH, st.sampled_from([0, 300, 900])),
    st.tuples(st.just("pay_back_by_hand")),
    st.tuples(st.just("try_refunds_again")),
    st.tuples(st.just("bank"), ANY, st.sampled_from(["open", "won", "lost"]), st.integers(0, 5)),
    DESK,
    DESK,
    DESK,
    DESK,
    st.tuples(st.just("wait"), st.integers(1, 30)),
    st.tuples(st.just("set"), st.sampled_from(["away", "refuses_refunds", "lacks_balance"]), st.booleans()),
    st.tuples(st.just("lose"), st.integers(1, 3)),
)
CRASH = st.none() | st.integers(0, 6)


def deed(world: World, name: str, *what: Any) -> Awaitable[Any]:
    return getattr(world, name)(*what)  # type: ignore[no-any-return]


async def do(world: World, step: tuple[Any, ...], crash: int | None) -> None:
    match step:
        case ("desk",):
            await world.crashing(world.desk.turn(), crash)
        case ("wait", minutes):
            world.clock.moment += timedelta(minutes=minutes)
        case ("set", name, value):
            setattr(world.provider, name, value)
        case ("lose", answers):
            world.lost_answers = answers
        case ("becomes" | "read_again" as name, *what):
            await deed(world, name, *what)
        case (name, *what):
            await world.crashing(deed(world, name, *what), crash)


async def by_operator(session: AsyncSession, query: str) -> dict[UUID | None, int]:
    return {operator: amount for operator, amount in await session.execute(text(query)) if amount}


async def on_accounts(session: AsyncSession, kind: AccountKind) -> dict[UUID | None, int]:
    return {
        account.operator_id: amount for account, amount in (await balances(session, kind)).items() if amount
    }


async def check_always(session: AsyncSession) -> None:
    """What holds at every moment."""
    off = "select 1 from ledger_entry group by movement_id having sum(amount) <> 0"
    assert (await session.execute(text(off))).all() == []
    owed = "select operator_id, sum(amount - paid)::bigint from charge group by 1"
    earned = "select operator_id, -sum(amount)::bigint from charge group by 1"
    to_refund = (
        "select c.operator_id, -sum(r.amount)::bigint from refund r join charge c on c.id = r.charge_id"
        " where r.state not in ('done', 'replaced') group by 1"
    )
    assert await on_accounts(session, AccountKind.DRIVER) == await by_operator(session, owed)
    assert await on_accounts(session, AccountKind.OPERATOR) == await by_operator(session, earned)
    assert await on_accounts(session, AccountKind.REFUNDS) == await by_operator(session, to_refund)
    assert await session.scalar(text("select count(*) from charge where paid > amount")) == 0
    # Nothing waits to be paid back by a person that a bank has paid back, or that is more than was paid.
    twice = text(
        "select count(*) from payment p, lateral"
        " (select coalesce(sum(r.amount), 0) as back, bool_or(r.state in ('due', 'failed')) as waits"
        "  from refund r where r.payment_id = p.id and r.state <> 'replaced') r, lateral"
        " (select coalesce(sum(b.amount), 0) as taken from chargeback b"
        "  where b.payment_id = p.id and b.state <> 'won') b"
        " where r.waits and r.back + b.taken > p.amount"
    )
    assert await session.scalar(twice) == 0


async def check_at_the_end(world: World, session: AsyncSession) -> None:
    """What holds once nothing is on its way any more."""
    at_provider = (await balances(session, AccountKind.PROVIDER)).get(
        Account(AccountKind.PROVIDER, name="stripe"), 0
    )
    assert at_provider == world.provider.balance()
    succeeded = await session.scalars(
        text("select id::text from payment where provider = 'stripe' and state = 'succeeded'")
    )
    paid = {p.key for p in world.provider.payments.values() if p.state is ProviderState.SUCCEEDED}
    assert set(succeeded) == paid
    open_ = "select count(*) from payment where state in ('created', 'pending') or look_again_at is not null"
    assert await session.scalar(text(open_)) == 0
    assert (
        await session.scalar(text("select count(*) from refund where state not in ('done', 'replaced')")) == 0
    )
    done = await session.scalars(
        text("select id::text from refund where provider_id is not null and failure = ''")
    )
    back = [r.key for r in world.provider.refunds.values() if r.state is ProviderState.SUCCEEDED]
    assert sorted(done) == sorted(back)
    void = text("select count(*) from charge where state = 'void' and (amount <> 0 or paid > 0)")
    assert await session.scalar(void) == 0
    behind = text(
        "select count(*) from stay s left join charge c on c.stay_id = s.id where not case s.state"
        " when 'closed' then coalesce(c.state in ('due', 'settled'), false)"
        " when 'review' then coalesce(c.state = 'held', true)"
        " when 'void' then coalesce(c.state = 'void', true) else coalesce(c.state = 'open', true) end"
    )
    assert await session.scalar(behind) == 0
    others = text(
        "select count(*) from charge c join stay s on s.id = c.stay_id where s.plate_hash <> c.plate_hash"
    )
    assert await session.scalar(others) == 0


async def check_that_no_news_is_needed(world: World, session: AsyncSession) -> None:
    """All that is known by now has been reckoned with: assessed afresh, no charge and no debt changes."""
    charges = "select id, state, amount, paid from charge order by id"
    before = (await session.execute(text(charges))).all()
    await session.rollback()
    await world.news_of_stays()
    await world.settles_down()
    assert (await session.execute(text(charges))).all() == before
    kept = (
        "select count(*) from payment_part p join payment y on y.id = p.payment_id where p.disowned"
        " and y.state = 'succeeded' and p.amount > (select coalesce(sum(r.amount), 0) from refund r"
        " where r.payment_id = p.payment_id and r.charge_id = p.charge_id and r.state <> 'replaced')"
        " and not exists (select from chargeback b where b.payment_id = y.id and b.state <> 'won')"
    )
    assert await session.scalar(text(kept)) == 0, "money of a vehicle that was never there"


@pytest.fixture
async def facilities(session: AsyncSession) -> list[UUID]:
    return await two_operators(session)


CLOSED = ("becomes", 0, StayState.CLOSED, 90)


@hypothesis_settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.tuples(STEP, CRASH), min_size=25, max_size=60))
@example(
    # Paid by two ways at once, both succeed; then the stay is void, and the bank takes one back as well.
    steps=[
        (("pay", 0, Method.ALIPAY), None),
        (("pay", 0, Method.CARD), 3),
        (("pay", 0, Method.CARD), None),
        (("payer_decides", 0, True, 0), None),
        (("payer_decides", 1, True, 1), None),
        (CLOSED, None),
        (("desk",), 2),
        (("desk",), 4),
        (("becomes", 0, StayState.VOID, 0), None),
        (("desk",), 5),
        (("bank", 0, "lost", 0), None),
    ]
)
@example(
    # Paid before leaving, which we hear only after the exit; then the plate turns out to be another's.
    steps=[
        (("pay", 0, Method.ALIPAY), None),
        (("desk",), None),
        (("payer_decides", 0, True, None), None),
        (("becomes", 0, StayState.CLOSED, 62), None),
        (("desk",), None),
        (("wait", 30), None),
        (("desk",), None),
        (("read_again", 0), None),
        (("pay", 0, Method.CARD), None),
        (("desk",), 2),
        (("payer_decides", 1, True, None), None),
        (("desk",), None),
    ]
)
@example(
    # A refund is refused, and then the bank takes the money back: a person must not pay it back as well.
    steps=[
        (CLOSED, None),
        (("desk",), None),
        (("pay", 0, Method.CARD), None),
        (("payer_decides", 0, True, 0), None),
        (("desk",), None),
        (("set", "refuses_refunds", True), None),
        (("becomes", 0, StayState.VOID, 0), None),
        (("desk",), None),
        (("bank", 0, "open", 0), None),
        (("desk",), None),
        (("try_refunds_again",), None),
        (("bank", 0, "won", 1), None),
        (("desk",), None),
    ]
)
async def test_whatever_happens(
    settings: Settings,
    engine: AsyncEngine,
    redis: Redis,
    facilities: list[UUID],
    steps: list[tuple[tuple[Any, ...], int | None]],
) -> None:
    async with World(settings, engine, redis, facilities).running() as world, world.sessions() as session:
        for which in range(3):
            await world.enter(which)
        world.clock.moment += timedelta(minutes=50)
        for step, crash in steps:
            await do(world, step, crash)
            await check_always(session)
            await session.rollback()
        await world.settles_down()
        await check_always(session)
        await check_at_the_end(world, session)
        await check_that_no_news_is_needed(world, session)
