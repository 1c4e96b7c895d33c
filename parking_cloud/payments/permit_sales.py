"""Permits that are bought (月卡): a charge of their own, granted once it is settled, given back by the
product's rule."""

from __future__ import annotations

import calendar
from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.clock import CITY_ZONE, city_time
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.money import Fen
from parking_cloud.kernel.problems import InvalidInput, NotAllowed, NotFound, Problem
from parking_cloud.payments.charging import charge_sale, lock_charges, void, waive
from parking_cloud.payments.mandate_models import PermitProduct, PermitPurchase
from parking_cloud.payments.offers import Offer, OfferPart
from parking_cloud.payments.schemas import ChargeKind, ChargeState, Via
from parking_cloud.registry.service import facility_labels
from parking_cloud.tariffs.permits import grant_permit, revoke_permit
from parking_cloud.tariffs.schemas import Line, PermitKind, VehicleClass

UNPAID_LAPSES = timedelta(minutes=30)
_SOONEST, _LATEST = 0, 60
"""Days from today within which a permit may begin."""


class ProductIn(msgspec.Struct, frozen=True, kw_only=True):
    """A permit on sale; `price` in fen."""

    facility_id: UUID
    operator_wide: bool = False
    name: dict[Literal["zh-CN", "en"], Annotated[str, msgspec.Meta(min_length=1, max_length=100)]]
    vehicle_class: VehicleClass
    months: Annotated[int, msgspec.Meta(ge=1, le=24)]
    price: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
    refund: Literal["none", "by_day"]


