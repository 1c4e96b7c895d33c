"""The declared mapping of each source, read from a TOML or JSON file. See `example.toml`."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import httpx
import msgspec

_PROBE = datetime(2026, 11, 20, 14, 5, 9, tzinfo=UTC)
_EPOCHS = ("epoch_s", "epoch_ms")

Seconds = Annotated[float, msgspec.Meta(ge=1, le=86_400)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Place = Annotated[str, msgspec.Meta(min_length=1)]


class MappingError(ValueError):
    """The file of sources cannot be used; the message names the file and what is wrong."""


class Fields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a record's values are: dotted paths (`status.0.free`) in JSON, column names in CSV.

    Exactly one of `free`, `occupied_count` with `capacity`, and `occupied` is declared.
    """

    device_id: Place
    prefix: str = ""
    """Put before the id, so that the ids of two sources cannot meet."""
    observed_at: str = ""
    """Empty: the answer's Last-Modified counts, or else its Date."""
    time_format: str = "iso8601"
    """`iso8601`, `epoch_s`, `epoch_ms`, or a strptime pattern like `%d.%m.%Y %H:%M`."""
    time_zone: str = ""
    """IANA name, for times without an offset. Of the hour that comes twice in autumn, the first is meant."""
    free: str = ""
    """Free spaces of a facility."""
    occupied_count: str = ""
    """Occupied spaces of a facility; free is then `capacity` less this."""
    capacity: str | Annotated[int, msgspec.Meta(ge=1)] = ""
    """A path or column, or the number itself."""
    occupied: str = ""
    """Whether a single space is taken, in the words below; upper and lower case are the same."""
    occupied_when: tuple[str, ...] = ("true", "1", "occupied")
    free_when: tuple[str, ...] = ("false", "0", "free")

    def __post_init__(self) -> None:
        if [self.free, self.occupied_count, self.occupied].count("") != 2:
            raise ValueError("declare exactly one of `free`, `occupied_count` and `occupied`")
        if bool(self.occupied_count) != bool(self.capacity):
            raise ValueError("`occupied_count` and `capacity` go together")
        if {w.casefold() for w in self.occupied_when} & {w.casefold() for w in self.free_when}:
            raise ValueError("a word is in both `occupied_when` and `free_when`")
        _check_time_format(self.time_format, self.time_zone)
        _check_zone(self.time_zone)

    def declared(self) -> list[str]:
        """Every path or column that a record should have."""
        places = (
            self.device_id,
            self.observed_at,
            self.free,
            self.occupied_count,
            self.capacity,
            self.occupied,
        )
        return [place for place in places if isinstance(place, str) and place]


class _AnySource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="format"):
    name: Name
    """The source's key in the directory."""
    url: str
    every_s: Seconds = 60.0
    """Seconds between a fetch's end and the next."""
    slowest_s: Seconds = 900.0
    """Seconds that pauses after failures never exceed, unless the source asks for more by Retry-After."""
    timeout_s: Seconds = 20.0
    """Seconds for a whole fetch, redirects and body included."""
    headers: dict[str, str] = {}

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise ValueError(f"`url` is not a URL: {error}") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("`url` must be an http or https URL with a host")
        if self.slowest_s < self.every_s:
            raise ValueError("`slowest_s` is less than `every_s`")
        for name, value in self.headers.items():
            if not (name and name.isascii() and name.replace("-", "").isalnum()):
                raise ValueError(f"`headers`: {name!r} is no header name")
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"`headers`: the value of {name} must be printable ASCII")


class JsonSource(_AnySource, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="json"):
    """A JSON document that holds a list of records somewhere."""

    records: str = ""
    """Path to the list; empty: the document is the list."""
    fields: Fields


class CsvSource(_AnySource, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="csv"):
    """A table whose first line names the columns."""

    delimiter: Annotated[str, msgspec.Meta(min_length=1, max_length=1)] = ","
    encoding: str = "utf-8"
    fields: Fields

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.delimiter in '"\r\n\0':
            raise ValueError("`delimiter` cannot be a quote, a line end or NUL")
        try:
            "a".encode(self.encoding).decode(self.encoding)
        except (LookupError, ValueError) as error:
            raise ValueError(f"`encoding` is not a text encoding: {self.encoding!r}") from error


class Datex2Source(_AnySource, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="datex2"):
    """A DATEX II parking status publication, version 2 or 3; its fields are the standard's."""

    prefix: str = ""
    time_zone: str = ""
    """For publishers who leave the offset out, against the standard."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_zone(self.time_zone)


Source = JsonSource | CsvSource | Datex2Source


class _File(msgspec.Struct, forbid_unknown_fields=True):
    sources: list[Source]


def load_sources(path: Path) -> list[Source]:
    """The sources that a file declares, JSON where its name ends so, else TOML. Raises MappingError."""
    try:
        text = path.read_text(encoding="utf-8")
        document: Any = msgspec.json.decode(text) if path.suffix == ".json" else tomllib.loads(text)
        sources = msgspec.convert(document, _File).sources
    except OSError as error:
        raise MappingError(f"{path} cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise MappingError(f"{path}: {error}") from error
    names = [source.name for source in sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MappingError(f"{path}: these names are given more than once: {', '.join(twice)}")
    return sources


def _check_time_format(time_format: str, time_zone: str) -> None:
    if time_format == "iso8601" or time_format in _EPOCHS:
        return
    if "%" not in time_format:
        raise ValueError("`time_format` is none of iso8601, epoch_s, epoch_ms and a strptime pattern")
    try:
        read_back = datetime.strptime(_PROBE.strftime(time_format), time_format)  # noqa: DTZ007
    except ValueError as error:
        raise ValueError(f"`time_format` is no strptime pattern: {error}") from error
    if read_back.date() != _PROBE.date():
        raise ValueError("`time_format` does not give year, month and day")
    if "%z" not in time_format and not time_zone:
        raise ValueError("`time_format` gives no offset, so `time_zone` is needed")


def _check_zone(name: str) -> None:
    try:
        if name:
            ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ValueError(f"`time_zone` is no IANA zone: {name!r}") from error
