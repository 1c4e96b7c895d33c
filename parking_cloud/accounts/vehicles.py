"""Drivers' vehicles. Anybody can type a plate; only who was verified sees anything of that vehicle.

A claim waits for proof: the desk has seen the vehicle licence (行驶证), or payments at the barrier prove it
(proofs.py). A verified plate has one holder: a
new claim goes to the desk too, and the present holder is told. What was before a holder's time stays
unseen; with the end of a binding all of it does.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.driver_models import LicencePhoto
from parking_cloud.accounts.events import VEHICLE_CHANGED
from parking_cloud.accounts.models import User, VehicleBinding
from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicle_problems import (
    AlreadyClaimed,
    BadPlate,
    ClaimDecided,
    ClaimNotFound,
    LicenceDoesNotMatch,
    TooManyClaims,
    TooManyVehicles,
)
from parking_cloud.kernel import audit, outbox
from parking_cloud.kernel.db import alone
from sensor_gateway.plates import NoPlate, parse_plate
from sensor_gateway.sealing import PlateVault

MOST_VEHICLES = 10
"""Of one driver: a fleet has other ways than the app, and nobody collects plates."""
MOST_CLAIMS = 10
"""Of one driver in a day, given up again or not: each takes a desk's time, and a holder is told."""
_A_DAY = timedelta(days=1)
_LIVE = ("pending", "verified")


class Standing(StrEnum):
    PENDING = "pending"
    VERIFIED = "verified"
    REFUSED = "refused"
    ENDED = "ended"


class Proof(StrEnum):
    """By what a vehicle was verified."""

    LICENCE = "licence"
    PAYMENTS = "payments"


class VehicleIn(msgspec.Struct, frozen=True):
    plate: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


class VehicleOut(msgspec.Struct, frozen=True, kw_only=True):
    """The driver's own view: the plate masked, since a screen is seen by others too."""

    id: UUID
    plate: str
    state: Standing
    asked_at: datetime
    since: datetime | None
    reason: str
    proof: Proof | None
    licence_sent: bool


class ClaimOut(msgspec.Struct, frozen=True, kw_only=True):
    """The desk's view of a claim."""

    id: UUID
    username: str
    plate: str
    """Masked; the desk sees it whole on the licence that is shown."""
    asked_at: datetime
    has_holder: bool
    has_photo: bool


class ClaimDecision(msgspec.Struct, frozen=True, kw_only=True):
    """`plate` is typed from the licence that the desk saw: only a match is verified."""

    verified: bool
    reason: Annotated[str, msgspec.Meta(min_length=4, max_length=500)]
    plate: Annotated[str, msgspec.Meta(max_length=32)] = ""
    since: datetime | None = None
    """The date of registration on the licence, where the driver wants to see stays before today."""


class Holding(NamedTuple):
    """A vehicle that a driver holds, and from when on it is theirs to see."""

    binding_id: UUID
    plate_hash: bytes
    since: datetime


async def claim(
    session: AsyncSession, who: Identity, stated: VehicleIn, vault: PlateVault, now: datetime
) -> VehicleOut:
    """Ask for a vehicle. The answer is the same whether anybody knows that plate or not.

    Raises BadPlate, AlreadyClaimed, TooManyVehicles, TooManyClaims.
    """
    try:
        plate = parse_plate(stated.plate)
    except NoPlate as error:
        raise BadPlate(errors=[{"field": "plate", "message": str(error)}]) from error
    await session.scalar(select(User.id).where(User.id == who.user_id).with_for_update())
    live = select(func.count()).where(VehicleBinding.user_id == who.user_id, VehicleBinding.state.in_(_LIVE))
    if (await session.scalar(live) or 0) >= MOST_VEHICLES:
        raise TooManyVehicles()
    today = VehicleBinding.user_id == who.user_id, VehicleBinding.asked_at > now - _A_DAY
    if (await session.scalar(select(func.count()).where(*today)) or 0) >= MOST_CLAIMS:
        raise TooManyClaims()
    binding = VehicleBinding(
        user_id=who.user_id,
        plate_hash=vault.lookup_hash(plate),
        plate_sealed=vault.seal(plate),
        state="pending",
        asked_at=now,
    )
    try:
        async with session.begin_nested():
            session.add(binding)
            await session.flush()
    except IntegrityError as error:
        raise AlreadyClaimed() from error
    await outbox.add(session, VEHICLE_CHANGED, str(binding.id), {"what": "claimed"})
    return _shown(binding, vault, licence_sent=False)


