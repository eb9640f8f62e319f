"""Cursors of lists: opaque to callers, a row's seq to us."""

import base64
import binascii

from service.problems import ProblemError

PREFIX = b"seq:"
LARGEST = 2**62


def encode_cursor(seq: int) -> str:
    """Return the cursor that stands after this row."""
    return base64.urlsafe_b64encode(PREFIX + str(seq).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> int | None:
    """Return the seq of a cursor; None for none. Raises ProblemError 422."""
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        seq = int(raw.removeprefix(PREFIX)) if raw.startswith(PREFIX) else -1
    except (binascii.Error, ValueError) as error:
        raise ProblemError(422, "cursor 无效，请使用上一页返回的值") from error
    if not 0 <= seq <= LARGEST:
        raise ProblemError(422, "cursor 无效，请使用上一页返回的值")
    return seq
