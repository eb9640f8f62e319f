"""Parts that several schemas share."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer

PRINTABLE_FROM = " "


def _printable(value: str) -> str:
    if any(character < PRINTABLE_FROM and character not in "\n\r\t" for character in value):
        raise ValueError("control character")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("lone surrogate")
    return value


Printable = AfterValidator(_printable)
# Kept without a zone, given as UTC.
Moment = Annotated[
    datetime, PlainSerializer(lambda value: value.replace(tzinfo=UTC).isoformat(timespec="seconds"), return_type=str)
]
Cursor = Annotated[str | None, Field(description="上一页返回的 next_cursor；第一页不填", max_length=40)]
