"""NB-IoT: uplinks that an operator's platform pushes by HTTP, in one signed form of our own.

The platforms differ in form and trust: OneNET signs with MD5 over a token, CTWing names its fields otherwise.
What receives their pushes (docs/integrators.md has both fields by field) passes them on in this form:

    {"imei": "862592051651472", "time": "2026-11-20T12:00:00+08:00", "port": 3, "data": "gAAy…"}

The signature is an HMAC-SHA-256 over timestamp, nonce and body. Its key is the SHA-256 of the source's API
key, as hex: all that the directory knows of the key. So the API key itself is never sent; but who reads that
digest could sign, which is why only sources with the scope SCOPE are taken by their signature.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Annotated

import msgspec

from sensor_gateway.networks.base import UNREADABLE, Counter, MalformedMessage, Port, Uplink, aware

SCOPE = "signed-uplinks"
WINDOW_S = 300
"""A signature is good for so long before and after its timestamp."""


class _Report(msgspec.Struct):
    imei: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{15}\Z")]
    time: datetime
    """When the platform took it; the same each time that it pushes it."""
    port: Port
    """Which of the model's messages it is, as by LoRaWAN's fPort."""
    data: bytes
    sequence: Counter = 0


_decoder = msgspec.json.Decoder(_Report)


def parse(body: bytes) -> Uplink:
    """A report. Raises MalformedMessage."""
    try:
        report = _decoder.decode(body)
    except UNREADABLE as error:
        raise MalformedMessage(str(error)) from error
    time = aware(report.time)
    # NB-IoT has no session address, and few devices count. The platform's time takes its place: it tells
    # reports of the same content apart, and a report that is pushed twice is still the same.
    session = f"@{time.timestamp():.3f}"
    return Uplink(report.imei, report.port, report.sequence, report.data, time, session)


def signature(key_hash: str, timestamp: str, nonce: str, body: bytes) -> str:
    """The signature of a push, as hex, under the SHA-256 (hex) of an API key."""
    return hmac.digest(key_hash.encode(), f"{timestamp}.{nonce}.".encode() + body, "sha256").hex()
