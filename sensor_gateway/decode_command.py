"""`parking-cloud decode`: payloads, as the gateway reads them. One by its options, or many by `--batch`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec

from sensor_gateway.codecs import DecodeError, UnknownModel, codec_for

_NEEDED = ("vendor", "model", "fport", "hex")


class _Line(msgspec.Struct):
    """A line of `--batch`."""

    vendor: str
    model: str
    fport: Annotated[int, msgspec.Meta(ge=0, le=255)]
    bytes_hex: str
    firmware_line: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--vendor")
    parser.add_argument("--model")
    parser.add_argument(
        "--firmware-line", default="", help="where a model's payloads changed with its firmware"
    )
    parser.add_argument("--fport", type=int)
    parser.add_argument("--hex", help="the payload, as hex digits")
    parser.add_argument(
        "--batch",
        action="store_true",
        help="instead of the options above: read JSON lines"
        ' {"vendor", "model", "fport", "bytes_hex", and if need be "firmware_line"}'
        ' from standard input, write one JSON line for each, {"error"} where it cannot be decoded',
    )


def run(args: argparse.Namespace) -> int:
    """Print one JSON object; a bad payload: an error on standard error, and 2. `--batch`: always 0."""
    if args.batch:
        for answer in answers(sys.stdin.buffer):
            print(msgspec.json.encode(answer).decode(), flush=True)
        return 0
    missing = [f"--{name}" for name in _NEEDED if getattr(args, name) is None]
    if missing:
        print(f"parking-cloud decode: give {', '.join(missing)}, or --batch", file=sys.stderr)
        return 2
    try:
        shown = _decode(_Line(args.vendor, args.model, args.fport, args.hex, args.firmware_line))
    except (DecodeError, UnknownModel) as error:
        print(f"cannot decode: {error}", file=sys.stderr)
        return 2
    print(msgspec.json.encode(shown).decode())
    return 0


def answers(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """What to say to each line that is not blank, as it is read."""
    decoder = msgspec.json.Decoder(_Line)
    for line in lines:
        if not line.strip():
            continue
        try:
            yield _decode(decoder.decode(line))
        except (DecodeError, UnknownModel) as error:
            yield {"error": str(error)}
        # RecursionError: JSON nested deeper than the parser follows; UnicodeDecodeError: not UTF-8.
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield {"error": f"not a line of --batch: {error}"}


def _decode(line: _Line) -> dict[str, Any]:
    codec = codec_for(line.vendor, line.model, line.firmware_line)
    reading = codec.decode(line.fport, _payload(line.bytes_hex))
    return {
        "vendor": codec.vendor,
        "model": codec.model,
        "kind": reading.kind,
        "occupied": reading.occupied,
        "running_count": reading.running_count,
        "battery_v": reading.battery_v,
        "temperature_c": reading.temperature_c,
        **reading.extra,
    }


def _payload(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise DecodeError(f"{text!r} is not pairs of hex digits") from error
