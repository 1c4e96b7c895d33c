"""Every table there is, imported once so that the metadata is whole: for migrations and their test."""

from __future__ import annotations

from parking_cloud.accounts import consent_models as consents
from parking_cloud.accounts import driver_models as drivers
from parking_cloud.accounts import models as accounts
from parking_cloud.arrears import models as arrears
from parking_cloud.enforcement import models as enforcement
from parking_cloud.gates import allow_list_models as allow_lists
from parking_cloud.gates import models as gates
from parking_cloud.guidance.signs import models as signs
from parking_cloud.invoices import models as invoices
from parking_cloud.kernel import audit, follow_ups, idempotency, outbox
from parking_cloud.kernel.db import Base
from parking_cloud.ledger import models as ledger
from parking_cloud.notices import models as notices
from parking_cloud.occupancy import battery_flags, counting, heard
from parking_cloud.occupancy import models as occupancy
from parking_cloud.occupancy import series_models as series
from parking_cloud.operations import models as operations
from parking_cloud.payments import mandate_models as mandates
from parking_cloud.payments import models as payments
from parking_cloud.ratings import models as ratings
from parking_cloud.registry import models as registry
from parking_cloud.settlement import models as settlement
from parking_cloud.sharing import models as sharing
from parking_cloud.sharing import overstay_models as overstays
from parking_cloud.sharing import turn_away_models as turn_aways
from parking_cloud.sharing import use_models as uses
from parking_cloud.stays import models as stays
from parking_cloud.tariffs import models as tariffs

metadata = Base.metadata

__all__ = [
    "accounts",
    "allow_lists",
    "arrears",
    "audit",
    "battery_flags",
    "consents",
    "counting",
    "drivers",
    "enforcement",
    "follow_ups",
    "gates",
    "heard",
    "idempotency",
    "invoices",
    "ledger",
    "mandates",
    "metadata",
    "notices",
    "occupancy",
    "operations",
    "outbox",
    "overstays",
    "payments",
    "ratings",
    "registry",
    "series",
    "settlement",
    "sharing",
    "signs",
    "stays",
    "tariffs",
    "turn_aways",
    "uses",
]
