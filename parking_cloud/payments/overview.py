"""What staff see of the money: a day's totals, and charges, payments and refunds, newest first."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.clock import CITY_ZONE, city_time
from parking_cloud.payments.provider import Method
from parking_cloud.payments.schemas import ChargeState, PaymentState, RefundState

Rows = list[dict[str, Any]]
_WHOSE = "(cast(:operator as uuid) is null or c.operator_id = :operator)"


class DayTotals(NamedTuple):
    """One day of the city, in fen. What was charged counts on the day that it became final."""

    charged: int
    paid_by_method: dict[Method, int]
    paid_by_hour: list[int]
    refunded: int
    """Decided that day, done or not."""
    refunds_waiting: int
    """Number of all refunds that wait for a person, of whatever day."""
    due: int
    """All that is owed now."""
    due_charges: int
    held_charges: int
    """Under review: nothing is asked of their drivers."""

    @property
    def paid(self) -> int:
        return sum(self.paid_by_method.values())


def city_day(now: datetime) -> tuple[datetime, datetime]:
    """From the city's last midnight to its next."""
    start = city_time(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return start, (start + timedelta(days=1)).astimezone(CITY_ZONE)


async def day_totals(session: AsyncSession, operator_id: UUID | None, now: datetime) -> DayTotals:
    """Today's totals; of one operator, or (None) of all."""
    since, until = city_day(now)
    given = {"operator": operator_id, "since": since, "until": until, "zone": CITY_ZONE.key}
    paid = (
        await session.execute(
            text(
                "select p.method, extract(hour from p.succeeded_at at time zone :zone)::int,"
                " sum(x.amount)::bigint from payment p join payment_part x on x.payment_id = p.id"
                " join charge c on c.id = x.charge_id where p.state = 'succeeded'"
                f" and p.succeeded_at >= :since and p.succeeded_at < :until and {_WHOSE} group by 1, 2"
            ),
            given,
        )
    ).all()
    by_method: dict[Method, int] = {}
    by_hour = [0] * 24
    for method, hour, amount in paid:
        by_method[Method(method)] = by_method.get(Method(method), 0) + amount
        by_hour[hour] += amount
    charges = (await session.execute(text(_CHARGE_TOTALS), given)).one()
    refunds = (await session.execute(text(_REFUND_TOTALS), given)).one()
    return DayTotals(charges[0], by_method, by_hour, refunds[0], refunds[1], *charges[1:])


_CHARGE_TOTALS = (
    "select"
    " (select coalesce(sum(c.amount), 0)::bigint from charge c"
    f"  where c.final_at >= :since and c.final_at < :until and {_WHOSE}),"
    " due.sum, due.count,"
    f" (select count(*) from charge c where c.state = 'held' and {_WHOSE})"
    " from (select coalesce(sum(c.amount - c.paid), 0)::bigint as sum, count(*) as count from charge c"
    f" where c.state = 'due' and {_WHOSE}) due"
)
_REFUND_TOTALS = (
    "select"
    " (select coalesce(sum(r.amount), 0)::bigint from refund r join charge c on c.id = r.charge_id"
    "  where r.created_at >= :since and r.created_at < :until and r.state <> 'replaced'"
    f"  and {_WHOSE}),"
    " (select count(*) from refund r join charge c on c.id = r.charge_id"
    "  where (r.state = 'failed' or r.state = 'due' and r.try_again_at is null)"
    f"  and {_WHOSE})"
)


async def list_charges(
    session: AsyncSession,
    operator_id: UUID | None,
    *,
    state: ChargeState | None = None,
    plate_hash: bytes | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> Rows:
    """Charges; `plate_hash` only for who has given a reason, which the caller has written down."""
    query = (
        "select c.id, c.kind, c.state, c.amount, c.paid, c.created_at, c.final_at, c.facility_id,"
        " c.operator_id, c.stay_id, a.why, a.lines,"
        " exists (select from payment_part x join payment p on p.id = x.payment_id"
        "  where x.charge_id = c.id and x.live and p.state in ('created', 'pending')) as paying"
        " from charge c left join charge_assessment a on (a.charge_id, a.number) = (c.id, c.assessments)"
        f" where {_WHOSE} and (cast(:state as text) is null or c.state = :state)"
        " and (cast(:plate as bytea) is null or c.plate_hash = :plate)"
        " and (cast(:before as uuid) is null or c.id < :before)"
        " order by c.id desc limit :limit"
    )
    given = {"operator": operator_id, "state": state, "plate": plate_hash, "before": before, "limit": limit}
    return await _rows(session, query, given)


async def list_payments(
    session: AsyncSession,
    operator_id: UUID | None,
    *,
    state: PaymentState | None = None,
    charge_id: UUID | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> Rows:
    """Payments, each with what of it is the operator's (or, for the whole city, all of it)."""
    query = (
        "select p.id, p.provider, p.method, p.via, p.state, p.failure, p.attempts, p.created_at,"
        " p.succeeded_at, sum(x.amount)::bigint as amount, array_agg(x.charge_id) as charge_ids"
        " from payment p join payment_part x on x.payment_id = p.id join charge c on c.id = x.charge_id"
        f" where {_WHOSE} and (cast(:state as text) is null or p.state = :state)"
        " and (cast(:charge as uuid) is null or x.charge_id = :charge)"
        " and (cast(:before as uuid) is null or p.id < :before)"
        " group by p.id order by p.id desc limit :limit"
    )
    given = {"operator": operator_id, "state": state, "charge": charge_id, "before": before, "limit": limit}
    return await _rows(session, query, given)


async def list_refunds(
    session: AsyncSession,
    operator_id: UUID | None,
    *,
    state: RefundState | None = None,
    charge_id: UUID | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> Rows:
    """Refunds; `by_hand`: it waits for a person to pay it back."""
    query = (
        "select r.id, r.payment_id, r.charge_id, r.amount, r.why, r.state, r.failure, r.attempts,"
        " r.created_at, r.done_at,"
        " (r.state = 'failed' or r.state = 'due' and r.try_again_at is null) as by_hand"
        " from refund r join charge c on c.id = r.charge_id"
        f" where {_WHOSE} and (cast(:state as text) is null or r.state = :state)"
        " and (cast(:charge as uuid) is null or r.charge_id = :charge)"
        " and (cast(:before as uuid) is null or r.id < :before)"
        " order by r.id desc limit :limit"
    )
    given = {"operator": operator_id, "state": state, "charge": charge_id, "before": before, "limit": limit}
    return await _rows(session, query, given)


async def _rows(session: AsyncSession, query: str, given: dict[str, Any]) -> Rows:
    return [dict(row) for row in (await session.execute(text(query), given)).mappings()]
