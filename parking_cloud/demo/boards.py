"""The demo's guidance boards: on three levels, fed by polling or by MQTT; and one that never asks."""

from __future__ import annotations

import hmac
import sys
import threading
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.demo.running import Running
from parking_cloud.guidance.signs.rules import Arrow, Level, Shows, Way
from parking_cloud.guidance.signs.schemas import NewSign, RowIn
from parking_cloud.guidance.signs.service import SignExists, register
from parking_cloud.registry.schemas import RegistryBatch

_EVERY_S = 10.0
BROKEN = "HZ-E04"
"""Nobody has connected it: operations see its fault."""


def _row(label: str, arrow: Arrow, *facilities: str, district: str | None = None, **more: Any) -> RowIn:
    return RowIn(label=label, arrow=arrow, facilities=list(facilities), district=district, **more)


_LEFT, _AHEAD, _RIGHT, _NONE = Arrow.LEFT, Arrow.STRAIGHT, Arrow.RIGHT, Arrow.NONE
_OLD_TOWN = ("wx-public-041", "wx-public-042", "wx-public-047", "wx-public-048")
_NANXUN = ("nx-public-019", "nx-public-020", "nx-public-021")


def _board(code: str, name: str, lat: float, lon: float, *rows: RowIn, **more: Any) -> NewSign:
    level = {"A": Level.AREA, "R": Level.ROAD, "E": Level.ENTRANCE}[code[3]]
    return NewSign(code=code, name=f"{name}（演示）", level=level, lat=lat, lon=lon, rows=list(rows), **more)


BOARDS = (
    _board(
        "HZ-A01",
        "湖州东入城口",
        30.8702,
        120.1302,
        _row("老城区", _AHEAD, *_OLD_TOWN),
        _row("吴兴区", _NONE, district="吴兴区"),
        _row("东站换乘", _LEFT, "wx-pr-056"),
        facing=90,
        columns=24,
        full_below=20,
        open_again_at=30,
    ),
    _board(
        "HZ-A02",
        "湖州站前",
        30.8738,
        120.0321,
        _row("站东广场", _RIGHT, "wx-public-050"),
        _row("换乘停车场", _AHEAD, "wx-pr-055"),
        _row("吴兴区", _NONE, district="吴兴区"),
        facing=200,
        columns=24,
        way=Way.MQTT,
    ),
    _board(
        "NX-A01",
        "南浔古镇西入口",
        30.8731,
        120.3902,
        _row("古镇停车场", _AHEAD, *_NANXUN),
        _row("南浔区", _NONE, district="南浔区"),
        facing=270,
        full_below=20,
        open_again_at=30,
    ),
    _board(
        "HZ-R01",
        "红旗路凤凰路口",
        30.8648,
        120.0988,
        _row("爱山广场", _LEFT, "wx-public-041"),
        _row("莲花庄", _AHEAD, "wx-public-048"),
        _row("衣裳街", _RIGHT, "wx-public-042"),
        facing=180,
    ),
    _board(
        "HZ-R02",
        "人民路飞英路口",
        30.8741,
        120.1009,
        _row("飞英公园", _LEFT, "wx-public-047"),
        _row("人民路泊位", _AHEAD, "wx-street-028"),
        _row("项王公园", _RIGHT, "wx-public-046"),
        facing=0,
    ),
    _board(
        "HZ-R03",
        "龙王山路口",
        30.8836,
        120.0958,
        _row("潜山公园", _AHEAD, "wx-public-054"),
        _row("仁皇山公园", _LEFT, "wx-public-049", shows=Shows.STATE),
        facing=160,
        way=Way.MQTT,
    ),
    _board(
        "HZ-E01",
        "爱山广场停车库入口",
        30.8665,
        120.0971,
        _row("空位", _NONE, "wx-public-041"),
        columns=12,
        digits=3,
        facing=90,
    ),
    _board(
        "HZ-E02",
        "湖州银泰城停车库入口",
        30.8745,
        120.1192,
        _row("空位", _NONE, "wx-anc-043"),
        columns=12,
        digits=3,
        way=Way.MQTT,
    ),
    _board(
        "HZ-E03",
        "飞英公园停车场入口",
        30.8753,
        120.0971,
        _row("飞英公园", _AHEAD, "wx-public-047", shows=Shows.STATE),
        columns=16,
        facing=0,
    ),
    _board(
        BROKEN,
        "衣裳街停车库入口",
        30.8651,
        120.1017,
        _row("空位", _NONE, "wx-public-042"),
        columns=12,
        digits=3,
        facing=270,
    ),
)


def key_of(seed: str, code: str) -> str:
    """A demo board's key: each its own, all from what the launcher made up."""
    return hmac.digest(seed.encode(), code.encode(), "sha256").hex()


async def ensure_boards(session: AsyncSession, city: RegistryBatch, seed: str, now: datetime) -> None:
    """The boards that are not there yet, of those whose facilities the city has."""
    codes = {facility.code for facility in city.facilities}
    for board in BOARDS:
        if not codes.issuperset(code for row in board.rows for code in row.facilities):
            continue
        try:
            await register(session, None, board, now, key=key_of(seed, board.code), synthetic=True)
        except SignExists:
            continue


class Boards(threading.Thread):
    """All boards but the broken one, until they are stopped: they fetch, or acknowledge what is pushed."""

    def __init__(self, running: Running, stop: threading.Event) -> None:
        super().__init__(name="boards")
        self._running = running
        self._stop_asked = stop
        self._polled = [b.code for b in BOARDS if b.way is Way.POLL and b.code != BROKEN]
        self._tags: dict[str, str] = {}

    def run(self) -> None:
        pushed = self._connect()
        try:
            with httpx.Client(timeout=10, trust_env=False, base_url=self._running.api_url) as http:
                while True:
                    self._poll(http)
                    if self._stop_asked.wait(_EVERY_S):
                        return
        finally:
            pushed.disconnect()
            pushed.loop_stop()

    def _poll(self, http: httpx.Client) -> None:
        for code in self._polled:
            headers = {"X-Sign-Key": key_of(self._running.signs_key, code)}
            if code in self._tags:
                headers["If-None-Match"] = self._tags[code]
            try:
                answer = http.get(f"/v1/signs/{code}", headers=headers)
            except httpx.HTTPError as error:
                print(f"boards: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                return
            self._tags[code] = answer.headers.get("ETag", "")

    def _connect(self) -> paho.Client:
        parts = urlsplit(self._running.mqtt_url)
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="parking-demo-boards")
        if parts.username:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        client.on_connect = self._subscribe
        client.on_message = self._acknowledge
        client.connect_async(parts.hostname or "127.0.0.1", parts.port or 1883)
        client.loop_start()
        return client

    @staticmethod
    def _subscribe(client: paho.Client, *_: Any) -> None:
        for board in BOARDS:
            if board.way is Way.MQTT:
                client.subscribe(f"parking/signs/{board.code}", qos=1)

    @staticmethod
    def _acknowledge(client: paho.Client, _: Any, message: paho.MQTTMessage) -> None:
        if message.payload:
            version = msgspec.json.decode(message.payload)["version"]
            client.publish(f"{message.topic}/ack", msgspec.json.encode({"version": version}), qos=1)
