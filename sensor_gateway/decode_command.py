"""`parking-cloud decode`: one payload, as the gateway reads it."""

from __future__ import annotations

import argparse
import sys

import msgspec

from sensor_gateway.codecs import DecodeError, UnknownModel, codec_for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--vendor", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument(
        "--firmware-line", default="", help="where a model's payloads changed with its firmware"
    )
    parser.add_argument("--fport", required=True, type=int)
    parser.add_argument("--hex", required=True, help="the payload, as hex digits")


def run(args: argparse.Namespace) -> int:
    """Print one JSON object; a bad payload: an error on standard error, and 2."""
    try:
        codec = codec_for(args.vendor, args.model, args.firmware_line)
        reading = codec.decode(args.fport, _payload(args.hex))
    except (DecodeError, UnknownModel) as error:
        print(f"cannot decode: {error}", file=sys.stderr)
        return 2
    shown = {
        "vendor": codec.vendor,
        "model": codec.model,
        "kind": reading.kind,
        "occupied": reading.occupied,
        "battery_v": reading.battery_v,
        "temperature_c": reading.temperature_c,
        **reading.extra,
    }
    print(msgspec.json.encode(shown).decode())
    return 0


def _payload(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise DecodeError(f"{text!r} is not pairs of hex digits") from error
