"""Identifiers: UUIDv7, so that new rows lie together in an index."""

from __future__ import annotations

from uuid import UUID, uuid5

import uuid_utils

_NAMESPACE = UUID("6f2b8c1e-6a57-5d0b-9a54-3f7f1c9d2e10")


def new_id() -> UUID:
    """A fresh UUIDv7."""
    return UUID(bytes=uuid_utils.uuid7().bytes)


def stable_id(*names: str) -> UUID:
    """The same id for the same names on every machine: for demo data and imports that are run again."""
    return uuid5(_NAMESPACE, "/".join(names))
