"""The registry's tables: who runs what, where it is, and which device watches it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from geoalchemy2 import Geography
from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id
from parking_cloud.registry.opening import OPENING_PATTERN


def _point() -> Geography:
    return Geography(geometry_type="POINT", srid=4326, spatial_index=False)


class Operator(Base):
    """经营者: runs facilities; owes filing and real-time data."""

    __tablename__ = "operator"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]


class Institution(Base):
    """机关事业单位、国有企业: opens spaces for sharing."""

    __tablename__ = "institution"
    __table_args__ = (CheckConstraint("kind in ('institution', 'state_enterprise')", name="kind"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    kind: Mapped[str]


class Facility(Base):
    """停车场(库)或路内路段: one place with a capacity."""

    __tablename__ = "facility"
    __table_args__ = (
        CheckConstraint("capacity >= 0", name="capacity"),
        CheckConstraint("shared_spaces >= 0", name="shared_spaces"),
        CheckConstraint("counting in ('spaces', 'counter')", name="counting"),
        CheckConstraint(
            "kind in ('public_offstreet', 'on_street', 'ancillary', 'institution', 'state_enterprise',"
            " 'park_and_ride')",
            name="kind",
        ),
        CheckConstraint("height_limit_cm between 100 and 1000", name="height_limit_cm"),
        CheckConstraint(f"opening_hours ~ '{OPENING_PATTERN}'", name="opening_hours"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    name_en: Mapped[str] = mapped_column(default="")
    kind: Mapped[str]
    counting: Mapped[str]
    district: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="")
    capacity: Mapped[int]
    shared_spaces: Mapped[int] = mapped_column(default=0, server_default="0")
    """Number of its spaces that are shared; kept here by the import, because every list shows it."""
    accessible_spaces: Mapped[int] = mapped_column(default=0, server_default="0")
    charging_spaces: Mapped[int] = mapped_column(default=0, server_default="0")
    large_spaces: Mapped[int] = mapped_column(default=0, server_default="0")
    """How many spaces of each kind it has, likewise."""
    height_limit_cm: Mapped[int | None]
    """Nothing higher passes its entrance; None: no limit is known."""
    opening_hours: Mapped[str] = mapped_column(default="", server_default="")
    """When vehicles may enter (registry/opening.py); empty: at any time."""
    position: Mapped[Any | None] = mapped_column(_point())
    entrance: Mapped[Any | None] = mapped_column(_point())
    """Where vehicles drive in, where that is not its position."""
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operator.id"), index=True)
    institution_id: Mapped[UUID | None] = mapped_column(ForeignKey("institution.id"), index=True)
    synthetic: Mapped[bool] = mapped_column(default=False, server_default="false")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Zone(Base):
    """区域: part of a facility."""

    __tablename__ = "zone"
    __table_args__ = (UniqueConstraint("facility_id", "code"), UniqueConstraint("facility_id", "id"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    code: Mapped[str]
    name: Mapped[str]


class Space(Base):
    """泊位: one berth with its number. Its zone, where it has one, is of the same facility."""

    __tablename__ = "space"
    __table_args__ = (
        UniqueConstraint("facility_id", "number"),
        UniqueConstraint("facility_id", "id", name="uq_space_facility_and_id"),
        ForeignKeyConstraint(
            ["facility_id", "zone_id"], ["zone.facility_id", "zone.id"], name="fk_space_zone_of_same_facility"
        ),
        CheckConstraint("kind in ('standard', 'accessible', 'charging', 'large')", name="kind"),
        Index("ix_space_position", "position", postgresql_using="gist"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    zone_id: Mapped[UUID | None]
    number: Mapped[str]
    kind: Mapped[str] = mapped_column(default="standard")
    shared: Mapped[bool] = mapped_column(default=False)
    position: Mapped[Any | None] = mapped_column(_point())


class Device(Base):
    """设备: a sensor of one space or a counter of a facility. The space is of the same facility."""

    __tablename__ = "device"
    __table_args__ = (
        ForeignKeyConstraint(
            ["facility_id", "space_id"],
            ["space.facility_id", "space.id"],
            name="fk_device_space_of_same_facility",
        ),
        CheckConstraint("dev_eui is null or dev_eui ~ '^[0-9a-f]{16}$'", name="dev_eui"),
        CheckConstraint(
            "direction is null or (direction in ('entry', 'exit') and space_id is null)", name="direction"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    external_id: Mapped[str] = mapped_column(unique=True)
    vendor: Mapped[str]
    model: Mapped[str]
    firmware_line: Mapped[str] = mapped_column(default="")
    source: Mapped[str]
    dev_eui: Mapped[str | None] = mapped_column(unique=True)
    direction: Mapped[str | None]
    """Of a counter that watches one lane: `entry` or `exit`."""
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), index=True)
    space_id: Mapped[UUID | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DeviceProfile(Base):
    """What is usual for a model of device (and a firmware line): how it is watched and held off."""

    __tablename__ = "device_profile"
    __table_args__ = (
        CheckConstraint("hold_off_s between 0 and 600 and keep_alive_s > 0", name="times"),
        CheckConstraint("battery_full_v > battery_empty_v", name="battery"),
    )

    vendor: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    firmware_line: Mapped[str] = mapped_column(primary_key=True, default="")
    hold_off_s: Mapped[int] = mapped_column(default=20)
    """A space that changes again within this is shown unchanged until it has settled so long."""
    keep_alive_s: Mapped[int] = mapped_column(default=86_400)
    """The longest a device of this model is silent when all is well."""
    battery_full_v: Mapped[float | None]
    battery_empty_v: Mapped[float | None]
