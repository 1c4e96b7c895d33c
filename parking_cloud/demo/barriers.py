"""The demo's gates over HTTP: they tell the intake who passes, ask before they open, and are paid."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec

from parking_cloud.accounts.roles import Role
from parking_cloud.demo.city import build_city
from parking_cloud.demo.payers import Payers
from parking_cloud.demo.running import Running
from parking_cloud.demo.traffic import Mishap, Payer, Traffic, Visit
from parking_cloud.devstack import write_private

_STEP_S = 1.0
_COUNTS_EVERY_S = 30.0
_BATCH = 200
_CORRECTED = timedelta(minutes=5)
"""So long after a misread plate its operator corrects it, half of the time."""


class Barriers(threading.Thread):
    """Runs beside the sensors until it is stopped; who is inside is kept over a restart."""

    def __init__(self, running: Running, home: Path, seed: int, scale: float, stop: threading.Event) -> None:
        super().__init__(name="barriers")
        self._running = running
        self._file = home / "traffic.json"
        self._scale = scale
        self._stop_asked = stop
        kept = self._kept()
        self._traffic = Traffic(build_city(), seed, kept)
        self._is_new = not kept
        self._http = httpx.Client(timeout=15, trust_env=False)
        # With a real provider nobody pays by himself.
        provider = running.provider_url
        self._payers = Payers(self._http, running.api_url, provider) if provider else None
        self._identity: dict[str, str] = {}
        self._corrections: list[tuple[datetime, dict[str, Any]]] = []

    def _kept(self) -> list[Visit]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=list[Visit])
        except (OSError, msgspec.DecodeError):
            return []

    def run(self) -> None:
        with self._http:
            counted = 0.0
            last = time.monotonic()
            if self._is_new:
                self._safely(lambda: self._enter(self._traffic.begin(datetime.now(UTC))))
            while not self._stop_asked.wait(_STEP_S):
                now = time.monotonic()
                step = timedelta(seconds=min(now - last, 60.0))
                last = now
                self._safely(partial(self._step, step))
                if now - counted >= _COUNTS_EVERY_S:
                    counted = now
                    self._safely(self._send_counts)
                write_private(self._file, msgspec.json.encode(list(self._traffic.visits.values())))

    def _safely(self, deed: Callable[[], object]) -> None:
        """A platform that is away is not the end of the traffic."""
        try:
            deed()
        except httpx.HTTPError as error:
            print(f"gates: {type(error).__name__}: {error}", file=sys.stderr, flush=True)

    def _step(self, step: timedelta) -> None:
        now = datetime.now(UTC)
        self._enter(self._traffic.arrivals(now, step, self._scale))
        for visit in self._traffic.paying(now):
            visit.paid = True
            if self._payers is not None:
                self._safely(partial(self._payers.pay_by_plate, visit.plate, visit.method))
        for visit in self._traffic.leaving(now):
            self._traffic.left(visit)
            if visit.mishap != Mishap.MISSED_EXIT:
                self._leave(visit)
        due = [row for at, row in self._corrections if at <= now]
        if due:
            self._corrections = [(at, row) for at, row in self._corrections if at > now]
            self._send("corrections", due)

    def _enter(self, visits: Sequence[Visit]) -> None:
        self._send("gate-events", [self._passage(visit, "entry", visit.entered_at) for visit in visits])

    def _leave(self, visit: Visit) -> None:
        """Ask, pay what is due where that is meant to be; the attendant lets out whom the gate does not."""
        plate, _ = self._traffic.read_plate(visit, leaving=True)
        if plate is not None:
            self._safely(partial(self._settle, visit, plate))
        at = datetime.now(UTC)
        passage = self._passage(visit, "exit", at)
        self._send("gate-events", [passage])
        if visit.mishap == Mishap.MISREAD_EXIT and visit.payer == Payer.PHONE:
            correction = {
                "record_id": f"{visit.id}-corrected",
                "corrects": passage["record_id"],
                "stated_at": (at + _CORRECTED).isoformat(),
                "plate": visit.plate,
                "reason": "车牌识别有误，人工核对",
            }
            self._corrections.append((at + _CORRECTED, correction))

    def _settle(self, visit: Visit, plate: str) -> None:
        said = self._ask(visit.facility, plate)
        if self._payers is None or visit.payer == Payer.NOBODY:
            return
        if not said["open"] and said["pay_token"]:
            self._payers.pay(said["pay_token"], visit.method)

    def _ask(self, facility: str, plate: str) -> dict[str, Any]:
        """May it go? Signs in where the platform does not know us, or not any more."""
        asked = {"facility": facility, "lane": "X1", "plate": plate, "at": datetime.now(UTC).isoformat()}
        url = f"{self._running.api_url}/v1/exits"
        answer = self._http.post(url, json=asked, headers=self._identity)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._sign_in()
            answer = self._http.post(url, json=asked, headers=self._identity)
        answer.raise_for_status()
        return dict(answer.json())

    def _sign_in(self) -> None:
        login = next(login for login in self._running.logins if login.role == Role.INTEGRATION)
        answer = self._http.post(
            f"{self._running.api_url}/v1/auth/login",
            json={"username": login.username, "password": login.password},
        )
        answer.raise_for_status()
        self._identity = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def _passage(self, visit: Visit, direction: str, at: datetime) -> dict[str, Any]:
        plate, confidence = self._traffic.read_plate(visit, leaving=direction == "exit")
        read = {"plate": plate, "plate_color": visit.color, "confidence": confidence} if plate else {}
        return {
            "record_id": f"{visit.id}-{direction}",
            "device_id": f"{visit.facility}-{direction}",
            "direction": direction,
            "lane": "E1" if direction == "entry" else "X1",
            "occurred_at": at.isoformat(),
            **read,
        }

    def _send_counts(self) -> None:
        now = datetime.now(UTC).isoformat()
        rows = [
            {"device_id": counter, "free": free, "observed_at": now}
            for counter, free in self._traffic.counts()
        ]
        self._send("observations", rows)

    def _send(self, what: str, rows: Sequence[dict[str, Any]]) -> None:
        key = self._running.api_keys["observations" if what == "observations" else "gates"]
        for start in range(0, len(rows), _BATCH):
            answer = self._http.post(
                f"{self._running.intake_url}/v1/{what}",
                json=rows[start : start + _BATCH],
                headers={"X-Api-Key": key},
            )
            if answer.status_code != 202:
                print(f"gates: {what} were refused: {answer.text[:300]}", file=sys.stderr, flush=True)
