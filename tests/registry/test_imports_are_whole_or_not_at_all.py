"""An import is written whole, or refused with every bad row named."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.registry.csv_import import parse_csv
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.problems import ImportRefused
from parking_cloud.registry.schemas import RegistryBatch, SpaceIn
from parking_cloud.registry.service import list_devices
from tests.factories import load_small_city, small_city

HEADER = "code,name,kind,counting,capacity,operator_code,lat,lon\n"


def test_a_csv_becomes_rows() -> None:
    text_ = (
        HEADER
        + "a1,爱山广场,public_offstreet,counter,120,op,30.87,120.1\na2,衣裳街,on_street,spaces,9,op,,\n"
    )
    batch = parse_csv("facilities", text_.encode("utf-8-sig"))
    assert [(f.code, f.capacity, f.lat) for f in batch.facilities] == [("a1", 120, 30.87), ("a2", 9, None)]


def test_a_chinese_spreadsheet_is_read() -> None:
    batch = parse_csv("operators", "code,name\nop,湖州停车\n".encode("gb18030"))
    assert batch.operators[0].name == "湖州停车"


def test_every_bad_row_is_named() -> None:
    rows = "a1,x,public_offstreet,counter,many,op,30,120\n"
    rows += "a2,x,nowhere,counter,1,op,30,120\na3,x,on_street,spaces,1,op,91,120\n"
    with pytest.raises(ImportRefused) as refusal:
        parse_csv("facilities", (HEADER + rows).encode())
    assert [(e["line"], e["column"]) for e in refusal.value.errors or []] == [
        (2, "capacity"),
        (3, "kind"),
        (4, "lat"),
    ]


def test_unknown_and_missing_columns_are_named() -> None:
    with pytest.raises(ImportRefused) as refusal:
        parse_csv("operators", b"code,colour\n")
    assert {(e["column"], e["reason"]) for e in refusal.value.errors or []} == {
        ("colour", "unknown column"),
        ("name", "missing column"),
    }


@pytest.mark.stack
@pytest.mark.anyio
async def test_a_reference_to_nothing_refuses_the_import(session: AsyncSession) -> None:
    await import_batch(session, small_city())
    with pytest.raises(ImportRefused) as refusal:
        await import_batch(session, RegistryBatch(spaces=[SpaceIn(facility_code="nowhere", number="1")]))
    assert refusal.value.errors == [
        {"part": "spaces", "row": 1, "field": "facility_code", "reason": "unknown", "value": "nowhere"}
    ]


@pytest.mark.stack
@pytest.mark.anyio
async def test_importing_twice_changes_nothing(session: AsyncSession) -> None:
    before = await load_small_city(session)
    after = await load_small_city(session)
    assert before == after
    assert len(await list_devices(session, facility_id=None, after="", limit=10)) == 5


@pytest.mark.stack
@pytest.mark.anyio
async def test_shared_spaces_are_counted(session: AsyncSession) -> None:
    await import_batch(session, small_city())
    spaces = [SpaceIn(facility_code="street", number=f"S{i}", shared=True) for i in (1, 2)]
    await import_batch(session, RegistryBatch(spaces=spaces))
    assert await session.scalar(text("select shared_spaces from facility where code = 'street'")) == 2
