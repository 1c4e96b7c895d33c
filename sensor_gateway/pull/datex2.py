"""DATEX II parking status publications, as far as they say how many spaces are free. No I/O.

Versions 2 and 3 (to 3.6) share the element names and differ in namespaces, so local names are matched:

- `parkingRecordStatus` (ParkingStatusPublication of 2.3 and 3.x): `parkingRecordReference/@id`,
  `parkingStatusOriginTime`, and under `parkingOccupancy` `parkingNumberOfVacantSpaces`,
  `parkingNumberOfOccupiedSpaces` and `parkingNumberOfSpacesOverride`;
- `parkingFacilityStatus` (the earlier extension of version 2): `parkingFacilityReference/@id`,
  `parkingFacilityStatusTime`, `totalNumberOfVacantParkingSpaces`, `totalNumberOfOccupiedParkingSpaces`,
  `totalParkingCapacityOverride`. It holds an element of its own name, which says open or closed.

A status without a time of its own (only the second may lack it) has the publication's: `publicationTime`.

Only direct children are read: `groupOfParkingSpacesStatus` repeats the names for parts of a site.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from xml.etree import ElementTree

from sensor_gateway.pipeline import Statement
from sensor_gateway.pull.mapping import Datex2Source
from sensor_gateway.pull.values import BadRow, RowProblem, Unreadable, device_name, moment, whole_number

_PIECE = 65_536
"""Bytes parsed at a time: the parser lets no other thread run meanwhile, and one of them is the intake's."""
_MOST_TAGS = 1_000_000
"""Tags in a document. An element in memory is many times its few bytes; real 20 MB have half as many."""
_DECLARATION = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_DECLARATION_LENGTH = 9
_DECLARED_ENCODING = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_ENCODINGS = {b"utf-8", b"utf8", b"us-ascii", b"ascii", b"iso-8859-1", b"iso-8859-15", b"windows-1252"}
"""Encodings in which `<!DOCTYPE` is those very bytes, so that looking for it cannot be tricked."""


class _Form(NamedTuple):
    reference: str
    time: str
    inside: str
    """The child that holds the counts; empty: the status itself does."""
    vacant: str
    occupied: str
    capacity: str


_FORMS = {
    "parkingRecordStatus": _Form(
        "parkingRecordReference",
        "parkingStatusOriginTime",
        "parkingOccupancy",
        "parkingNumberOfVacantSpaces",
        "parkingNumberOfOccupiedSpaces",
        "parkingNumberOfSpacesOverride",
    ),
    "parkingFacilityStatus": _Form(
        "parkingFacilityReference",
        "parkingFacilityStatusTime",
        "",
        "totalNumberOfVacantParkingSpaces",
        "totalNumberOfOccupiedParkingSpaces",
        "totalParkingCapacityOverride",
    ),
}


def read_datex2(body: bytes, source: Datex2Source) -> tuple[list[Statement], list[RowProblem]]:
    """The statuses of a publication. Raises Unreadable."""
    root = _parse(body)
    published = next((_text(e) for e in root.iter() if _local(e) == "publicationTime"), "")
    statements: list[Statement] = []
    problems: list[RowProblem] = []
    for number, status in enumerate(_statuses(root), start=1):
        try:
            statements.append(_statement(status, source, published))
        except BadRow as why:
            problems.append(RowProblem(number, str(why)))
    if not statements and not problems:
        wanted = " and no ".join(_FORMS)
        raise Unreadable(
            f"The XML <{_local(root)[:60]}> is no parking status publication: it has no {wanted}."
        )
    return statements, problems


def _parse(body: bytes) -> ElementTree.Element:
    body = body.removeprefix(b"\xef\xbb\xbf")
    declared = _DECLARED_ENCODING.match(body)
    if b"\0" in body or (declared and declared[1].lower() not in _ENCODINGS):
        raise Unreadable("The XML is in an encoding that is not accepted here; UTF-8 is.")
    parser, tags = ElementTree.XMLParser(), 0
    try:
        for start in range(0, len(body), _PIECE):
            # Without a DOCTYPE there are no entities of the sender's own, so none that grow or name files.
            if _DECLARATION.search(body, max(0, start - _DECLARATION_LENGTH), start + _PIECE):
                raise Unreadable("The XML has a DOCTYPE or ENTITY declaration, which is refused for safety.")
            piece = body[start : start + _PIECE]
            tags += piece.count(b"<")
            if tags > _MOST_TAGS:
                raise Unreadable(f"The XML has more than {_MOST_TAGS} tags.")
            parser.feed(piece)
        root: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise Unreadable(f"The body is not XML: {error}.") from error
    return root


def _statuses(root: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """In document order, without looking inside them: a facility's status holds one of the same name."""
    ahead = [root]
    while ahead:
        element = ahead.pop()
        if _local(element) in _FORMS:
            yield element
        else:
            ahead.extend(reversed(element))


def _statement(status: ElementTree.Element, source: Datex2Source, published: str) -> Statement:
    form = _FORMS[_local(status)]
    reference = _child(status, form.reference)
    if reference is None:
        raise BadRow(f"it has no {form.reference}")
    counts = _child(status, form.inside) if form.inside else status
    if counts is None:
        raise BadRow(f"it has no {form.inside}")
    return Statement(
        device_id=device_name(reference.get("id", ""), source.prefix),
        observed_at=_time(_text(_child(status, form.time)) or published, form, source),
        free=_free(counts, form),
    )


def _time(text: str, form: _Form, source: Datex2Source) -> datetime:
    if not text:
        raise BadRow(f"it has no {form.time}, and the publication no publicationTime")
    return moment(text, "iso8601", source.time_zone)


def _free(counts: ElementTree.Element, form: _Form) -> int:
    vacant, occupied, capacity = (
        _text(_child(counts, name)) for name in (form.vacant, form.occupied, form.capacity)
    )
    if vacant:
        return whole_number(vacant, form.vacant)
    if occupied and capacity:
        return whole_number(capacity, form.capacity) - whole_number(occupied, form.occupied)
    raise BadRow(f"it has no {form.vacant}, nor {form.occupied} with {form.capacity}")


def _child(element: ElementTree.Element, name: str) -> ElementTree.Element | None:
    return next((child for child in element if _local(child) == name), None)


def _text(element: ElementTree.Element | None) -> str:
    return ((element.text or "") if element is not None else "").strip()


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
