"""What a parsed document is, and what parsers may take."""

from dataclasses import dataclass

from screening.errors import MingjianError


class DocumentError(MingjianError):
    """The document cannot be read; `status` is what the API answers with."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Limits:
    """What a parser may take at most."""

    pages: int = 500
    unpacked_bytes: int = 256 * 1024 * 1024
    pixels: int = 40_000_000
    chars: int = 2_000_000


@dataclass(frozen=True)
class Block:
    """A paragraph, heading, cell or line, in the order of the document; pages and paragraphs count from 1."""

    text: str
    is_heading: bool = False
    page: int | None = None
    paragraph: int | None = None


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
