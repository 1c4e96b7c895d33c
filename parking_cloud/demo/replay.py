"""`parking-cloud replay FILE`: a recorded file of free spaces, sent through the HTTP intake.

FILE is a wide CSV (may be .gz): `timestamp`, then one column per facility with the free spaces last
reported in that interval; blank means unchanged. A second CSV lists the facilities.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gzip
import io
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec

from parking_cloud.demo.running import NotRunning, Running, read_running
from parking_cloud.kernel.db import make_engine, make_sessions, transaction
from parking_cloud.kernel.settings import Settings
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import DeviceIn, FacilityIn, OperatorIn, RegistryBatch

_LONGEST = timedelta(days=29)
"""The intake refuses what is older than 30 days."""
_BATCH = 1_000
_LEARNED_S = 30.0
_SHOWN_S = 60.0

Reports = list[tuple[datetime, dict[str, int]]]
"""(timestamp, code → free) in time order"""


class ReplayError(ValueError):
    """The file or the range cannot be used; the message says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path)
    parser.add_argument("--facilities", type=Path, help="facilities CSV (car_parks.csv beside FILE)")
    parser.add_argument("--speed", type=float, default=1.0, help="times as fast as it was recorded")
    parser.add_argument("--day", help="only this day (UTC), YYYY-MM-DD")
    parser.add_argument("--from", dest="since", help="from this time, ISO 8601")
    parser.add_argument("--until", help="up to this time, ISO 8601, not included")
    parser.add_argument("--home", type=Path, default=Path(".local"))


def run(args: argparse.Namespace) -> int:
    """Replay, then check that the API shows the file's last known values; 0 where all agree."""
    try:
        running = read_running(args.home)
        facilities = read_facilities(args.facilities or args.file.with_name("car_parks.csv"))
        reports, skipped = read_reports(args.file)
        before, reports = choose(reports, *_range(args))
        unlisted = {code for _, row in before + reports for code in row} - {f.code for f in facilities}
        if unlisted:
            raise ReplayError(f"the facilities file does not list {', '.join(sorted(unlisted)[:5])}")
        if args.speed <= 0:
            raise ReplayError("--speed must be above 0")
    except (ReplayError, NotRunning, OSError) as error:
        print(f"replay: {error}", file=sys.stderr)
        return 2
    if skipped:
        print(f"{skipped} cells or rows could not be read and were skipped", file=sys.stderr)
    asyncio.run(_register(running, facilities))
    with httpx.Client(timeout=30, trust_env=False) as client:
        _send(client, running, before, reports, args.speed)
        return _compare(client, running, last_known(before + reports))


def code_of(place_id: str) -> str:
    """A place id as a facility code: other characters than the registry takes become '-'."""
    return re.sub(r"[^A-Za-z0-9._:-]", "-", place_id)[:64]


def read_facilities(path: Path) -> list[FacilityIn]:
    """place_id, name, city, capacity, latitude, longitude; positions may be missing. Raises ReplayError."""
    with _open_text(path) as text:
        rows = list(csv.DictReader(text))
    try:
        return [
            FacilityIn(
                code=code_of(row["place_id"]),
                name=row.get("name") or row["place_id"],
                kind="public_offstreet",
                counting="counter",
                district=row.get("city") or "",
                capacity=int(float(row["capacity"])),
                lat=float(row["latitude"]) if row.get("latitude") else None,
                lon=float(row["longitude"]) if row.get("longitude") else None,
                operator_code="replay",
            )
            for row in rows
        ]
    except (KeyError, ValueError) as error:
        raise ReplayError(f"{path} is not a facilities file: {error}") from error


def read_reports(path: Path) -> tuple[Reports, int]:
    """The file's reports, and how many cells or rows could not be read. Raises ReplayError."""
    reports: Reports = []
    skipped = 0
    with _open_text(path) as text:
        reader = csv.reader(text)
        header = next(reader, [])
        if len(header) < 2:
            raise ReplayError(f"{path} has no facility columns")
        codes = [code_of(name) for name in header[1:]]
        for cells in reader:
            try:
                at = _moment(cells[0])
            except (IndexError, ValueError):
                skipped += 1
                continue
            row: dict[str, int] = {}
            for code, cell in zip(codes, cells[1:], strict=False):
                if cell.strip():
                    try:
                        row[code] = int(float(cell))
                    except (ValueError, OverflowError):
                        skipped += 1
            reports.append((at, row))
    return sorted(reports, key=lambda report: report[0]), skipped


def choose(reports: Reports, since: datetime | None, until: datetime | None) -> tuple[Reports, Reports]:
    """(what was last known of each facility before, the reports in since <= t < until).

    Without a range a file longer than the intake takes gives its last day. Raises ReplayError where the
    range holds none, or is too long.
    """
    if not reports:
        raise ReplayError("the file has no reports")
    if since is None and until is None and reports[-1][0] - reports[0][0] > _LONGEST:
        since = reports[-1][0] - timedelta(days=1) + timedelta(microseconds=1)
        print(f"the file is longer than {_LONGEST.days} days: replaying its last day, from {since:%F %T}")
    chosen = [r for r in reports if (since is None or r[0] >= since) and (until is None or r[0] < until)]
    if not chosen:
        raise ReplayError("the file has no reports in that range")
    if chosen[-1][0] - chosen[0][0] > _LONGEST:
        raise ReplayError(
            f"the range is longer than {_LONGEST.days} days; choose --day, or --from and --until"
        )
    return _known_before(reports, chosen), chosen


