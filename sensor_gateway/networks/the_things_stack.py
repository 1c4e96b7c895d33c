"""The Things Stack v3: JSON uplink messages, by MQTT and by webhook. Empty fields are left out of it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from sensor_gateway.networks.base import UNREADABLE, Counter, MalformedMessage, Port, Uplink, aware

TOPIC = "v3/+/devices/+/up"


class _Ids(msgspec.Struct):
    dev_eui: str
    dev_addr: str = ""


class _UplinkMessage(msgspec.Struct):
    f_port: Port = 0
    f_cnt: Counter = 0
    frm_payload: bytes = b""
    received_at: datetime | None = None


class _Message(msgspec.Struct):
    end_device_ids: _Ids
    uplink_message: _UplinkMessage
    received_at: datetime | None = None


_decoder = msgspec.json.Decoder(_Message)


def parse(body: bytes) -> Uplink:
    """An uplink message. Raises MalformedMessage."""
    try:
        message = _decoder.decode(body)
    except UNREADABLE as error:
        raise MalformedMessage(str(error)) from error
    uplink = message.uplink_message
    time = aware(uplink.received_at or message.received_at)
    ids = message.end_device_ids
    return Uplink(ids.dev_eui, uplink.f_port, uplink.f_cnt, uplink.frm_payload, time, ids.dev_addr.lower())
