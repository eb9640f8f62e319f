"""What a parsed document is, and what parsers may take."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from screening.errors import MingjianError
from screening.screener import MAX_CHARS
from screening.taxonomy import Kind
from service.schemas.common import UNPRINTABLE


class DocumentError(MingjianError):
    """The document cannot be read; `status` is what the API answers with."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Limits:
    """What a parser may take at most.

    `chars` are those of a document, `text_chars` those of one row, `file_bytes` those of a document in an archive;
    `deadline` is by the monotonic clock.
    """

    pages: int = 500
    unpacked_bytes: int = 256 * 1024 * 1024
    file_bytes: int = 64 * 1024 * 1024
    pixels: int = 40_000_000
    chars: int = 2_000_000
    rows: int = 1_000_000
    text_chars: int = MAX_CHARS
    deadline: float = math.inf

    def check_time(self) -> None:
        """Raise DocumentError where reading takes too long: a thread can only end itself."""
        if time.monotonic() > self.deadline:
            raise DocumentError("读取文件超时，请拆分后分别提交", 504)

    def check_chars(self, chars: int) -> None:
        """Raise DocumentError where a document has more characters than it may."""
        if chars > self.chars:
            raise DocumentError(f"文件的文字超过 {self.chars} 字", 413)


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, heading, cell or line, in the order of the document; pages and paragraphs count from 1.

    `sheet` names the sheet of a workbook of which several are read; `paragraph` is then the row in it. `region` names
    what a block outside the body of a document stands in, as a footnote or a header. `kind` and `category` are those
    that a row of a table names itself.
    """

    text: str
    is_heading: bool = False
    page: int | None = None
    paragraph: int | None = None
    sheet: str = ""
    region: str = ""
    kind: Kind | None = None
    category: str = ""


def within(blocks: Iterable[Block], limits: Limits) -> tuple[Block, ...]:
    """Gather blocks as they are read, without control characters; raises DocumentError beyond `limits.chars`.

    A block longer than the screener reads is cut: one long cell must not keep the others from being read.
    """
    found: list[Block] = []
    chars = 0
    for block in blocks:
        limits.check_time()
        chars += len(block.text) + 1
        limits.check_chars(chars)
        text = UNPRINTABLE.sub("", block.text).strip()
        parts = (text[start : start + MAX_CHARS].strip() for start in range(0, len(text), MAX_CHARS))
        found.extend(replace(block, text=part) if part != block.text else block for part in parts if part)
    return tuple(found)


@dataclass(frozen=True)
class Document:
    """A parsed document.

    `by_recognition` tells that text was read from images, and may hold misread characters; `is_list` that each block is
    a text of its own, as the rows of a table are.
    """

    name: str
    blocks: tuple[Block, ...]
    by_recognition: bool = False
    is_list: bool = False

    @property
    def text(self) -> str:
        """The whole text, one block a line."""
        return "\n".join(block.text for block in self.blocks)
