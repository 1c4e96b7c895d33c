"""Who may act: one role per user."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    DRIVER = "driver"
    OPERATOR_STAFF = "operator_staff"
    """Of one operator (经营者)."""
    INSTITUTION_MANAGER = "institution_manager"
    """Of one institution (机关事业单位、国有企业)."""
    ENFORCEMENT_OFFICER = "enforcement_officer"
    ENFORCEMENT_REVIEWER = "enforcement_reviewer"
    CITY_ADMINISTRATOR = "city_administrator"
    AUDITOR = "auditor"
    INTEGRATION = "integration"
    """A system of another body."""


CONSOLE_ROLES = (
    Role.OPERATOR_STAFF,
    Role.INSTITUTION_MANAGER,
    Role.ENFORCEMENT_OFFICER,
    Role.ENFORCEMENT_REVIEWER,
    Role.CITY_ADMINISTRATOR,
    Role.AUDITOR,
)
"""Those who work at the console."""
