"""A vehicle wants to leave: may the gate open? Only on confirmed payment or a standing rule."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.calendar import UnknownHolidayYear
from parking_cloud.kernel.limits import Limit, Limiter
from parking_cloud.kernel.money import Fen
from parking_cloud.kernel.problems import InvalidInput
from parking_cloud.payments import rules
from parking_cloud.payments.charging import assess_let_out, hold_stays, lock_charges, new_charge
from parking_cloud.payments.mandates import covers
from parking_cloud.payments.models import Charge
from parking_cloud.payments.offers import Offer, keep_offer, part_of
from parking_cloud.payments.policies import place_for, policy_of
from parking_cloud.payments.pricing import Quote, quote
from parking_cloud.payments.rules import AtExit, Why
from parking_cloud.payments.schemas import Via
from parking_cloud.stays.schemas import StayFacts
from parking_cloud.stays.service import open_stays
from parking_cloud.tariffs.problems import NoTariff
from sensor_gateway.plates import NoPlate, parse_plate
from sensor_gateway.sealing import PlateVault

_CLOCKS_DIFFER = timedelta(minutes=10)
"""A gate's own time is taken where it is at most so far from ours."""
MOST_UNKNOWN = 300
"""Unknown vehicles of one system at one facility in ten minutes: more than pass its exits while its entry
fails. Past this it is guessing, and is not answered: its gates do what they were told to do without us."""
_BY_PERSON = (("m", 20, timedelta(minutes=1)), ("h", 200, timedelta(hours=1)))
"""Vehicles that one attendant can see to at a lane."""

log = structlog.get_logger(__name__)


class ExitAsk(msgspec.Struct, frozen=True, kw_only=True):
    facility: str
    """Id or code."""
    lane: Annotated[str, msgspec.Meta(max_length=40)] = ""
    plate: Annotated[str, msgspec.Meta(max_length=40)]
    """As the camera read it; empty where it read none."""
    at: datetime | None = None
    """When the vehicle stood at the barrier; now, where it is left out."""
    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Why a person asks: staff give it, gates need not."""


class ExitOut(msgspec.Struct, frozen=True, kw_only=True):
    """Whether to open, and why. `amount` in fen: what is owed; the token or the address pays it."""

    open: bool
    why: Why
    amount: Fen = Fen(0)
    pay_token: str | None = None
    pay_url: str | None = None
    """For a QR code at the lane: the part after # stays in the phone."""


async def ask_to_leave(
    session: AsyncSession,
    redis: Redis,
    limiter: Limiter,
    vault: PlateVault,
    who: Identity,
    ask: ExitAsk,
    *,
    public_url: str,
    now: datetime,
) -> ExitOut:
    """Whether the gate opens for a vehicle.

    Raises FacilityNotFound, NotAllowed, InvalidInput (a person gives no reason), TooManyTries.
    """
    place = await place_for(session, who, ask.facility)
    unknown = Limit(f"unknown:{who.user_id}:{place.id}", MOST_UNKNOWN, timedelta(minutes=10))
    await limiter.count([], now, unless_past=[unknown])
    if who.role is not Role.INTEGRATION:
        await _by_a_person(session, limiter, who, place.id, ask, now)
    try:
        plate_hash = vault.lookup_hash(parse_plate(ask.plate))
    except NoPlate:
        return ExitOut(open=False, why=Why.ASK_ATTENDANT)
    stays = await open_stays(session, plate_hash, place.id)
    if not stays:
        await limiter.note(unknown, now)
        await _note(session, who, "payments.exit_unknown", place.id, ask)
        return ExitOut(open=False, why=Why.ASK_ATTENDANT)
    stay, at = stays[0], _moment(ask.at, now)
    await hold_stays(session, [stay.id])
    charge = next(iter(await lock_charges(session, stay_ids=[stay.id])), None)
    try:
        quoted = await quote(session, stay, charge, at)
    except NoTariff:
        return ExitOut(open=True, why=Why.FREE)
    except UnknownHolidayYear:
        log.error("a stay cannot be priced yet: it is let out and billed later", facility=place.code)
        return ExitOut(open=True, why=Why.PAY_LATER)
    by_mandate = quoted.owed > 0 and await covers(session, stay, quoted.amount, quoted.owed, now)
    later = (
        quoted.owed > 0 and not by_mandate and await _may_pay_later(session, stay, plate_hash, quoted, now)
    )
    opens, why = rules.at_exit(
        AtExit(quoted.amount, quoted.owed, quoted.price.permit, mandate_covers=by_mandate, pay_later=later)
    )
    if not opens:
        token = await keep_offer(redis, _offer(stay, quoted, who))
        pay_url = f"{public_url.rstrip('/')}/pay#offer={token}"
        return ExitOut(open=False, why=why, amount=Fen(quoted.owed), pay_token=token, pay_url=pay_url)
    await _note_told(session, stay, charge, quoted, now)
    return ExitOut(open=True, why=why, amount=Fen(quoted.owed))


def _offer(stay: StayFacts, quoted: Quote, who: Identity) -> Offer:
    """A person may have typed the plate from anywhere: only a gate knows who stands at it."""
    return Offer(
        parts=[part_of(stay, quoted)],
        via=Via.SCAN,
        scanned_facility_id=stay.facility_id,
        at_lane=who.role is Role.INTEGRATION,
    )


def _moment(said: datetime | None, now: datetime) -> datetime:
    if said is None or said.tzinfo is None or abs(now - said) > _CLOCKS_DIFFER:
        return now
    return min(said, now)


async def _may_pay_later(
    session: AsyncSession, stay: StayFacts, plate_hash: bytes, quoted: Quote, now: datetime
) -> bool:
    policy = await policy_of(session, stay.facility_id)
    if not policy.pay_later:
        return False
    unpaid = (
        await session.execute(
            text(
                "select coalesce(sum(amount - paid), 0)::bigint, min(final_at) from charge"
                " where plate_hash = :plate and state = 'due' and disputed_at is null"
            ),
            {"plate": plate_hash},
        )
    ).one()
    return rules.good_standing(
        owed_now=quoted.owed, unpaid=unpaid[0], oldest_due=unpaid[1], limit=policy.pay_later_limit, now=now
    )


async def _note_told(
    session: AsyncSession, stay: StayFacts, charge: Charge | None, quoted: Quote, now: datetime
) -> None:
    """The gate opens for this price: who then leaves in time owes no more than it."""
    if charge is None:
        charge = await new_charge(session, stay, now)
    await assess_let_out(session, stay, charge, quoted, now)


async def _by_a_person(
    session: AsyncSession, limiter: Limiter, who: Identity, facility_id: UUID, ask: ExitAsk, now: datetime
) -> None:
    """Staff who look a plate up say why and leave a trace, and be it at a lane. Raises InvalidInput,
    TooManyTries."""
    if not ask.reason.strip():
        raise InvalidInput(errors=[{"field": "reason", "message": "is empty"}])
    asked = [Limit(f"exits:{name}:{who.user_id}", most, window) for name, most, window in _BY_PERSON]
    await limiter.count(asked, now)
    await _note(session, who, "payments.exit_asked", facility_id, ask)


async def _note(session: AsyncSession, who: Identity, action: str, facility_id: UUID, ask: ExitAsk) -> None:
    """Who looks a plate up, or asks for vehicles that nobody knows, leaves a trace."""
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_type="facility",
        subject_id=str(facility_id),
        reason=ask.reason.strip(),
        detail={"lane": ask.lane},
    )