async def vehicles_of(
    session: AsyncSession, user_id: UUID, vault: PlateVault, *, whole: bool = False
) -> list[VehicleOut]:
    """A driver's vehicles, newest first; those they gave up are not among them. `whole`: plates unmasked."""
    query = (
        select(VehicleBinding, LicencePhoto.binding_id.is_not(None))
        .outerjoin(LicencePhoto, LicencePhoto.binding_id == VehicleBinding.id)
        .where(VehicleBinding.user_id == user_id, VehicleBinding.state != "ended")
        .order_by(VehicleBinding.id.desc())
    )
    rows = await session.execute(query)
    return [_shown(row, vault, licence_sent=sent, whole=whole) for row, sent in rows]


async def give_up(session: AsyncSession, who: Identity, binding_id: UUID, now: datetime) -> None:
    """The vehicle is no longer the driver's: from now on they see nothing of it. Raises ClaimNotFound."""
    binding = await _locked(session, binding_id)
    if binding.user_id != who.user_id or binding.state not in _LIVE:
        raise ClaimNotFound()
    await _end(session, binding, now, reason="")
    await session.execute(text("delete from licence_photo where binding_id = :id"), {"id": binding_id})


async def end_all(session: AsyncSession, user_id: UUID, now: datetime) -> None:
    """A driver gives up all they have or claim."""
    query = select(VehicleBinding).where(VehicleBinding.user_id == user_id, VehicleBinding.state.in_(_LIVE))
    for binding in await session.scalars(query.with_for_update()):
        await _end(session, binding, now, reason="")


async def claims(session: AsyncSession, vault: PlateVault, limit: int) -> list[ClaimOut]:
    """What waits for the desk, oldest first."""
    holder = select(VehicleBinding.plate_hash).where(VehicleBinding.state == "verified")
    query = (
        select(
            VehicleBinding,
            User.username,
            VehicleBinding.plate_hash.in_(holder),
            LicencePhoto.binding_id.is_not(None),
        )
        .join(User, User.id == VehicleBinding.user_id)
        .outerjoin(LicencePhoto, LicencePhoto.binding_id == VehicleBinding.id)
        .where(VehicleBinding.state == "pending")
        .order_by(VehicleBinding.id)
        .limit(limit)
    )
    return [
        ClaimOut(
            id=binding.id,
            username=username,
            plate=vault.open(binding.plate_sealed).masked(),
            asked_at=binding.asked_at,
            has_holder=held,
            has_photo=photo,
        )
        for binding, username, held, photo in await session.execute(query)
    ]


async def decide(
    session: AsyncSession,
    who: Identity,
    binding_id: UUID,
    decision: ClaimDecision,
    vault: PlateVault,
    now: datetime,
) -> None:
    """The desk's decision. A verified claim ends the binding of whoever held the plate before.

    Raises ClaimNotFound, ClaimDecided, LicenceDoesNotMatch, BadPlate.
    """
    binding = await _locked(session, binding_id)
    if binding.state != "pending":
        raise ClaimDecided()
    if decision.verified:
        _check_licence(binding, decision.plate, vault)
        await verify(session, binding, decision.since, Proof.LICENCE, now)
    else:
        binding.state = "refused"
    binding.decided_at, binding.decided_by, binding.reason = now, who.user_id, decision.reason
    await session.flush()
    await outbox.add(session, VEHICLE_CHANGED, str(binding.id), {"what": binding.state})
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=f"accounts.vehicle_{binding.state}",
        subject_type="vehicle_binding",
        subject_id=str(binding.id),
        reason=decision.reason,
    )


async def verify(
    session: AsyncSession, binding: VehicleBinding, since: datetime | None, proof: Proof, now: datetime
) -> None:
    """The vehicle is the claimant's from `since` on, but never from before the end of another's time."""
    await alone(session, f"holder {binding.plate_hash.hex()}")
    holder = await session.scalar(
        select(VehicleBinding)
        .where(VehicleBinding.plate_hash == binding.plate_hash, VehicleBinding.state == "verified")
        .with_for_update()
    )
    if holder is not None:
        await _end(session, holder, now, reason="车辆已由新的车主认证 / verified for another owner")
    others = (VehicleBinding.plate_hash == binding.plate_hash, VehicleBinding.user_id != binding.user_id)
    last_of_others = await session.scalar(select(func.max(VehicleBinding.ended_at)).where(*others))
    begin = min(since or now, now)
    binding.state, binding.since = "verified", max(begin, last_of_others or begin)
    binding.proof = proof.value


