"""Batches that move many facilities, and the job that does, never wait for each other in a circle."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel.db import transaction
from parking_cloud.occupancy.certainty import refresh_certainty
from parking_cloud.occupancy.projector import project
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import RegistryBatch
from tests.factories import NOON, load_small_city, observed, small_city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

BATCHES = 150


async def test_batches_and_the_certainty_job_do_not_deadlock(
    session: AsyncSession, sessions: async_sessionmaker[AsyncSession]
) -> None:
    """Each batch speaks of a space of the street and of the garage's count; the job moves both."""
    city = small_city()
    garage = [facility for facility in city.facilities if facility.code == "garage"]
    # First the garage, so that its id is the smaller: its count comes last in a batch.
    await import_batch(session, RegistryBatch(operators=city.operators, facilities=garage))
    devices = await load_small_city(session)
    done = asyncio.Event()

    async def batches() -> None:
        for number in range(BATCHES):
            at = NOON + timedelta(minutes=number)
            said = [
                observed(devices["sensor-1"], at=at, occupied=number % 2 == 0, frame=number),
                observed(devices["garage-counter"], at=at, free=number % 7, frame=number),
            ]
            async with transaction(sessions) as other:
                await project(other, said)
        done.set()

    async def job() -> None:
        while not done.is_set():
            async with transaction(sessions) as other:
                await refresh_certainty(other, NOON, stale_after=timedelta(hours=2))

    await asyncio.gather(batches(), job())  # a deadlock would end one of them
