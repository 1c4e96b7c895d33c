"""A month of which a night is on another space: it says so, and is on its own again afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.sharing import managing
from parking_cloud.sharing.mine import my_booking
from parking_cloud.sharing.moving import move_endangered
from parking_cloud.sharing.overstay import look_at_ends
from parking_cloud.sharing.schemas import BookingKind
from tests.sharing.parts import CHIEF, FRIDAY_NOON, owner, pays
from tests.sharing.test_whoever_does_not_leave_is_reminded_then_asked_step_by_step import Evening
from tests.tariffs.parts import city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

MIDNIGHT, MONDAY = city("2026-11-21 00:00"), city("2026-11-23 12:00")


async def test_it_names_the_space_of_the_night(session: AsyncSession, redis: Redis) -> None:
    evening = Evening(session, redis)
    await evening.begin(spaces=2)  # on space 001 until 21:00, and does not leave
    wang = await owner(session, "浙E54321", "wang")
    month = await wang.books(session, MIDNIGHT, kind=BookingKind.MONTH)
    await pays(session, month, FRIDAY_NOON)
    assert (await my_booking(session, wang.id, month.id, FRIDAY_NOON)).space == "001"
    now = MIDNIGHT + timedelta(minutes=1)
    await look_at_ends(session, now)
    await move_endangered(session, now)
    await session.commit()
    shown = [await my_booking(session, wang.id, month.id, at) for at in (now, MONDAY)]
    assert [each.space for each in shown] == ["002", "001"], "all of the weekend, without a break"
    listed = await managing.booked_out(session, CHIEF, evening.facility, now, MONDAY, 10)
    assert [each.space for each in listed if each.kind is BookingKind.MONTH] == ["002"]
