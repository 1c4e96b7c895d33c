"""The stays' tables. A stay follows from passages, spaces and people; what it was is kept by version."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Text, column, func
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id
from parking_cloud.stays.schemas import Ended, Opened, Situation, StayState
from parking_cloud.tariffs.schemas import VehicleClass


def _in(name: str, values: type[Opened | Ended | StayState | VehicleClass]) -> str:
    return f"{name} in ({', '.join(repr(str(value)) for value in values)})"


class Stay(Base):
    """停车记录: one vehicle's visit at a facility.

    A vehicle cannot have been charged for two places at once: the database excludes closed stays of one plate
    whose times overlap.
    """

    __tablename__ = "stay"
    __table_args__ = (
        CheckConstraint(_in("state", StayState), name="state"),
        CheckConstraint(_in("opened_by", Opened), name="opened_by"),
        CheckConstraint(_in("ended_by", Ended), name="ended_by"),
        CheckConstraint(_in("vehicle_class", VehicleClass), name="vehicle_class"),
        CheckConstraint(
            f"situations <@ array[{', '.join(repr(str(s)) for s in Situation)}]::text[]", name="situations"
        ),
        CheckConstraint("exited_at >= entered_at", name="order"),
        CheckConstraint("(exited_at is null) = (ended_by is null)", name="ended"),
        CheckConstraint("state <> 'closed' or exited_at is not null", name="closed"),
        CheckConstraint("(plate_hash is null) = (plate_sealed is null)", name="plate"),
        CheckConstraint("confidence between 0 and 1", name="confidence"),
        ExcludeConstraint(
            (column("plate_hash"), "="),
            (func.tstzrange(column("entered_at"), column("exited_at")), "&&"),
            where="state = 'closed' and plate_hash is not null",
            name="ex_stay_one_place_at_a_time",
        ),
        Index("ix_stay_plate_hash", "plate_hash", "entered_at"),
        Index("ix_stay_facility_id", "facility_id", "entered_at"),
        Index("ix_stay_open", "facility_id", "plate_hash", postgresql_where="state = 'open'"),
        Index("ix_stay_review", "facility_id", "id", postgresql_where="state = 'review'"),
        Index("ix_stay_space_id", "space_id", postgresql_where="state = 'open' and space_id is not null"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    space_id: Mapped[UUID | None] = mapped_column(ForeignKey("space.id"))
    plate_hash: Mapped[bytes | None]
    plate_sealed: Mapped[bytes | None]
    plate_color: Mapped[str | None]
    confidence: Mapped[float | None]
    """The least of the readings that it rests on; None: nobody gave one, or a person checked them."""
    vehicle_class: Mapped[str]
    state: Mapped[str]
    entered_at: Mapped[datetime]
    opened_by: Mapped[str]
    entry_event_id: Mapped[UUID | None] = mapped_column(ForeignKey("gate_event.id"), unique=True)
    exited_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]
    exit_event_id: Mapped[UUID | None] = mapped_column(ForeignKey("gate_event.id"), unique=True)
    charging_minutes: Mapped[int] = mapped_column(default=0, server_default="0")
    """How long of it an electric car was charging."""
    situations: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")
    """What was out of the ordinary, by name: see schemas.Situation and rules.py."""
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    """Moves on with each change; what follows from a stay says which version it follows from."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
