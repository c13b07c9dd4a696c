"""Structured logs without personal data."""

import logging
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

from intents.text import mask


def _masked(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Phones, e-mail addresses and numbers of documents never reach a log."""
    return {name: mask(value) if isinstance(value, str) else value for name, value in event.items()}


def set_up_logs(level: str) -> None:
    """One JSON line per event on standard error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _masked,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper(), logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
