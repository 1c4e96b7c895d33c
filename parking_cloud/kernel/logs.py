"""Logging: one JSON line an event, on standard error."""

from __future__ import annotations

import logging
import sys

import structlog

_TALKATIVE = ("httpx", "stripe")
"""Libraries that tell of every request: a payment's cost, and nobody's news."""


def configure_logging(level: str) -> None:
    """Set up structlog for a process. `level` is a standard name such as INFO."""
    for library in _TALKATIVE:
        logging.getLogger(library).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