def _check_licence(binding: VehicleBinding, plate: str, vault: PlateVault) -> None:
    try:
        seen = vault.lookup_hash(parse_plate(plate))
    except NoPlate as error:
        raise BadPlate(errors=[{"field": "plate", "message": str(error)}]) from error
    if seen != binding.plate_hash:
        raise LicenceDoesNotMatch(errors=[{"field": "plate", "message": "not the plate that was claimed"}])


async def _end(session: AsyncSession, binding: VehicleBinding, now: datetime, reason: str) -> None:
    if binding.state == "pending":
        binding.state, binding.decided_at = "refused", now
    else:
        binding.state, binding.ended_at, binding.reason = "ended", now, reason
    await session.flush()
    await outbox.add(session, VEHICLE_CHANGED, str(binding.id), {"what": "ended"})


async def _locked(session: AsyncSession, binding_id: UUID) -> VehicleBinding:
    query = select(VehicleBinding).where(VehicleBinding.id == binding_id).with_for_update()
    binding = await session.scalar(query)
    if binding is None:
        raise ClaimNotFound()
    return binding


class Holder(NamedTuple):
    """Who holds a vehicle, and from when on it is theirs."""

    user_id: UUID
    since: datetime


async def holders(session: AsyncSession, plate_hashes: Collection[bytes]) -> dict[bytes, Holder]:
    """Who holds these plates, verified; others are left out."""
    rows = await session.execute(
        select(VehicleBinding.plate_hash, VehicleBinding.user_id, VehicleBinding.since).where(
            VehicleBinding.plate_hash.in_(plate_hashes), VehicleBinding.state == "verified"
        )
    )
    return {plate: Holder(user_id, since) for plate, user_id, since in rows if since is not None}


async def holdings(session: AsyncSession, user_id: UUID) -> list[Holding]:
    """What a driver holds, verified: all that they may see or act for."""
    rows = await session.execute(
        select(VehicleBinding.id, VehicleBinding.plate_hash, VehicleBinding.since).where(
            VehicleBinding.user_id == user_id, VehicleBinding.state == "verified"
        )
    )
    return [Holding(id_, plate_hash, since) for id_, plate_hash, since in rows if since is not None]


class HeldVehicle(NamedTuple):
    """A driver's verified vehicle, its plate sealed."""

    plate_hash: bytes
    plate_sealed: bytes
    since: datetime


async def held_vehicle(session: AsyncSession, user_id: UUID, binding_id: UUID) -> HeldVehicle:
    """One of a driver's verified vehicles. Raises ClaimNotFound."""
    binding = await session.get(VehicleBinding, binding_id)
    if binding is None or binding.user_id != user_id or binding.state != "verified" or binding.since is None:
        raise ClaimNotFound()
    return HeldVehicle(binding.plate_hash, binding.plate_sealed, binding.since)


class BindingFacts(NamedTuple):
    """A binding, for who tells of it."""

    user_id: UUID
    plate_hash: bytes
    state: Standing
    reason: str
    since: datetime | None


async def binding_facts(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, BindingFacts]:
    """Those of these bindings that exist."""
    rows = await session.scalars(select(VehicleBinding).where(VehicleBinding.id.in_(ids)))
    return {
        row.id: BindingFacts(row.user_id, row.plate_hash, Standing(row.state), row.reason, row.since)
        for row in rows
    }


def _shown(
    binding: VehicleBinding, vault: PlateVault, *, licence_sent: bool, whole: bool = False
) -> VehicleOut:
    plate = vault.open(binding.plate_sealed)
    return VehicleOut(
        id=binding.id,
        plate=plate.reveal() if whole else plate.masked(),
        state=Standing(binding.state),
        asked_at=binding.asked_at,
        since=binding.since,
        reason=binding.reason,
        proof=Proof(binding.proof) if binding.proof else None,
        licence_sent=licence_sent,
    )