class ProductOut(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    facility_id: UUID
    facility: str
    operator_wide: bool
    name: dict[str, str]
    vehicle_class: VehicleClass
    months: int
    price: int
    refund: str


class PurchaseIn(msgspec.Struct, frozen=True, kw_only=True):
    """`vehicle_id`: one of the driver's verified vehicles."""

    product_id: UUID
    vehicle_id: UUID
    starts_on: date


class PurchaseOut(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    product: dict[str, str]
    starts_on: date
    ends_on: date
    state: str
    price: int


class ProductNotFound(NotFound):
    slug = "permit-product-not-found"
    title = {"zh-CN": "没有这种月卡", "en": "There is no such permit on sale"}


class PurchaseNotFound(NotFound):
    slug = "permit-purchase-not-found"
    title = {"zh-CN": "没有这笔购买", "en": "There is no such purchase"}


class NotGivenBack(Problem):
    slug = "permit-not-given-back"
    status = 409
    title = {"zh-CN": "该月卡不可退", "en": "This permit cannot be given back"}
    detail = {
        "zh-CN": "购买时已注明不可退，或已到期、未付款。",
        "en": "It was sold so, or it has ended, or was never paid.",
    }


class Vehicle(msgspec.Struct, frozen=True):
    """What a permit is for; its plate sealed."""

    plate_hash: bytes
    plate_sealed: bytes


def months_on(start: date, months: int) -> date:
    """The same day so many months later; the last of a shorter month."""
    month = start.month - 1 + months
    year, month = start.year + month // 12, month % 12 + 1
    return date(year, month, min(start.day, calendar.monthrange(year, month)[1]))


def given_back(price: int, starts_on: date, ends_on: date, today: date) -> Fen:
    """What comes back of a permit that ends today: the days left of those bought, today not counted."""
    left = (ends_on - max(today + timedelta(days=1), starts_on)).days
    if today < starts_on:
        left = (ends_on - starts_on).days
    return Fen(price * max(left, 0) // (ends_on - starts_on).days)


async def add_product(session: AsyncSession, who: Identity, stated: ProductIn) -> UUID:
    """Put a permit on sale: operators at their own facilities. Raises ProductNotFound, NotAllowed."""
    label = (await facility_labels(session, [stated.facility_id])).get(stated.facility_id)
    if label is None:
        raise ProductNotFound()
    if who.role is Role.OPERATOR_STAFF and who.operator_id != label.operator_id:
        raise NotAllowed()
    if set(stated.name) != {"zh-CN", "en"}:
        raise InvalidInput(errors=[{"field": "name", "message": "give it in zh-CN and in en"}])
    product = PermitProduct(
        id=new_id(),
        facility_id=stated.facility_id,
        operator_wide=stated.operator_wide,
        name=dict(stated.name),
        vehicle_class=stated.vehicle_class.value,
        months=stated.months,
        price=stated.price,
        refund=stated.refund,
    )
    session.add(product)
    await session.flush()
    await _audit(session, who, "payments.permit_product", "permit_product", product.id)
    return product.id


async def on_sale(session: AsyncSession, facility_id: UUID | None) -> list[ProductOut]:
    """What can be bought; at one facility where it is given."""
    query = select(PermitProduct).where(PermitProduct.ended_at.is_(None)).order_by(PermitProduct.price)
    if facility_id is not None:
        query = query.where(PermitProduct.facility_id == facility_id)
    products = (await session.scalars(query)).all()
    labels = await facility_labels(session, {product.facility_id for product in products})
    return [
        ProductOut(
            id=product.id,
            facility_id=product.facility_id,
            facility=labels[product.facility_id].name,
            operator_wide=product.operator_wide,
            name=product.name,
            vehicle_class=VehicleClass(product.vehicle_class),
            months=product.months,
            price=product.price,
            refund=product.refund,
        )
        for product in products
    ]


async def buy(
    session: AsyncSession, user_id: UUID, asked: PurchaseIn, vehicle: Vehicle, now: datetime
) -> tuple[PurchaseOut, Offer]:
    """A purchase with its charge, and the offer to pay it by. Raises ProductNotFound, InvalidInput."""
    product = await session.get(PermitProduct, asked.product_id)
    if product is None or product.ended_at is not None:
        raise ProductNotFound()
    ahead = (asked.starts_on - city_time(now).date()).days
    if not _SOONEST <= ahead <= _LATEST:
        raise InvalidInput(errors=[{"field": "starts_on", "message": "must be within 60 days from today"}])
    label = (await facility_labels(session, [product.facility_id]))[product.facility_id]
    line = Line(
        code="permit",
        amount=Fen(product.price),
        reason={"zh-CN": product.name["zh-CN"], "en": product.name["en"]},
    )
    charge = await charge_sale(
        session,
        kind=ChargeKind.PERMIT,
        facility_id=product.facility_id,
        operator_id=label.operator_id,
        amount=product.price,
        lines=[line],
        now=now,
    )
    purchase = PermitPurchase(
        id=new_id(),
        product_id=product.id,
        user_id=user_id,
        plate_hash=vehicle.plate_hash,
        plate_sealed=vehicle.plate_sealed,
        starts_on=asked.starts_on,
        ends_on=months_on(asked.starts_on, product.months),
        charge_id=charge.id,
        state="unpaid",
        asked_at=now,
    )
    session.add(purchase)
    await session.flush()
    offer = Offer(parts=[OfferPart(charge_id=charge.id, asked=product.price)], via=Via.APP)
    return _shown(purchase, product), offer


async def follow_charge(session: AsyncSession, charge_id: UUID, now: datetime) -> None:
    """A charge has changed: a permit that is paid is granted, one whose payment was taken back is revoked."""
    bought = select(PermitPurchase).where(PermitPurchase.charge_id == charge_id)
    if await session.scalar(bought) is None:
        return
    (charge,) = await lock_charges(session, ids=[charge_id])
    purchase = await session.scalar(bought.with_for_update().execution_options(populate_existing=True))
    assert purchase is not None
    if charge.state == ChargeState.SETTLED and purchase.state == "unpaid":
        product = await session.get_one(PermitProduct, purchase.product_id)
        purchase.permit_id = await _grant(session, purchase, product, charge.operator_id)
        purchase.state = "granted"
    elif charge.state == ChargeState.DUE and purchase.state == "granted" and purchase.permit_id is not None:
        await revoke_permit(session, purchase.permit_id, now)  # the payer's bank took it back
        purchase.state = "given_back"
        await void(session, charge, now)
    await session.flush()


async def _grant(
    session: AsyncSession, purchase: PermitPurchase, product: PermitProduct, operator_id: UUID
) -> UUID:
    return await grant_permit(
        session,
        plate_hash=purchase.plate_hash,
        plate_sealed=purchase.plate_sealed,
        kind=PermitKind.MONTHLY,
        valid_from=_midnight(purchase.starts_on),
        valid_until=_midnight(purchase.ends_on),
        source=f"purchase {purchase.id}",
        facility_id=None if product.operator_wide else product.facility_id,
        operator_id=operator_id if product.operator_wide else None,
    )


async def give_back(session: AsyncSession, user_id: UUID, purchase_id: UUID, now: datetime) -> Fen:
    """End a permit today; what comes back of it. Raises PurchaseNotFound, NotGivenBack."""
    charge_id = await session.scalar(
        select(PermitPurchase.charge_id).where(
            PermitPurchase.id == purchase_id, PermitPurchase.user_id == user_id
        )
    )
    if charge_id is None:
        raise PurchaseNotFound()
    (charge,) = await lock_charges(session, ids=[charge_id])
    purchase = await session.get_one(
        PermitPurchase, purchase_id, with_for_update=True, populate_existing=True
    )
    product = await session.get_one(PermitProduct, purchase.product_id)
    amount = given_back(charge.amount, purchase.starts_on, purchase.ends_on, city_time(now).date())
    if purchase.state != "granted" or purchase.permit_id is None or product.refund == "none" or not amount:
        raise NotGivenBack()
    await revoke_permit(session, purchase.permit_id, now)
    purchase.state = "given_back"
    await session.flush()
    await waive(session, charge, charge.amount - amount, now)
    return amount


async def lapse_unpaid(session: AsyncSession, now: datetime) -> None:
    """What was not paid within half an hour is not bought: nothing is owed for it. The worker's job."""
    old = await session.scalars(
        select(PermitPurchase.charge_id)
        .where(PermitPurchase.state == "unpaid", PermitPurchase.asked_at < now - UNPAID_LAPSES)
        .limit(100)
    )
    for charge in await lock_charges(session, ids=old.all()):
        if charge.state == ChargeState.DUE and not charge.paid:
            purchase = await session.scalar(
                select(PermitPurchase).where(PermitPurchase.charge_id == charge.id).with_for_update()
            )
            assert purchase is not None
            purchase.state = "lapsed"
            await void(session, charge, now)


async def purchases_of(session: AsyncSession, user_id: UUID) -> list[PurchaseOut]:
    """What a driver has bought, the newest first."""
    rows = await session.execute(
        select(PermitPurchase, PermitProduct)
        .join(PermitProduct, PermitProduct.id == PermitPurchase.product_id)
        .where(PermitPurchase.user_id == user_id)
        .order_by(PermitPurchase.id.desc())
    )
    return [_shown(purchase, product) for purchase, product in rows]


def _shown(purchase: PermitPurchase, product: PermitProduct) -> PurchaseOut:
    return PurchaseOut(
        id=purchase.id,
        product=product.name,
        starts_on=purchase.starts_on,
        ends_on=purchase.ends_on,
        state=purchase.state,
        price=product.price,
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), CITY_ZONE)


async def _audit(session: AsyncSession, who: Identity, action: str, kind: str, subject: UUID) -> None:
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_type=kind,
        subject_id=str(subject),
    )
