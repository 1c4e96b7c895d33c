"""A vehicle stands at the gate of a facility and wants in: gates that hold no list ask for each one."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity
from parking_cloud.gates.allow_list_keeping import place_of
from parking_cloud.occupancy.service import get_facility
from parking_cloud.registry.service import FacilityLabel
from parking_cloud.sharing.entry_rules import EARLY, AtEntry, EntryWhy, at_entry
from parking_cloud.sharing.passes import has_other_permit
from parking_cloud.sharing.rules import STEP
from parking_cloud.sharing.service import bookable, booked_until, confirmed_at
from parking_cloud.stays.service import open_stays_of
from sensor_gateway.plates import NoPlate, parse_plate
from sensor_gateway.sealing import PlateVault

_CLOCKS_DIFFER = timedelta(minutes=10)
"""A gate's own time is taken where it is at most so far from ours."""
_KEPT_FREE = timedelta(hours=1)
"""So long before a booked time nobody else is let in on its space."""
_FOR_EVERYBODY = ("public_offstreet", "on_street", "park_and_ride")


class EntryAsk(msgspec.Struct, frozen=True, kw_only=True):
    facility: str
    """Id or code."""
    lane: Annotated[str, msgspec.Meta(max_length=40)] = ""
    plate: Annotated[str, msgspec.Meta(max_length=40)] = ""
    """As the camera read it; empty where it read none."""
    at: datetime | None = None
    """When the vehicle stood at the barrier; now, where it is left out."""


class EntryOut(msgspec.Struct, frozen=True, kw_only=True):
    """Whether to open, and why."""

    open: bool
    why: EntryWhy


async def ask_to_enter(
    session: AsyncSession,
    vault: PlateVault,
    who: Identity,
    ask: EntryAsk,
    *,
    now: datetime,
    stale_after: timedelta,
) -> EntryOut:
    """Whether the gate opens for a vehicle. Only reads. Raises FacilityNotFound, NotAllowed."""
    place = await place_of(session, who, ask.facility)
    at = now if ask.at is None or ask.at.tzinfo is None or abs(now - ask.at) > _CLOCKS_DIFFER else ask.at
    plate_hash = None
    with suppress(NoPlate):
        plate_hash = vault.lookup_hash(parse_plate(ask.plate))
    booked, permit = False, False
    if plate_hash is not None:
        booked = bool(await confirmed_at(session, plate_hash, place.id, at, timedelta()))
        permit = not booked and await has_other_permit(session, plate_hash, place, at)
    if booked or permit:
        return _answer(AtEntry(booked, False, permit, open_to_all=False, room=None))
    open_to_all, room = await _room(session, place, plate_hash, at, now, stale_after)
    answer = _answer(AtEntry(booked, False, permit, open_to_all=open_to_all, room=room))
    if answer.open or plate_hash is None:
        return answer
    soon = bool(await confirmed_at(session, plate_hash, place.id, at, EARLY))
    return _answer(AtEntry(booked, soon, permit, open_to_all=open_to_all, room=room))


def _answer(facts: AtEntry) -> EntryOut:
    opens, why = at_entry(facts)
    return EntryOut(open=opens, why=why)


async def _room(
    session: AsyncSession,
    place: FacilityLabel,
    plate_hash: bytes | None,
    at: datetime,
    now: datetime,
    stale_after: timedelta,
) -> tuple[bool, int | None]:
    """Whether everybody may come in now, and for how many there is room beside the others who have booked:
    their spaces are theirs, whether they are there yet or not."""
    soon = at + _KEPT_FREE
    facility = await get_facility(session, str(place.id), now=now, stale_after=stale_after)
    free = None if facility.stale else facility.free
    booked = [one for one in await booked_until(session, place.id, at, soon) if one.plate_hash != plate_hash]
    if free is not None:
        plates = {one.plate_hash for one in booked}
        inside = await open_stays_of(session, plates)
        free -= sum((plate, place.id) not in inside for plate in plates)
    if facility.kind in _FOR_EVERYBODY:
        return True, free
    offers = await bookable(session, start=at, end=at + STEP, now=now, facility_ids=[place.id])
    offer = offers.get(place.id)
    if offer is None or not offer.walk_in:
        return False, None
    held = {one.space_id for one in booked if one.starts_at < at + STEP}
    left = offer.left - len({one.space_id for one in booked} - held)
    return True, left if free is None else min(free, left)
