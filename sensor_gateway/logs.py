"""The gateway's log: a JSON object a line, with the traceback where there is one."""

from __future__ import annotations

import contextlib
import logging
from typing import Any, TextIO

import structlog


class _SteadyLogger(structlog.PrintLogger):
    """Where a line cannot be written it is lost: a full disk must not also end the intake."""

    def msg(self, message: str) -> None:
        """Write a line."""
        with contextlib.suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


def configure(level: str, file: TextIO) -> None:
    """Log to `file`, from `level` up."""

    def make(*_: Any) -> _SteadyLogger:
        return _SteadyLogger(file)

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=make,
    )
