"""Structured logs: one line an event, JSON or for reading; never what was posted, never a secret."""

import logging
import sys
from typing import Literal

import structlog

TRACE = "Traceback (most recent"


def _without_trace(record: logging.LogRecord) -> bool:
    """Put the error's type in place of its trace, which may quote what was posted or the database's address.

    A trace may also be part of the message, as where Starlette tells uvicorn why the application could not start.
    """
    if isinstance(record.msg, dict):  # the service's own events, which hold no trace
        return True
    said, trace, _ = record.getMessage().partition(TRACE)
    if record.exc_info or trace:
        kind = (record.exc_info or sys.exc_info())[0]
        record.msg, record.args = f"{said.rstrip()} {kind.__name__ if kind else ''}".strip(), ()
        record.exc_info = record.exc_text = None
    return True


def set_up_logs(style: Literal["json", "pretty"]) -> None:
    """Send the service's and its libraries' events to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(_without_trace)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    # DBOS does not pass its events on to the root, and brings a handler of its own where it finds none.
    for logger in (root, logging.getLogger("dbos")):
        logger.handlers = [handler]
    for noisy in ("alembic", "dbos", "uvicorn.access", "httpx", "RapidOCR"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
