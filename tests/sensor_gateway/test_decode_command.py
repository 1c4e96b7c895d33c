"""`parking-cloud decode`: one payload by options, or one answer for each line of `--batch`."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import Any

import pytest

from parking_cloud.cli import main

NPS405 = {"vendor": "nwave", "model": "nps405", "fport": 1, "bytes_hex": "95"}


@pytest.fixture
def decode(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the command; (exit code, standard output, standard error)."""

    def run(*options: str, stdin: bytes = b"") -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            main(["decode", *options])
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def batch(decode: Any) -> Any:
    """The answers to some lines, given as objects or as raw bytes; the exit code is always 0."""

    def run(*lines: dict[str, Any] | bytes) -> list[dict[str, Any]]:
        raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        code, out, err = decode("--batch", stdin=b"\n".join(raw))
        assert (code, err) == (0, "")
        return [json.loads(line) for line in out.splitlines()]

    return run


def test_one_payload(decode: Any) -> None:
    code, out, err = decode("--vendor", "nwave", "--model", "nps405", "--fport", "1", "--hex", "95")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "vendor": "nwave",
        "model": "nps405",
        "kind": "status",
        "occupied": True,
        "running_count": None,
        "battery_v": None,
        "temperature_c": None,
        "previous_state_min": 74,
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "give --vendor, --model, --fport, --hex, or --batch"),
        (("--vendor", "nwave", "--model", "nps405", "--hex", "95"), "give --fport, or --batch"),
        (("--vendor", "nwave", "--model", "nps405", "--fport", "1", "--hex", "9"), "not pairs of hex digits"),
        (("--vendor", "nwave", "--model", "nps405", "--fport", "1", "--hex", ""), "0 bytes, expected 1"),
        (("--vendor", "acme", "--model", "x1", "--fport", "1", "--hex", "95"), "no codec for acme x1"),
    ],
)
def test_one_payload_that_cannot_be_decoded(decode: Any, options: tuple[str, ...], said: str) -> None:
    code, out, err = decode(*options)
    assert (code, out) == (2, "")
    assert said in err


def test_a_batch_is_answered_line_by_line_in_order(batch: Any) -> None:
    answers = batch(
        NPS405,
        {"vendor": "nwave", "model": "ncc405", "fport": 1, "bytes_hex": "06aa"},
        {"vendor": "Bosch", "model": "TPS110", "fport": 2, "bytes_hex": "00FF"},
    )
    assert [(a["vendor"], a["model"], a["kind"]) for a in answers] == [
        ("nwave", "nps405", "status"),
        ("nwave", "ncc405", "count"),
        ("bosch", "tps110", "heartbeat"),
    ]
    assert [a["occupied"] for a in answers] == [True, None, False]
    assert [a["running_count"] for a in answers] == [None, 1_706, None]
    assert [a["temperature_c"] for a in answers] == [None, None, -1.0]


def test_a_batch_asks_for_a_firmware_line_by_name(batch: Any) -> None:
    newest, older = batch(NPS405, {**NPS405, "firmware_line": "bit7"})
    assert (newest["previous_state_min"], older["previous_state_min"]) == (74, 21)


def test_blank_lines_have_no_answer(batch: Any) -> None:
    assert len(batch(b"", NPS405, b"  \t", b"", NPS405, b"")) == 2
    assert batch() == []


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"{", "not a line of --batch"),
        (b"[]", "not a line of --batch: Expected `object`"),
        (b'{"vendor": "\xff"}', "not a line of --batch"),
        (b'{"vendor": "nwave"}', "missing required field `model`"),
        ({**NPS405, "fport": "1"}, "Expected `int`, got `str`"),
        ({**NPS405, "fport": -1}, "Expected `int` >= 0"),
        ({**NPS405, "fport": 256}, "Expected `int` <= 255"),
        (b'{"vendor": "nwave", "model": "nps405", "fport": ' + b"9" * 5_000 + b"}", "not a line of --batch"),
        (b'{"other": ' + b"[" * 100_000, "not a line of --batch"),
        ({**NPS405, "vendor": "acme"}, "no codec for acme nps405"),
        ({**NPS405, "firmware_line": "bit6"}, "(firmware line bit6)"),
        ({**NPS405, "bytes_hex": "zz"}, "'zz' is not pairs of hex digits"),
        ({**NPS405, "bytes_hex": "占用"}, "is not pairs of hex digits"),
        ({**NPS405, "bytes_hex": "9595"}, "payload has 2 bytes, expected 1"),
        ({**NPS405, "fport": 4}, "fPort 4 is not one of this model's"),
    ],
)
def test_a_bad_line_is_answered_with_its_error_and_the_next_is_read(
    batch: Any, bad: dict[str, Any] | bytes, said: str
) -> None:
    error, good = batch(bad, NPS405)
    assert list(error) == ["error"]
    assert said in error["error"]
    assert good["occupied"] is True


def test_an_answer_comes_before_the_next_line_is_asked_for() -> None:
    command = [sys.executable, "-m", "parking_cloud.cli", "decode", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for payload, occupied in (("95", True), ("94", False)):
            process.stdin.write(json.dumps({**NPS405, "bytes_hex": payload}).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["occupied"] is occupied
        process.stdin.close()
        assert process.wait(30) == 0
