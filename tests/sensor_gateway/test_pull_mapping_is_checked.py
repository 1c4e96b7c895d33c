"""A file of sources is read whole or refused with a sentence that names what is wrong."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from sensor_gateway.pull.mapping import CsvSource, Datex2Source, JsonSource, MappingError, load_sources

GOOD = """
[[sources]]
name = "garage"
url = "https://garage.example.org/live"
format = "json"
[sources.fields]
device_id = "id"
observed_at = "at"
free = "free"
"""


def write(folder: Path, text: str, name: str = "sources.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_can_be_loaded() -> None:
    example = Path(str(files("sensor_gateway.pull") / "example.toml"))
    json, table, datex = load_sources(example)
    assert isinstance(json, JsonSource)
    assert json.records == "result.items"
    assert isinstance(table, CsvSource)
    assert table.fields.time_zone == "Asia/Shanghai"
    assert isinstance(datex, Datex2Source)
    assert (datex.every_s, datex.timeout_s, datex.slowest_s) == (60, 30, 900)


def test_json_says_the_same(tmp_path: Path) -> None:
    text = """{"sources": [{"name": "garage", "url": "https://garage.example.org/live", "format": "json",
        "fields": {"device_id": "id", "observed_at": "at", "free": "free"}}]}"""
    assert load_sources(write(tmp_path, text, "sources.json")) == load_sources(write(tmp_path, GOOD))


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('free = "free"', "", "exactly one of `free`"),
        ('free = "free"', 'free = "free"\noccupied = "taken"', "exactly one of `free`"),
        ('free = "free"', 'occupied_count = "taken"', "go together"),
        ('free = "free"', 'occupied = "o"\noccupied_when = ["Y"]\nfree_when = ["y"]', "in both"),
        ('free = "free"', 'fre = "free"', "fre"),
        ('observed_at = "at"', 'time_format = "unix"', "none of iso8601"),
        ('observed_at = "at"', 'time_format = "%H:%M"\ntime_zone = "UTC"', "year, month and day"),
        ('observed_at = "at"', 'time_format = "%Y-%m-%d %Q"\ntime_zone = "UTC"', "no strptime pattern"),
        ('observed_at = "at"', 'time_format = "%Y-%m-%d %H:%M"', "`time_zone` is needed"),
        ('observed_at = "at"', 'time_zone = "Asia/Huzhou"', "no IANA zone"),
        ('observed_at = "at"', 'time_zone = "../etc/passwd"', "no IANA zone"),
        ('format = "json"', 'format = "pdf"', "pdf"),
        ('format = "json"', 'format = "csv"\ndelimiter = "\\n"', "cannot be a quote"),
        ('format = "json"', 'format = "csv"\nencoding = "base64"', "not a text encoding"),
        ('format = "json"', 'format = "json"\nevery_s = 0', "every_s"),
        ('format = "json"', 'format = "json"\nevery_s = 1000', "`slowest_s` is less"),
        ('format = "json"', 'format = "json"\nheaders = {"X-Key" = "a\\nb"}', "printable ASCII"),
        ("https://", "file://", "http or https"),
        ("https://garage.example.org", "https://garage:port", "not a URL"),
        ("[[sources]]", "[[sources]", "sources.toml"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, before: str, after: str, says: str) -> None:
    assert before in GOOD
    with pytest.raises(MappingError, match=r"sources\.toml") as refusal:
        load_sources(write(tmp_path, GOOD.replace(before, after)))
    assert says in str(refusal.value)


def test_a_name_is_given_once(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="more than once: garage"):
        load_sources(write(tmp_path, GOOD + GOOD))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"none\.toml cannot be read"):
        load_sources(tmp_path / "none.toml")
