"""`python -m bench.fuzz --seconds 600`: coverage-guided bytes against all that reads a stranger's bytes.

That is every codec, the network servers' parsers, the readers of polled sources, plates and the streams.
Each may refuse, with the error it promises; any other exception is a crash, and its input is kept in
`.local/fuzz`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

if TYPE_CHECKING:  # at run time only under instrumentation, so that their branches are seen
    from sensor_gateway.codecs import Codec
    from sensor_gateway.pull.mapping import Source

Target = Callable[[bytes], object]

_FOLDER = Path(".local/fuzz")
_LONGEST = 2_000
"""Bytes of an input: some network servers' messages, and far beyond any radio frame (255)."""
_AT = datetime(2026, 3, 1, 8, tzinfo=UTC)


def main() -> None:
    """Fuzz for a time; exits with 0 where nothing crashed."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description="fuzz what reads foreign bytes")
    parser.add_argument("--seconds", type=int, default=600)
    seconds = parser.parse_args().seconds
    atheris = _atheris()
    with atheris.instrument_imports(include=["sensor_gateway"]):
        targets, seeds = _targets_and_seeds()
    atheris.instrument_func(_read_entry)
    corpus = _FOLDER / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    print(f"{len(targets)} readers: {', '.join(name for name, _ in targets)}", flush=True)
    options = [f"-max_total_time={seconds}", f"-max_len={_LONGEST}", f"-artifact_prefix={_FOLDER}/"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], partial(_one, [target for _, target in targets]))
    atheris.Fuzz()


def _atheris() -> Any:
    """The fuzzer, imported only here: nothing else needs it."""
    try:
        return importlib.import_module("atheris")
    except ModuleNotFoundError:
        sys.exit("atheris is not in the lock file; get it with: uv run --with atheris python -m bench.fuzz")


def _one(targets: list[Target], data: bytes) -> None:
    """The first byte says who reads the rest."""
    if data:
        targets[data[0] % len(targets)](data[1:])


def _targets_and_seeds() -> tuple[list[tuple[str, Target]], list[bytes]]:
    """The readers by name, and for each some good bytes to start from (behind the reader's number)."""
    from sensor_gateway.codecs import DecodeError, all_codecs
    from sensor_gateway.networks import PARSERS, MalformedMessage
    from sensor_gateway.plates import NoPlate
    from sensor_gateway.pull.read import Unreadable
    from sensor_gateway.records import decode_records

    readers: list[tuple[str, Target, type[Exception], list[bytes]]] = []
    for codec in all_codecs():
        readers.append((codec.name, partial(_read_frame, codec), DecodeError, _frames(codec)))
    for network, parse in PARSERS.items():
        readers.append((network, parse, MalformedMessage, [_message(network), _nested()]))
    for source, good in _polled():
        readers.append((source.name, partial(_read_polled, source), Unreadable, [good]))
    readers.append(("plates", _read_plate, NoPlate, ["浙E·12345".encode(), "_无_".encode()]))
    readers.append(("records", decode_records, msgspec.DecodeError, [b"\x91\x92\xa4gate\xa1s"]))
    readers.append(("observations", _read_entry, msgspec.DecodeError, [_stream_entry()]))
    seeds = [bytes([number]) + seed for number, (*_, good) in enumerate(readers) for seed in good]
    return [(name, partial(_refusing, read, error)) for name, read, error, _ in readers], seeds


def _refusing(read: Target, promised: type[Exception], data: bytes) -> None:
    try:
        read(data)
    except promised:
        return


def _read_frame(codec: Codec, data: bytes) -> None:
    """The first byte is the fPort."""
    if data:
        codec.decode(data[0], data[1:])


def _read_polled(source: Source, body: bytes) -> None:
    from sensor_gateway.pull.read import read

    read(body, {"date": "Sun, 01 Mar 2026 08:00:00 GMT"}, source)


def _read_plate(data: bytes) -> None:
    """A plate is the same when it is read again."""
    from sensor_gateway.plates import parse_plate

    plate = parse_plate(data.decode(errors="replace"))
    if parse_plate(plate.reveal()) != plate:
        raise AssertionError(plate.reveal())


def _read_entry(body: bytes) -> None:
    """The loop shows the fuzzer that an entry was good: msgspec, being C, shows it nothing."""
    from sensor_gateway.observation import decode, shard_of

    for observation in decode(body):
        shard_of(observation.device_id, 2)


def _frames(codec: Codec) -> list[bytes]:
    if codec.status_encoder is None:
        return [bytes([1, 0x06, 0xAA])]
    frames = [codec.encode_status(True), codec.encode_heartbeat(False, 3.4, 15.0)]
    return [bytes([fport]) + data for fport, data in frames]


def _message(network: str) -> bytes:
    from parking_cloud.demo import wire

    if network == "nb-iot":
        return b'{"imei":"862592051651472","time":"2026-03-01T08:00:00Z","port":3,"data":"AQ==","sequence":1}'
    return wire.uplink(network, "70b3d50000000001", 1, 1, b"\x01", _AT)[1]


def _polled() -> list[tuple[Source, bytes]]:
    """A source of each format, and a small body of its."""
    from sensor_gateway.pull.mapping import CsvSource, Datex2Source, Fields, JsonSource

    url, fields = "http://source.example/", Fields(device_id="id", observed_at="at", free="free")
    status = (
        b'<parkingRecordStatus><parkingRecordReference id="a"/><parkingOccupancy>'
        b"<parkingNumberOfVacantSpaces>3</parkingNumberOfVacantSpaces></parkingOccupancy></parkingRecordStatus>"
    )
    return [
        (
            JsonSource(name="json", url=url, fields=fields),
            b'[{"id":"a","free":3,"at":"2026-03-01T08:00:00Z"}]',
        ),
        (CsvSource(name="csv", url=url, fields=fields), b"id,free,at\na,3,2026-03-01T08:00:00Z\n"),
        (
            Datex2Source(name="datex2", url=url),
            b"<d2><publicationTime>2026-03-01T08:00:00Z</publicationTime>" + status + b"</d2>",
        ),
    ]


def _nested() -> bytes:
    """JSON nested deeper than a parser follows, which mutation alone would hardly come to."""
    return b'{"x":' + b"[" * (_LONGEST - 10)


def _stream_entry() -> bytes:
    from sensor_gateway.observation import Kind, Observation, encode

    device = UUID(int=1)
    return encode([Observation(device, device, device, Kind.STATUS, _AT, _AT, "chirpstack", device, True)])


if __name__ == "__main__":
    main()
