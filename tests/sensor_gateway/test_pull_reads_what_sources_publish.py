"""JSON, CSV and DATEX II become statements; a bad record is told, and an unreadable body says why."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sensor_gateway.pipeline import Statement
from sensor_gateway.pull import datex2
from sensor_gateway.pull.mapping import CsvSource, Datex2Source, Fields, JsonSource, Source
from sensor_gateway.pull.read import MOST_BYTES, Unreadable, read

URL = "https://source.example.org/"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DATED = {"date": "Fri, 20 Nov 2026 12:00:00 GMT"}


def json_source(records: str = "", **fields: Any) -> JsonSource:
    if not {"occupied", "occupied_count"} & set(fields):
        fields.setdefault("free", "free")
    return JsonSource(name="j", url=URL, records=records, fields=Fields(device_id="id", **fields))


def csv_source(delimiter: str = ",", encoding: str = "utf-8", **fields: Any) -> CsvSource:
    declared = Fields(device_id="id", observed_at="at", free="free", **fields)
    return CsvSource(name="c", url=URL, delimiter=delimiter, encoding=encoding, fields=declared)


DATEX = Datex2Source(name="d", url=URL, prefix="nap:")


def read_json(document: Any, source: JsonSource) -> tuple[list[Statement], list[tuple[int, str]]]:
    statements, problems = read(json.dumps(document).encode(), DATED, source)
    return statements, [(problem.number, problem.reason) for problem in problems]


def the_time(value: Any, time_format: str, time_zone: str = "") -> datetime:
    source = json_source(observed_at="at", time_format=time_format, time_zone=time_zone)
    (statement,), problems = read_json([{"id": "a", "free": 1, "at": value}], source)
    assert problems == []
    return statement.observed_at


def test_json_is_read_by_dotted_paths_and_indexes() -> None:
    fields = Fields(device_id="p.id", prefix="city:", observed_at="p.times.1", free="levels.0.free")
    source = JsonSource(name="j", url=URL, records="result.0.items", fields=fields)
    record = {"p": {"id": 7, "times": ["", "2026-11-20T20:00:00+08:00"]}, "levels": [{"free": "12"}]}
    body = json.dumps({"result": [{"items": [record]}]}).encode()
    assert read(b"\xef\xbb\xbf" + body, {}, source) == ([Statement("city:7", NOON, free=12)], [])


def test_free_is_capacity_less_occupied() -> None:
    records = [{"id": "a", "taken": 30, "all": 100}, {"id": "b", "taken": 12.0, "all": "10"}]
    statements, _ = read_json(records, json_source(occupied_count="taken", capacity="all"))
    assert [s.free for s in statements] == [70, -2]
    statements, _ = read_json(records, json_source(occupied_count="taken", capacity=40))
    assert [s.free for s in statements] == [10, 28]


def test_a_space_is_occupied_in_the_mappings_words() -> None:
    source = json_source(occupied="state", occupied_when=("O", "true"), free_when=("V", "false"))
    records = [{"id": "a", "state": state} for state in ("o", "V", True, False, "unknown", None)]
    statements, problems = read_json(records, source)
    assert [s.occupied for s in statements] == [True, False, True, False]
    assert problems == [
        (5, "state is 'unknown', which the mapping has no meaning for"),
        (6, "state is missing, which the mapping has no meaning for"),
    ]


@pytest.mark.parametrize(
    ("value", "time_format", "time_zone"),
    [
        ("2026-11-20T12:00:00Z", "iso8601", ""),
        ("2026-11-20T20:00:00.000+08:00", "iso8601", "Europe/Berlin"),
        ("2026-11-20 20:00", "iso8601", "Asia/Shanghai"),
        (1795176000, "epoch_s", ""),
        ("1795176000000", "epoch_ms", ""),
        ("20.11.2026 13:00", "%d.%m.%Y %H:%M", "Europe/Berlin"),
        ("20.11.2026 20:00 +0800", "%d.%m.%Y %H:%M %z", ""),
    ],
)
def test_times_are_brought_to_utc(value: Any, time_format: str, time_zone: str) -> None:
    assert the_time(value, time_format, time_zone) == NOON


def test_summer_time_is_the_zones_own() -> None:
    assert the_time("2026-07-01T12:00", "iso8601", "Europe/Berlin") == datetime(2026, 7, 1, 10, tzinfo=UTC)
    twice = the_time("2026-10-25T02:30", "iso8601", "Europe/Berlin")
    assert twice == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # the first of the two


@pytest.mark.parametrize(
    ("headers", "observed_at"),
    [
        ({"last-modified": "Fri, 20 Nov 2026 12:00:00 GMT", "date": "Fri, 20 Nov 2026 12:30:00 GMT"}, NOON),
        (
            {"last-modified": "yesterday", "date": "Fri, 20 Nov 2026 12:30:00 GMT"},
            NOON + timedelta(minutes=30),
        ),
    ],
)
def test_records_without_a_time_have_the_answers(headers: dict[str, str], observed_at: datetime) -> None:
    statements, _ = read(b'[{"id": "a", "free": 1}]', headers, json_source())
    assert [s.observed_at for s in statements] == [observed_at]


def test_records_without_any_time_are_unreadable() -> None:
    with pytest.raises(Unreadable, match="neither Last-Modified nor Date"):
        read(b'[{"id": "a", "free": 1}]', {}, json_source())


def test_a_bad_record_is_told_and_the_others_go_on() -> None:
    good = {"id": "a", "free": 3, "at": "2026-11-20T12:00:00Z"}
    bad: list[Any] = [
        {**good, "free": None},
        {**good, "free": 1.5},
        {**good, "free": True},
        {**good, "id": " "},
        {**good, "id": "a\nb"},
        {**good, "at": "2026-11-20T12:00:00"},
        {**good, "at": "soon"},
        "closed",
    ]
    statements, problems = read_json([good, *bad, good], json_source(observed_at="at"))
    assert statements == [Statement("a", NOON, free=3)] * 2
    assert [number for number, _ in problems] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert problems[0] == (2, "free is missing, not a whole number")
    assert problems[5] == (
        7,
        "the time '2026-11-20T12:00:00' has no offset, and the mapping declares no time_zone",
    )


@pytest.mark.parametrize(
    "absurd",
    [b"9" * 6_000, b'"\xff"', b"1e999"],
    ids=["integer", "not UTF-8", "float"],
)
@pytest.mark.parametrize("records", ["", "result.1.items"])
def test_what_no_decoder_takes_costs_only_its_own_record(absurd: bytes, records: str) -> None:
    good = b'{"id": "a", "free": 3, "at": "2026-11-20T12:00:00Z"}'
    body = b"[%s, %s, %s]" % (good, good.replace(b"3", absurd), good)
    if records:
        body = b'{"result": [0, {"items": %s}]}' % body
    source = json_source(records, observed_at="at")
    statements, problems = read(body, {}, source)
    assert statements == [Statement("a", NOON, free=3)] * 2
    assert [problem.number for problem in problems] == [2]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<!DOCTYPE html><title>Maintenance", "not JSON"),
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"items": []}', "The document holds no list of records; what is there is an object"),
        (b" " * (MOST_BYTES + 1), "larger than 20 MB"),
    ],
    ids=["html", "empty", "binary", "deep", "no list", "large"],
)
def test_a_body_that_is_not_the_json_declared_says_why(body: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        read(body, DATED, json_source())


def test_csv_is_read_by_column_names() -> None:
    text = (
        "\ufefffree;Name;id;at\r\n"
        '4;"Süd; Tor";s;20.11.2026 13:00\r\n'
        "\r\n"
        "x;Nord;n;20.11.2026 13:00\r\n"
        "5;West;w\r\n"
        "6;Ost;o;20.11.2026 13:00\r\n"
    )
    source = csv_source(";", time_format="%d.%m.%Y %H:%M", time_zone="Europe/Berlin")
    statements, problems = read(text.encode(), {}, source)
    assert statements == [Statement("s", NOON, free=4), Statement("o", NOON, free=6)]
    assert [(p.number, p.reason) for p in problems] == [
        (2, "free is 'x', not a whole number"),
        (3, "it has 3 cells where the header has 4"),
    ]


@pytest.mark.parametrize(
    ("body", "encoding", "says"),
    [
        (b"", "utf-8", "empty"),
        (b"id,free\n", "utf-8", "no column at; it has 'id, free'"),
        (b"\xff\xff", "utf-8", "not text in utf-8"),
        (b'id,at,free\n"a,1,2\nb,1,2\n', "utf-8", "not CSV"),
        ("id,at,free\n".encode("utf-16"), "utf-16-le", ""),
    ],
)
def test_a_body_that_is_not_the_table_declared_says_why(body: bytes, encoding: str, says: str) -> None:
    if not says:
        assert read(body, {}, csv_source(encoding=encoding)) == ([], [])
        return
    with pytest.raises(Unreadable, match=says):
        read(body, {}, csv_source(encoding=encoding))


RECORDS_V3 = b"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<mc:messageContainer xmlns:mc="http://datex2.eu/schema/3/messageContainer"
    xmlns:p="http://datex2.eu/schema/3/parking" xmlns:c="http://datex2.eu/schema/3/common"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <mc:payload xsi:type="p:ParkingStatusPublication" lang="nl">
    <c:publicationTime>2026-11-20T12:01:00Z</c:publicationTime>
    <p:parkingTableReference targetClass="p:ParkingTable" id="table" version="1"/>
    <p:parkingRecordStatus xsi:type="p:ParkingSiteStatus">
      <p:parkingRecordReference targetClass="p:ParkingRecord" id="P-North" version="3"/>
      <p:parkingStatusOriginTime>2026-11-20T13:00:00+01:00</p:parkingStatusOriginTime>
      <p:groupOfParkingSpacesStatus groupIndex="0"><p:groupOfParkingSpacesStatus>
        <p:parkingNumberOfVacantSpaces>4</p:parkingNumberOfVacantSpaces>
      </p:groupOfParkingSpacesStatus></p:groupOfParkingSpacesStatus>
      <p:parkingOccupancy>
        <p:parkingNumberOfVacantSpaces> 41 </p:parkingNumberOfVacantSpaces>
        <p:parkingOccupancy>59.0</p:parkingOccupancy>
      </p:parkingOccupancy>
    </p:parkingRecordStatus>
    <p:parkingRecordStatus xsi:type="p:ParkingSiteStatus">
      <p:parkingRecordReference targetClass="p:ParkingRecord" id="P-Closed" version="3"/>
      <p:parkingStatusOriginTime>2026-11-20T12:00:00Z</p:parkingStatusOriginTime>
    </p:parkingRecordStatus>
    <p:parkingRecordStatus xsi:type="p:ParkingSiteStatus">
      <p:parkingRecordReference targetClass="p:ParkingRecord" id="P-South" version="3"/>
      <p:parkingStatusOriginTime>2026-11-20T12:00:00Z</p:parkingStatusOriginTime>
      <p:parkingOccupancy>
        <p:parkingNumberOfSpacesOverride>80</p:parkingNumberOfSpacesOverride>
        <p:parkingNumberOfOccupiedSpaces>65</p:parkingNumberOfOccupiedSpaces>
      </p:parkingOccupancy>
    </p:parkingRecordStatus>
  </mc:payload>
</mc:messageContainer>
"""

