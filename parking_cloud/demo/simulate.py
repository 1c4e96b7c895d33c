"""`parking-cloud simulate`: drives the demo city over real MQTT and HTTP until it is stopped."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from parking_cloud.demo.barriers import Barriers
from parking_cloud.demo.boards import Boards
from parking_cloud.demo.city import build_city
from parking_cloud.demo.fleet import Fleet, Published, Spoilage, batches
from parking_cloud.demo.running import NotRunning, Running, read_running

_PRIME_PER_S = 400
_PRIME_BATCH = 40
_COUNTS_EVERY_S = 30.0
"""Operators' systems in practice report free spaces every 30 s."""
_ACK_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--home", type=Path, default=Path(".local"))
    parser.add_argument("--rate-scale", type=float, default=1.0, help="times as many arrivals and departures")
    parser.add_argument("--duplicates", type=float, default=0.02, help="share of messages sent twice")
    parser.add_argument("--reorder", type=float, default=0.02, help="share of messages that come late")
    parser.add_argument("--silence", type=float, default=0.01, help="share of sensors that say nothing")
    parser.add_argument("--garbage", type=float, default=0.005, help="share of broken messages mixed in")
    parser.add_argument("--seed", type=int, default=1)


def run(args: argparse.Namespace) -> int:
    """Simulate until SIGTERM or Ctrl-C."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        running = read_running(args.home)
    except NotRunning as error:
        print(error, file=sys.stderr)
        return 1
    spoilage = Spoilage(args.duplicates, args.reorder, args.silence, args.garbage)
    simulation = Simulation(running, Fleet(build_city(), args.seed, spoilage), stop)
    barriers = Barriers(running, args.home, args.seed, args.rate_scale, stop)
    beside = [barriers, Boards(running, stop)]
    for thread in beside:
        thread.start()
    try:
        simulation.run(args.rate_scale)
    finally:
        stop.set()
        for thread in beside:
            thread.join()
    return 0


class Simulation:
    """A fleet on a running platform."""

    def __init__(self, running: Running, fleet: Fleet, stop: threading.Event) -> None:
        self._running = running
        self._fleet = fleet
        self._stop = stop
        self._mqtt = connect(running.mqtt_url, "parking-simulator")
        self._http = httpx.Client(timeout=10, trust_env=False)

    def run(self, scale: float) -> None:
        """Every sensor once, then as time goes on."""
        try:
            self._send_counts()
            self._prime()
            last, counted = time.monotonic(), time.monotonic()
            while not self._stop.wait(1.0):
                now = time.monotonic()
                step = timedelta(seconds=min(now - last, 60.0))
                last = now
                self._publish(self._fleet.advance(datetime.now(UTC), step, scale))
                if now - counted >= _COUNTS_EVERY_S:
                    counted = now
                    self._send_counts()
        finally:
            self._http.close()
            self._mqtt.disconnect()
            self._mqtt.loop_stop()

    def _prime(self) -> None:
        sent = 0
        for batch in batches(self._fleet.prime(datetime.now(UTC)), _PRIME_BATCH):
            if self._stop.wait(_PRIME_BATCH / _PRIME_PER_S):
                return
            self._publish(batch)
            sent += len(batch)
            if sent % 1000 < _PRIME_BATCH:
                print(f"{sent} of {self._fleet.sensors} sensors have spoken", flush=True)
        print("the city is awake", flush=True)

    def _publish(self, messages: Sequence[Published]) -> None:
        """Published and acknowledged by the broker; paho sends again after a reconnection."""
        waiting = [self._mqtt.publish(topic, body, qos=1) for topic, body in messages]
        for info in waiting:
            if self._stop.is_set():
                return
            try:
                info.wait_for_publish(_ACK_S)
            except (RuntimeError, ValueError) as error:
                print(f"the broker did not take a message: {error}", file=sys.stderr, flush=True)

    def _send_counts(self) -> None:
        now = datetime.now(UTC)
        rows = [
            {"device_id": counter, "free": free, "observed_at": now.isoformat()}
            for counter, free in self._fleet.counts(now)
        ]
        try:
            answer = self._http.post(
                f"{self._running.intake_url}/v1/observations",
                json=rows,
                headers={"X-Api-Key": self._running.api_keys["observations"]},
            )
            if answer.status_code != 202:
                print(f"counts were refused: {answer.text[:300]}", file=sys.stderr, flush=True)
        except httpx.HTTPError as error:
            print(f"counts could not be sent: {error}", file=sys.stderr, flush=True)


def connect(url: str, client_id: str) -> paho.Client:
    """A connected MQTT client with its network thread running."""
    parts = urlsplit(url)
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv5)
    if parts.username:
        client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
    client.max_inflight_messages_set(1000)
    client.connect(parts.hostname or "127.0.0.1", parts.port or 1883, keepalive=30)
    client.loop_start()
    return client
