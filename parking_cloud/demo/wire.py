"""Payloads in the JSON that ChirpStack v4 and The Things Stack v3 publish, with their topics. Pure."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgspec

_APPLICATION = "9f3c1c1e-6d4b-4c7e-9a53-0f4f2a3f7a10"


def uplink(
    network: str, dev_eui: str, f_cnt: int, f_port: int, data: bytes, at: datetime
) -> tuple[str, bytes]:
    """(topic, body) of an uplink by the network's name."""
    make = things_stack_uplink if network == "the-things-stack" else chirpstack_uplink
    return make(dev_eui, f_cnt, f_port, data, at)


def chirpstack_uplink(dev_eui: str, f_cnt: int, f_port: int, data: bytes, at: datetime) -> tuple[str, bytes]:
    """An `up` event of ChirpStack v4."""
    event: dict[str, Any] = {
        "deduplicationId": str(uuid5(NAMESPACE_OID, f"{dev_eui}/{f_cnt}/{at.isoformat()}")),
        "time": _rfc3339(at),
        "deviceInfo": {
            "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
            "tenantName": "湖州停车",
            "applicationId": _APPLICATION,
            "applicationName": "parking",
            "deviceProfileName": "parking sensor",
            "deviceName": f"sensor {dev_eui}",
            "devEui": dev_eui,
            "deviceClassEnabled": "CLASS_A",
            "tags": {},
        },
        "devAddr": dev_eui[-8:],
        "adr": True,
        "dr": 2,
        "fCnt": f_cnt,
        "fPort": f_port,
        "confirmed": False,
        "data": base64.b64encode(data).decode(),
        "rxInfo": [
            {
                "gatewayId": "24e124fffef1a0b2",
                "uplinkId": 1 + f_cnt,
                "nsTime": _rfc3339(at),
                "rssi": -97,
                "snr": 7.5,
                "location": {"latitude": 30.8693, "longitude": 120.0965},
                "crcStatus": "CRC_OK",
            }
        ],
        "txInfo": {
            "frequency": 486_300_000,
            "modulation": {"lora": {"bandwidth": 125_000, "spreadingFactor": 10, "codeRate": "CR_4_5"}},
        },
    }
    return f"application/{_APPLICATION}/device/{dev_eui}/event/up", msgspec.json.encode(event)


def things_stack_uplink(
    dev_eui: str, f_cnt: int, f_port: int, data: bytes, at: datetime
) -> tuple[str, bytes]:
    """An uplink message of The Things Stack v3, which leaves out what is zero or empty."""
    device = f"eui-{dev_eui}"
    message: dict[str, Any] = {
        "end_device_ids": {
            "device_id": device,
            "application_ids": {"application_id": "parking"},
            "dev_eui": dev_eui.upper(),
            "dev_addr": dev_eui[-8:].upper(),
        },
        "correlation_ids": [f"gs:uplink:{dev_eui}-{f_cnt}"],
        "received_at": _rfc3339(at),
        "uplink_message": {
            "session_key_id": "AYxM3J7lqQ==",
            **({"f_port": f_port} if f_port else {}),
            **({"f_cnt": f_cnt} if f_cnt else {}),
            **({"frm_payload": base64.b64encode(data).decode()} if data else {}),
            "rx_metadata": [{"gateway_ids": {"gateway_id": "huzhou-1"}, "rssi": -101, "snr": 5.2}],
            "settings": {"data_rate": {"lora": {"bandwidth": 125_000, "spreading_factor": 10}}},
            "received_at": _rfc3339(at),
            "consumed_airtime": "0.370688s",
        },
    }
    return f"v3/parking@huzhou/devices/{device}/up", msgspec.json.encode(message)


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