FACILITIES_V2 = b"""<?xml version="1.0" encoding="ISO-8859-1"?>
<d2LogicalModel xmlns="http://datex2.eu/schema/2/2_0" modelBaseVersion="2">
  <payloadPublication lang="de"><publicationTime>2026-11-20T12:00:00.000Z</publicationTime>
    <genericPublicationExtension><parkingFacilityTableStatusPublication>
      <parkingFacilityStatus>
        <parkingFacilityReference targetClass="ParkingFacility" id="12[Schlo\xdfplatz]" version="1.0"/>
        <parkingFacilityStatus>open</parkingFacilityStatus>
        <totalNumberOfOccupiedParkingSpaces>20</totalNumberOfOccupiedParkingSpaces>
        <totalNumberOfVacantParkingSpaces>7</totalNumberOfVacantParkingSpaces>
      </parkingFacilityStatus>
      <parkingFacilityStatus>
        <parkingFacilityStatusTime>2026-11-20T12:00:00Z</parkingFacilityStatusTime>
        <totalNumberOfVacantParkingSpaces>9</totalNumberOfVacantParkingSpaces>
      </parkingFacilityStatus>
    </parkingFacilityTableStatusPublication></genericPublicationExtension>
  </payloadPublication>
</d2LogicalModel>
"""


