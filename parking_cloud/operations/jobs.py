"""The worker's regular look at all devices: faults are opened with evidence, and closed when they end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.reconciliation import newest_drifts
from parking_cloud.kernel import outbox
from parking_cloud.kernel.db import alone
from parking_cloud.kernel.ids import new_id
from parking_cloud.occupancy import evidence
from parking_cloud.occupancy.certainty import set_doubted
from parking_cloud.operations import rules
from parking_cloud.operations.events import DEVICE_FAULT
from parking_cloud.operations.judgements import last_judgements
from parking_cloud.operations.rules import Condition
from parking_cloud.registry.service import capacities, counters_of

_LOOK = "look at devices"
"""One of the two at a time: each must see all open faults to say which devices are in doubt."""


class Found(NamedTuple):
    """A fault that holds now."""

    facility_id: UUID
    evidence: rules.Evidence


async def judge_silence(session: AsyncSession, now: datetime) -> None:
    """Which devices are silent; every five minutes."""
    await alone(session, _LOOK)
    quiet = await evidence.quiet_devices(session, now, missed=rules.MISSED)
    await _settle(session, now, Condition.SILENT, _held(quiet, lambda d: rules.judge_silent(d, now)))
    await _restate_doubt(session)


async def judge_devices(session: AsyncSession, now: datetime) -> None:
    """Which devices are stuck, flap, run out of battery or have drifted; every hour."""
    await alone(session, _LOOK)
    still = await evidence.unchanged_spaces(
        session,
        now,
        longer_than=rules.STUCK_AFTER,
        busy_changes=rules.BUSY_CHANGES,
        least_busy=rules.STUCK_NEIGHBOURS,
    )
    await _settle(session, now, Condition.STUCK, _held(still, lambda d: rules.judge_stuck(d, now)))
    restless = await evidence.restless_spaces(
        session, now, within=2 * rules.FLAPPING_WITHIN, more_than=rules.FLAPPING_CHANGES
    )
    await _settle(
        session, now, Condition.FLAPPING, _held(restless, lambda d: rules.judge_flapping(d.changes))
    )
    await _settle(session, now, Condition.BATTERY_LOW, await _low_batteries(session, now))
    await _settle(session, now, Condition.DRIFTED, await _drifted(session))
    await _restate_doubt(session)


def _held(devices: list[Any], judge: Any) -> dict[UUID, Found]:
    judged = ((device, judge(device)) for device in devices)
    return {d.device_id: Found(d.facility_id, found) for d, found in judged if found is not None}


async def _low_batteries(session: AsyncSession, now: datetime) -> dict[UUID, Found]:
    """By the voltage where it shows it, with what the device says of it; else by the device's own word."""
    today = now.astimezone(UTC).date()
    await evidence.take_in_batteries(session, today, days=rules.FORECAST_DAYS)
    weak = await evidence.weak_batteries(
        session,
        today,
        share=rules.BATTERY_LOW_SHARE,
        days=rules.FORECAST_DAYS,
        least_days=rules.FORECAST_LEAST_DAYS,
    )
    measured = _held(weak, lambda d: rules.judge_battery(d, today))
    said = _held(await evidence.said_low(session), lambda d: rules.BatteryReported(d.reported_at))
    return said | measured


async def _drifted(session: AsyncSession) -> dict[UUID, Found]:
    """Sensors that people found wrong too often, and counters of facilities whose full counts disagree."""
    found: dict[UUID, Found] = {}
    judged = await last_judgements(session, rules.DRIFT_FINDINGS, least=rules.DRIFT_LEAST)
    for device, (facility, right) in judged.items():
        drift = rules.judge_drift(right)
        if drift is not None:
            found[device] = Found(facility, drift)
    drifts = await newest_drifts(session)
    sizes = await capacities(session, drifts)
    counters = await counters_of(session, drifts)
    for device in await evidence.reporting(session, counters):
        facility = counters[device]
        counter = rules.judge_counter_drift(drifts[facility], sizes[facility])
        if counter is not None:
            found[device] = Found(facility, counter)
    return found


async def _settle(
    session: AsyncSession, now: datetime, condition: Condition, found: Mapping[UUID, Found]
) -> None:
    """Open what is new, keep the evidence of what still holds up to date, close what has ended."""
    rows = await session.execute(
        text(
            "select device_id, id from device_fault where condition = :condition and closed_at is null"
            " order by device_id for update"
        ),
        {"condition": condition.value},
    )
    standing: dict[UUID, UUID] = {row.device_id: row.id for row in rows}
    opened = {device: new_id() for device in found if device not in standing}
    ended = {device: fault for device, fault in standing.items() if device not in found}
    await _open(session, now, condition, {d: (opened[d], found[d]) for d in opened})
    await _refresh(session, {standing[d]: found[d] for d in found if d in standing})
    await session.execute(
        text("update device_fault set closed_at = :now where id = any(:ids)"),
        {"now": now, "ids": list(ended.values())},
    )
    events = [(device, fault, "opened") for device, fault in opened.items()]
    events += [(device, fault, "closed") for device, fault in ended.items()]
    await outbox.add_many(
        session,
        DEVICE_FAULT,
        [
            (str(d), {"fault": str(f), "condition": condition.value, "state": s, "at": now.isoformat()})
            for d, f, s in events
        ],
    )


async def _open(
    session: AsyncSession, now: datetime, condition: Condition, opened: Mapping[UUID, tuple[UUID, Found]]
) -> None:
    if opened:
        await session.execute(
            text(
                "insert into device_fault (id, device_id, facility_id, condition, opened_at, evidence)"
                " select n.id, n.device_id, n.facility_id, :condition, :now, cast(n.evidence as jsonb)"
                " from unnest(cast(:ids as uuid[]), cast(:devices as uuid[]), cast(:facilities as uuid[]),"
                " cast(:evidence as text[])) as n(id, device_id, facility_id, evidence)"
            ),
            {
                "condition": condition.value,
                "now": now,
                "ids": [fault for fault, _ in opened.values()],
                "devices": list(opened),
                "facilities": [f.facility_id for _, f in opened.values()],
                "evidence": [_json(f) for _, f in opened.values()],
            },
        )


async def _refresh(session: AsyncSession, standing: Mapping[UUID, Found]) -> None:
    if standing:
        await session.execute(
            text(
                "update device_fault f set evidence = cast(n.evidence as jsonb) from"
                " unnest(cast(:ids as uuid[]), cast(:evidence as text[])) as n(id, evidence)"
                " where f.id = n.id"
            ),
            {"ids": list(standing), "evidence": [_json(found) for found in standing.values()]},
        )


def _json(found: Found) -> str:
    return msgspec.json.encode(found.evidence).decode()


async def _restate_doubt(session: AsyncSession) -> None:
    """Tell occupancy which devices have a fault that puts in doubt what they say: all of them, each time."""
    doubted = await session.scalars(
        text(
            "select distinct device_id from device_fault where closed_at is null"
            " and condition = any(:conditions)"
        ),
        {"conditions": [condition.value for condition in rules.DOUBTING]},
    )
    await set_doubted(session, doubted.all())
