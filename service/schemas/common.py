"""Parts that several schemas share."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainSerializer
from pydantic_core import PydanticCustomError, PydanticKnownError

from screening.taxonomy import Kind

# Control characters, halves of surrogate pairs, U+FFFE and U+FFFF, which databases, JSON or XML refuse.
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
MAX_ID = 200
MAX_CATEGORY = 100
# The time of the offices that use the service.
BEIJING = timezone(timedelta(hours=8))


def _printable(value: str) -> str:
    if UNPRINTABLE.search(value):
        raise PydanticCustomError("unprintable", "control character or lone surrogate")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticKnownError("string_too_short", {"min_length": 1})
    return value


def echo(value: object) -> str:
    """Return an id, of whatever kind and however bad, as it can be kept and given back."""
    return UNPRINTABLE.sub("\ufffd", str(value)[:MAX_ID])


def echo_id(given: object) -> str:
    """Return the id of an item as it was given, however bad; empty where it has none."""
    return echo(given.get("id", "")) if isinstance(given, dict) else ""


Printable = AfterValidator(_printable)
NotBlank = AfterValidator(_not_blank)
AskedKind = Literal[Kind, "auto"]
Id = Annotated[str, Field(description="编号", max_length=MAX_ID), Printable]
# Kept without a zone, given as UTC.
Moment = Annotated[
    datetime, PlainSerializer(lambda value: value.replace(tzinfo=UTC).isoformat(timespec="seconds"), return_type=str)
]
Cursor = Annotated[str | None, Field(description="上一页返回的 next_cursor；第一页不填", max_length=40)]