def test_datex2_record_statuses_are_the_sites_and_not_their_groups() -> None:
    statements, problems = read(RECORDS_V3, {}, DATEX)
    assert statements == [Statement("nap:P-North", NOON, free=41), Statement("nap:P-South", NOON, free=15)]
    assert [(p.number, p.reason) for p in problems] == [(2, "it has no parkingOccupancy")]


@pytest.mark.parametrize("piece", [1, 7, 64])
def test_datex2_is_the_same_whatever_pieces_it_is_parsed_in(
    monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    whole = [read(body, {}, DATEX) for body in (RECORDS_V3, FACILITIES_V2)]
    monkeypatch.setattr(datex2, "_PIECE", piece)
    assert [read(body, {}, DATEX) for body in (RECORDS_V3, FACILITIES_V2)] == whole


def test_datex2_declarations_are_refused_wherever_the_pieces_part_them() -> None:
    for ahead in range(datex2._PIECE - 12, datex2._PIECE + 2):
        for declaration in (b"<!DOCTYPE a>", b"<!eNtItY a>"):
            with pytest.raises(Unreadable, match="DOCTYPE"):
                read(b" " * ahead + declaration + b"<a/>", {}, DATEX)


def test_datex2_is_never_parsed_in_one_long_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser lets no other thread run meanwhile, and the intake's loop is in one of them."""
    pieces: list[int] = []

    class Parser(ElementTree.XMLParser):
        def feed(self, data: Any, /) -> None:
            pieces.append(len(data))
            super().feed(data)

    monkeypatch.setattr(datex2.ElementTree, "XMLParser", Parser)
    body = RECORDS_V3 + b" " * 300_000
    read(body, {}, DATEX)
    assert (sum(pieces), max(pieces)) == (len(body), datex2._PIECE)


def test_datex2_facility_statuses_hold_an_element_of_their_own_name() -> None:
    statements, problems = read(FACILITIES_V2, {}, DATEX)
    assert statements == [Statement("nap:12[Schloßplatz]", NOON, free=7)]
    assert [(p.number, p.reason) for p in problems] == [(2, "it has no parkingFacilityReference")]


def test_datex2_times_without_an_offset_need_a_zone() -> None:
    body = FACILITIES_V2.replace(b"12:00:00.000Z", b"13:00:00")
    assert read(body, {}, DATEX)[0] == []
    zoned = Datex2Source(name="d", url=URL, time_zone="Europe/Berlin")
    assert [s.observed_at for s in read(body, {}, zoned)[0]] == [NOON]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DOCTYPE"),
        (b"<!doctype html><html></html>", "DOCTYPE"),
        ('<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a><a/>'.encode("utf-16"), "encoding"),
        (b'<?xml version="1.0" encoding="UTF-7"?><a/>', "encoding"),
        (b"<a>" * 1_000_001, "more than 1000000 tags"),
        (b"<a>" * 500_000, "not XML"),
        (b"{}", "not XML"),
        (b"<a><parkingTable/></a>", "<a> is no parking status publication"),
    ],
    ids=["entity", "doctype", "utf-16", "utf-7", "many tags", "deep", "json", "table"],
)
def test_xml_that_is_unsafe_or_something_else_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        read(body, {}, DATEX)


