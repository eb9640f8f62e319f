"""Cursors of lists: opaque to callers, a row's seq to us."""

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar

from service.problems import ProblemError
from service.storage.tables import AuditEntry, JobRecord, ScreeningRecord

PREFIX = b"seq:"
LARGEST = 2**62


Row = TypeVar("Row", AuditEntry, JobRecord, ScreeningRecord)


def page_of(rows: Sequence[Row], limit: int) -> tuple[Sequence[Row], str | None]:
    """Return the first `limit` rows, of which one more was asked for, and the cursor of the next page, if any."""
    more = encode_cursor(rows[limit - 1].seq) if len(rows) > limit else None
    return rows[:limit], more


def encode_cursor(seq: int) -> str:
    """Return the cursor that stands after this row."""
    return base64.urlsafe_b64encode(PREFIX + str(seq).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> int | None:
    """Return the seq of a cursor; None for none, or an empty one. Raises ProblemError 422."""
    if not cursor:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        seq = int(raw.removeprefix(PREFIX)) if raw.startswith(PREFIX) else -1
    except (binascii.Error, ValueError) as error:
        raise ProblemError(422, "cursor 无效，请使用上一页返回的值") from error
    if not 0 <= seq <= LARGEST:
        raise ProblemError(422, "cursor 无效，请使用上一页返回的值")
    return seq