def _known_before(reports: Reports, chosen: Reports) -> Reports:
    """The newest earlier value of each facility that the intake would still take, at its own time."""
    newest: dict[str, tuple[datetime, int]] = {}
    for at, row in reports:
        if at >= chosen[0][0]:
            break
        if chosen[-1][0] - at <= _LONGEST:
            newest.update({code: (at, free) for code, free in row.items()})
    known = [(at, {code: free}) for code, (at, free) in newest.items()]
    return sorted(known, key=lambda report: report[0])


def last_known(reports: Reports) -> dict[str, int]:
    """code → the last value reported."""
    known: dict[str, int] = {}
    for _, row in reports:
        known.update(row)
    return known


def shifted(
    before: Reports, reports: Reports, start: datetime, speed: float
) -> Iterator[tuple[float, datetime, dict[str, int]]]:
    """(seconds after `start` to send at, time to give it, values); what was known before goes first.

    Times are moved so that the last report falls on the end of the replay: never ahead of the clock, and
    as recent as can be, because the intake refuses what is old.
    """
    first, last = reports[0][0], reports[-1][0]
    end = start + (last - first) / speed
    for at, row in before:
        yield 0.0, end - (last - at), row
    for at, row in reports:
        yield (at - first).total_seconds() / speed, end - (last - at), row


def _range(args: argparse.Namespace) -> tuple[datetime | None, datetime | None]:
    try:
        if args.day:
            day = _moment(args.day)
            return day, day + timedelta(days=1)
        return (
            _moment(args.since) if args.since else None,
            _moment(args.until) if args.until else None,
        )
    except ValueError as error:
        raise ReplayError(f"a time cannot be read: {error}") from error


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _open_text(path: Path) -> io.TextIOBase:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


async def _register(running: Running, facilities: list[FacilityIn]) -> None:
    """The facilities and a counter for each; doing it again changes nothing."""
    settings = Settings(
        database_url=running.database_url, redis_url=running.redis_url, secret_key="not used here" * 4
    )
    engine = make_engine(settings)
    devices = [
        DeviceIn(
            external_id=f"{facility.code[:56]}-counter",
            vendor="generic",
            model="counter",
            source="observations",
            facility_code=facility.code,
        )
        for facility in facilities
    ]
    batch = RegistryBatch(
        operators=[OperatorIn(code="replay", name="历史数据回放")], facilities=facilities, devices=devices
    )
    async with transaction(make_sessions(engine)) as session:
        await import_batch(session, batch)
    await engine.dispose()


def _send(client: httpx.Client, running: Running, before: Reports, reports: Reports, speed: float) -> None:
    started, sent = time.monotonic(), 0
    waiting: list[dict[str, Any]] = []
    shown = started
    for offset, at, row in shifted(before, reports, datetime.now(UTC), speed):
        wait = started + offset - time.monotonic()
        if (wait > 0 or len(waiting) + len(row) > _BATCH) and waiting:
            sent += _post(client, running, waiting)
            waiting = []
        if wait > 0:
            time.sleep(wait)
        waiting += [
            {"device_id": f"{code[:56]}-counter", "free": free, "observed_at": at.isoformat()}
            for code, free in row.items()
        ]
        if time.monotonic() - shown > 1:
            shown = time.monotonic()
            print(f"\r{sent} reports sent, {at:%F %H:%M} UTC", end="", flush=True)
    if waiting:
        sent += _post(client, running, waiting)
    print(f"\r{sent} reports sent in {time.monotonic() - started:.1f} s")


def _post(client: httpx.Client, running: Running, rows: list[dict[str, Any]]) -> int:
    """Send rows; new devices become known to the gateway within moments, which is waited for."""
    until = time.monotonic() + _LEARNED_S
    while True:
        try:
            answer = client.post(
                f"{running.intake_url}/v1/observations",
                content=msgspec.json.encode(rows),
                headers={"X-Api-Key": running.api_keys["observations"], "Content-Type": "application/json"},
            )
        except httpx.TransportError as error:
            answer = httpx.Response(503, text=str(error))
        if answer.status_code == 202:
            return len(rows)
        if answer.status_code not in (404, 503) or time.monotonic() > until:
            raise SystemExit(f"replay: the intake refused the reports: {answer.text[:500]}")
        time.sleep(0.3)


def _compare(client: httpx.Client, running: Running, expected: dict[str, int]) -> int:
    """Wait until the API's counts equal the file's last known values; 0 where all do."""
    until = time.monotonic() + _SHOWN_S
    while True:
        shown = _reported(client, running, expected)
        differing = {code: free for code, free in expected.items() if shown.get(code) != free}
        if not differing or time.monotonic() > until:
            break
        time.sleep(0.3)
    print(f"{len(expected) - len(differing)} of {len(expected)} facilities show the file's last known value")
    for code, free in sorted(differing.items())[:10]:
        print(f"  {code}: the file says {free}, the API {shown.get(code)}", file=sys.stderr)
    return 1 if differing else 0


def _reported(client: httpx.Client, running: Running, codes: dict[str, int]) -> dict[str, int | None]:
    return {
        code: client.get(f"{running.api_url}/v1/facilities/{code}").json().get("reported_free")
        for code in codes
    }