SOURCES: list[Source] = [
    json_source(),
    json_source("a.0", observed_at="at", time_format="epoch_ms"),
    csv_source(),
    csv_source(encoding="utf-16", time_format="%d.%m.%Y", time_zone="Asia/Shanghai"),
    DATEX,
]
texts = st.text(max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
records = st.fixed_dictionaries({"id": scalars, "free": scalars, "at": scalars})
places = st.integers(0, len(RECORDS_V3))
broken_xml = st.builds(
    lambda start, end, between: RECORDS_V3[:start] + between + RECORDS_V3[end:], places, places, st.binary()
)
bodies = (
    st.binary()
    | texts.map(str.encode)
    | st.lists(records).map(lambda rows: msgspec.json.encode(rows))
    | st.lists(records).map(lambda rows: msgspec.json.encode({"a": [rows]}))
    | st.lists(st.tuples(texts, texts, texts)).map(
        lambda rows: "\n".join(["id,at,free", *map(",".join, rows)]).encode()
    )
    | broken_xml
)


@given(body=bodies, source=st.sampled_from(SOURCES), dated=texts)
@example(body=b'[{"id": "a", "free": 1e999, "at": 1e999}]', source=SOURCES[1], dated="")
@example(body=b'{"a": [[{"id": "a", "free": 1, "at": -1e300}]]}', source=SOURCES[1], dated="")
@example(body=b"id,at,free\na,0001-01-01T00:00:00+23:00,1", source=SOURCES[2], dated="")
@example(body=b"\x00" * 10, source=SOURCES[2], dated="")
def test_no_bytes_raise_anything_but_unreadable(body: bytes, source: Source, dated: str) -> None:
    try:
        statements, problems = read(body, {"last-modified": dated, **DATED}, source)
    except Unreadable:
        return
    assert all(s.observed_at.tzinfo is UTC and s.device_id for s in statements)
    assert all(problem.number >= 1 and problem.reason for problem in problems)


def test_offsets_of_any_kind_meet_in_utc() -> None:
    east = NOON.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert the_time(east.isoformat(), "iso8601") == NOON
