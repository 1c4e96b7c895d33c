"""ChirpStack v4: JSON uplink events, by MQTT and by HTTP."""

from __future__ import annotations

from datetime import datetime

import msgspec

from sensor_gateway.networks.base import UNREADABLE, Counter, MalformedMessage, Port, Uplink, aware

TOPIC = "application/+/device/+/event/up"


class _DeviceInfo(msgspec.Struct, rename="camel"):
    dev_eui: str


class _Event(msgspec.Struct, rename="camel"):
    """The parts we use. ChirpStack's JSON leaves out what is at its default: 0, false, empty."""

    device_info: _DeviceInfo
    time: datetime
    f_cnt: Counter = 0
    f_port: Port = 0
    data: bytes = b""
    dev_addr: str = ""


_decoder = msgspec.json.Decoder(_Event)


def parse(body: bytes) -> Uplink:
    """An `up` event. Raises MalformedMessage."""
    try:
        event = _decoder.decode(body)
    except UNREADABLE as error:
        raise MalformedMessage(str(error)) from error
    return Uplink(
        event.device_info.dev_eui,
        event.f_port,
        event.f_cnt,
        event.data,
        aware(event.time),
        event.dev_addr.lower(),
    )
