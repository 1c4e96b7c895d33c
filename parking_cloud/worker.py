"""The worker process: projects what the gateway published, relays the outbox, rebuilds the directory."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import httpx
import psycopg
import structlog
import uvloop
from prometheus_client import Counter, start_http_server
from redis.asyncio import Redis
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud import following, metrics
from parking_cloud.accounts import events as account_events
from parking_cloud.accounts import licences, proofs
from parking_cloud.accounts.sessions import forget_old as forget_old_sessions
from parking_cloud.arrears.cases import advance
from parking_cloud.arrears.objections import escalate
from parking_cloud.gates import events as gate_events
from parking_cloud.gates.allow_list import forget_over
from parking_cloud.gates.allow_list_push import ListDesk
from parking_cloud.gates.projector import project_records
from parking_cloud.gates.reconciliation import reconcile_all
from parking_cloud.guidance.signs.jobs import judge_signs, remember_full
from parking_cloud.guidance.signs.pushing import SignPublisher
from parking_cloud.kernel import outbox
from parking_cloud.kernel.clock import SystemClock
from parking_cloud.kernel.db import make_engine, make_sessions, only_one, transaction
from parking_cloud.kernel.idempotency import forget_old
from parking_cloud.kernel.logs import configure_logging
from parking_cloud.kernel.settings import Settings, load_settings
from parking_cloud.notices.events import tell_of_vehicles
from parking_cloud.occupancy.certainty import refresh_certainty
from parking_cloud.occupancy.clocks import ClockWatch
from parking_cloud.occupancy.counting import FACILITY_COUNTED
from parking_cloud.occupancy.events import FACILITY_CHANGED, publish_changes, tell_relayed
from parking_cloud.occupancy.history import ensure_partitions
from parking_cloud.occupancy.profiling import refresh_profiles
from parking_cloud.occupancy.projector import Projected, forget_silent_spaces, project, settle_spaces
from parking_cloud.occupancy.series import drop_old, sample
from parking_cloud.operations.events import (
    DEVICE_FAULT,
    SIGN_FAULT,
    SOURCE_HEALTH,
    publish_faults,
    publish_sign_faults,
    publish_source_health,
)
from parking_cloud.operations.jobs import judge_devices, judge_silence
from parking_cloud.operations.sources import Received, SourceEar, judge_sources
from parking_cloud.payments.desk import Desk
from parking_cloud.payments.events import note_stays
from parking_cloud.payments.permit_sales import lapse_unpaid
from parking_cloud.payments.providers import make_providers
from parking_cloud.projection import Done, Projection, StreamProjector, insistently
from parking_cloud.ratings.ranking import make_due, renew_standing
from parking_cloud.ratings.scoring import nightly
from parking_cloud.registry.events import DEVICES_CHANGED, publish_devices, rebuild_directory
from parking_cloud.settlement.items import gather
from parking_cloud.sharing import paying as paid_bookings
from parking_cloud.sharing.looking import forget_old_looks, look_at_open_spaces
from parking_cloud.sharing.moving import move_endangered
from parking_cloud.sharing.overstay import look_at_ends
from parking_cloud.sharing.unconfirmed import tell_unconfirmed
from parking_cloud.sharing.use import publish_months
from parking_cloud.sharing.use_rules import LOOKED_EVERY
from parking_cloud.stays import listening as stays
from parking_cloud.stays.events import STAY_CHANGED
from parking_cloud.stays.jobs import lapse_unproved, look_at_long_stays
from parking_cloud.stays.push import push_due
from parking_cloud.stays.spaces import end_counted_out, end_freed, place_sightings
from sensor_gateway.directory import DEVICES_HASH, SOURCES_HASH
from sensor_gateway.observation import BODY_FIELD, Observation, decode, streams
from sensor_gateway.records import RECORDS_FIELD, Record, decode_records, record_streams
from sensor_gateway.sealing import PlateVault
from sensor_gateway.streams import connect

R = TypeVar("R", bound=Received)
Project = Callable[[AsyncSession, Sequence[R], int], Awaitable[Done]]
Job = Callable[[AsyncSession, datetime], Awaitable[object]]
JOBS: list[tuple[str, float, Job]] = [
    ("reconcile", 600, reconcile_all),
    ("silent spaces", 60, forget_silent_spaces),
    ("silence", 300, judge_silence),
    ("device health", 3600, judge_devices),
    ("sources", 60, judge_sources),
    ("arrears", 60, advance),
    ("objections", 3600, escalate),
    ("permits not paid", 300, lapse_unpaid),
    ("bookings not paid", 15, paid_bookings.lapse_unpaid),
    ("bookings over", 30, paid_bookings.end_over),
    ("settlement items", 600, gather),
    ("old answers", 3600, forget_old),
    ("old sign-ins", 3600, forget_old_sessions),
    ("old licence photos", 3600, licences.forget_old),
    ("old proofs", 86_400, proofs.forget_old),
    ("long stays", 600, look_at_long_stays),
    ("sightings beside spaces", 10, place_sightings),
    ("spaces fallen free", 10, end_freed),
    ("counted empty", 300, end_counted_out),
    ("passes that are over", 3600, forget_over),
    ("gates that have not confirmed", 5, tell_unconfirmed),
    ("booked times that end", 30, look_at_ends),
    ("booked spaces not left", 30, move_endangered),
    ("open spaces looked at", LOOKED_EVERY.total_seconds(), look_at_open_spaces),
    ("old looks", 86_400, forget_old_looks),
    ("sharing months", 3600, publish_months),
    ("full boards", 2, remember_full),
    ("silent boards", 30, judge_signs),
    ("occupancy profiles", 60, refresh_profiles),
    ("scores", 900, nightly),
    ("rankings", 3600, make_due),
    ("standing", 900, renew_standing),
]
"""Name, seconds between two runs, and what is done."""
_LATER = {"sources": 60.0}
"""Jobs that wait so long at a start: what came while no worker ran has to be taken in first."""

_PASSING = ("08", "40", "53300", "57P")
"""How the SQLSTATEs begin of what passes: connection lost, deadlock, too many clients, shutting down."""

FAILED = Counter("parking_job_failures", "Runs of regular jobs that ended in an error", ["job"])

ALIVE_KEY = "parking:worker:alive"
_ALIVE_S = 10
_SETTLE_S = 1.0
_PUSH_S = 2.0
_PUSH_LISTS_S = 0.2
_RELAY_PAUSE_S = 0.05
"""Between two relays: under load each touches every facility, and no page needs more numbers a second."""

OUTBOX_HANDLERS: dict[str, outbox.Handler] = {
    FACILITY_CHANGED: publish_changes,
    DEVICES_CHANGED: publish_devices,
    account_events.SOURCE_CHANGED: account_events.publish_sources,
    account_events.VEHICLE_CHANGED: tell_of_vehicles,
    FACILITY_COUNTED: gate_events.recount,
    DEVICE_FAULT: publish_faults,
    SOURCE_HEALTH: publish_source_health,
    SIGN_FAULT: publish_sign_faults,
    STAY_CHANGED: note_stays,
    **following.NOTED,
}

log = structlog.get_logger("worker")


def passes(error: Exception) -> bool:
    """True where PostgreSQL is away or gave the transaction up: the same again may go well.

    A statement that is wrong, or data that do not fit, stay so however often they are tried.
    """
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg.OperationalError):
        return cause.sqlstate is None or cause.sqlstate.startswith(_PASSING)
    return isinstance(cause, OSError)


class Worker:
    """One worker: a loop per stream for projection, one for the outbox, one for upkeep."""

    def __init__(
        self,
        settings: Settings,
        sessions: async_sessionmaker[AsyncSession],
        redis: Redis,
        name: str = "",
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._redis = redis
        self._name = name or socket.gethostname()
        self._clocks = ClockWatch()
        self._ear = SourceEar()
        self._wake_relay = asyncio.Event()
        self._vault = PlateVault(settings.plate_key) if settings.plate_key else None
        self._handlers = OUTBOX_HANDLERS | stays.handlers(self._vault, SystemClock())
        self._projectors: list[StreamProjector[Any]] = [
            StreamProjector(projection, shard, sessions, redis, self._name)
            for projection in (self._observations(), self._records())
            for shard in range(len(projection.streams))
        ]

    def _observations(self) -> Projection[Observation]:
        return Projection(
            streams=streams(self._settings.stream_shards),
            field=BODY_FIELD,
            decode=decode,
            project=self._listening(project),
            committed=self._observations_committed,
            batch=self._settings.projector_batch,
            block_ms=self._settings.projector_block_ms,
        )

    def _records(self) -> Projection[Record]:
        return Projection(
            streams=record_streams(self._settings.stream_shards),
            field=RECORDS_FIELD,
            decode=decode_records,
            project=self._listening(project_records),
            committed=lambda _: self._wake_relay.set(),
            batch=self._settings.projector_batch,
            block_ms=self._settings.projector_block_ms,
        )

    def _listening(self, project: Project[R]) -> Project[R]:
        """`project`, with an ear for whose words these are: they arrived, whatever becomes of them."""

        async def listen(session: AsyncSession, received: Sequence[R], shard: int) -> Done:
            self._ear.note(received)
            return await project(session, received, shard)

        return listen

    def _observations_committed(self, done: Projected) -> None:
        metrics.note(done, datetime.now(UTC))
        self._clocks.note(done.fresh)
        if done.facilities:
            self._wake_relay.set()

    async def run(self) -> None:
        """Work until cancelled."""
        await insistently(self._prepare)
        async with asyncio.TaskGroup() as group:
            for projector in self._projectors:
                group.create_task(projector.run())
            group.create_task(self._settle())
            group.create_task(self._relay_outbox())
            group.create_task(self._upkeep())
            group.create_task(self._carry_out_payments())
            group.create_task(self._push_corrections())
            if self._settings.mqtt_url:
                group.create_task(SignPublisher(self._settings.mqtt_url, self._sessions).run())
            group.create_task(self._push_allow_lists())
            stale_after = timedelta(seconds=self._settings.stale_after_s)
            sure: Job = partial(refresh_certainty, stale_after=stale_after)
            lapse: Job = partial(lapse_unproved, vault=self._vault)
            sampled: Job = partial(sample, stale_after=stale_after)
            old: Job = partial(drop_old, days=self._settings.series_days)
            for name, every_s, job in [
                *JOBS,
                ("certainty", 20, sure),
                ("stays not proved", 600, lapse),
                ("occupancy series", 30, sampled),
                ("old series", 86_400, old),
            ]:
                group.create_task(self._repeat(name, every_s, job))

    async def _prepare(self) -> None:
        for projector in self._projectors:
            await projector.ensure_group()
        await self._rebuild_directory_if_lost()

    async def _repeat(self, name: str, every_s: float, job: Job) -> None:
        """Do a job now and then again, in a transaction of its own, by one worker at a time."""
        await asyncio.sleep(_LATER.get(name, 0))
        while True:
            await insistently(partial(self._do, name, job))
            await asyncio.sleep(every_s)

    async def _do(self, name: str, job: Job) -> None:
        """One run. Where it fails it is counted and told, and the next run tries again: all else goes on.

        Raises only what passes, such as a lost connection.
        """
        try:
            async with transaction(self._sessions) as session:
                if await only_one(session, name):
                    with metrics.JOBS.labels(name).time():
                        await job(session, datetime.now(UTC))
        except Exception as error:
            if passes(error):
                raise
            FAILED.labels(name).inc()
            log.exception("a job failed", job=name)
        self._wake_relay.set()

    async def _settle(self) -> None:
        """Every second: show the changes that have lasted their hold-off, and write what sources did."""
        while True:
            await insistently(self._settle_now)
            await asyncio.sleep(_SETTLE_S)

    async def _settle_now(self) -> None:
        async with transaction(self._sessions) as session:
            if await settle_spaces(session, datetime.now(UTC)):
                self._wake_relay.set()
        async with transaction(self._sessions) as session:
            await self._clocks.flush(session)
            await self._ear.flush(session)

    async def _relay_outbox(self) -> None:
        """At once after a batch, and every half second for what other processes wrote."""
        while True:
            self._wake_relay.clear()
            await insistently(self._relay_all)
            await asyncio.sleep(_RELAY_PAUSE_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake_relay.wait(), 0.5)

    async def _relay_all(self) -> None:
        passed_on = outbox.MOST_AT_ONCE
        while passed_on == outbox.MOST_AT_ONCE:
            began = datetime.now(UTC)
            async with transaction(self._sessions) as session:
                passed_on = await outbox.relay(session, self._redis, self._handlers)
        await tell_relayed(self._redis, began)

    async def _push_corrections(self) -> None:
        """Tell operators' own systems what was corrected here."""
        async with httpx.AsyncClient(follow_redirects=False) as client:
            while True:
                await insistently(partial(self._push_due, client))
                await asyncio.sleep(_PUSH_S)

    async def _push_due(self, client: httpx.AsyncClient) -> None:
        await push_due(self._sessions, client, self._settings, self._vault, datetime.now(UTC))

    async def _push_allow_lists(self) -> None:
        """Tell gates whom they let in: somebody may stand before one already."""
        async with httpx.AsyncClient(follow_redirects=False) as client:
            desk = ListDesk(self._sessions, client, self._settings, self._vault, SystemClock())
            while True:
                await insistently(desk.start_due)
                await asyncio.sleep(_PUSH_LISTS_S)

    async def _carry_out_payments(self) -> None:
        """Do at the payment providers what was decided here, and what follows from what they say."""
        providers = make_providers(self._settings)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(Desk(self._sessions, providers, SystemClock()).run())
                group.create_task(following.work(self._settings, self._sessions, providers))
        finally:
            for provider in providers.values():
                await provider.close()

    async def _upkeep(self) -> None:
        while True:
            await insistently(self._stay_alive)
            await asyncio.sleep(_ALIVE_S / 3)

    async def _stay_alive(self) -> None:
        await self._redis.set(ALIVE_KEY, self._name, ex=_ALIVE_S)
        today = datetime.now(UTC).date()
        async with transaction(self._sessions) as session:
            await ensure_partitions(session, {today, today + timedelta(days=1)})
        for projector in self._projectors:
            await projector.upkeep()
        await self._rebuild_directory_if_lost()

    async def _rebuild_directory_if_lost(self) -> None:
        if await self._redis.exists(DEVICES_HASH) and await self._redis.exists(SOURCES_HASH):
            return
        async with transaction(self._sessions) as session:
            devices = await rebuild_directory(session, self._redis)
            await account_events.publish_all_sources(session, self._redis)
        log.info("directory rebuilt", devices=devices)


async def serve(settings: Settings) -> None:
    """Run one worker until SIGTERM or SIGINT."""
    engine = make_engine(settings)
    redis = connect(settings.redis_url)
    task = asyncio.create_task(Worker(settings, make_sessions(engine), redis).run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        log.info("worker stopped")
    finally:
        await redis.aclose()
        await engine.dispose()


def main() -> None:
    """Entry: `python -m parking_cloud.worker`."""
    settings = load_settings()
    configure_logging(settings.log_level)
    if settings.worker_metrics_port:
        start_http_server(settings.worker_metrics_port, addr="127.0.0.1")
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
