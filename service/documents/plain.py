"""Reads text, Markdown and HTML files."""

import io
import re
from collections.abc import Iterator, Mapping

from lxml import etree

from screening.textfile import EncodingError, decode
from service.documents.model import Block, Document, DocumentError, Limits, within

HEADING = re.compile(r"#{1,6}\s+")
MARKUP = re.compile(r"^[>*+-]\s+|\*\*|__|`")
BLOCK_TAGS = {
    "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "header", "footer", "table",
    "ul", "ol", "dl", "dt", "dd", "blockquote", "pre", "br", "hr", "form", "option", "body", "figcaption",
}  # fmt: skip
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
HIDDEN_TAGS = {"script", "style", "noscript", "template", "svg", "head"}
MAX_DEPTH = 400
MAX_HTML_BYTES = 16 * 1024 * 1024
# Pictures inside a page make tags as long as nothing else honest does.
DATA_URL = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]*")
PIECE = 64 * 1024
# The parser waits for the end of a tag, and then takes a time that grows with the square of its attributes.
MAX_SILENT_PIECES = 4


def decode_text(name: str, data: bytes) -> str:
    """Decode a file; raises DocumentError."""
    try:
        return decode(data, name)
    except EncodingError as error:
        raise DocumentError(str(error), 415) from error


def _lines(name: str, data: bytes) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file with their numbers."""
    for number, line in enumerate(io.StringIO(decode_text(name, data)), 1):
        yield number, line.strip()


def parse_text(name: str, data: bytes, limits: Limits) -> Document:
    """Read a text file, one block a line."""
    blocks = (Block(line, paragraph=number) for number, line in _lines(name, data) if line)
    return Document(name, within(blocks, limits))


def _markdown_blocks(name: str, data: bytes) -> Iterator[Block]:
    for number, line in _lines(name, data):
        heading = HEADING.match(line)
        text = MARKUP.sub("", line[heading.end() :] if heading else line).strip()
        if text:
            yield Block(text, bool(heading), paragraph=number)


def parse_markdown(name: str, data: bytes, limits: Limits) -> Document:
    """Read a Markdown file, without its signs."""
    return Document(name, within(_markdown_blocks(name, data), limits))


class _Collector:
    """Gathers the visible text of a page into blocks while the parser reads: no tree of it is made."""

    def __init__(self) -> None:
        self.calls = 0
        self._blocks: list[Block] = []
        self._count = 0
        self._parts: list[str] = []
        self._depth = 0
        self._hidden_from = MAX_DEPTH + 1

    def taken(self) -> list[Block]:
        """Return the blocks gathered since the last time."""
        blocks, self._blocks = self._blocks, []
        return blocks

    def _flush(self, is_heading: bool = False) -> None:
        text = " ".join("".join(self._parts).split())
        self._parts = []
        if text:
            self._count += 1
            self._blocks.append(Block(text, is_heading, paragraph=self._count))

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Take an opening tag."""
        self.calls += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise DocumentError("网页嵌套过深，拒绝处理")
        if tag in HIDDEN_TAGS or "hidden" in attributes:
            self._hidden_from = min(self._hidden_from, self._depth)
        if tag in BLOCK_TAGS and self._depth < self._hidden_from:
            self._flush()

    def end(self, tag: str) -> None:
        """Take a closing tag, one for each opening."""
        self.calls += 1
        if tag in BLOCK_TAGS and self._depth < self._hidden_from:
            self._flush(tag in HEADINGS)
        if self._depth == self._hidden_from:
            self._hidden_from = MAX_DEPTH + 1
        self._depth -= 1

    def data(self, text: str) -> None:
        """Take text between tags."""
        self.calls += 1
        if self._depth < self._hidden_from:
            self._parts.append(text)

    def close(self) -> None:
        """Take the end of the page."""
        self._flush()


def _html_blocks(text: str) -> Iterator[Block]:
    collector = _Collector()
    parser = etree.HTMLParser(target=collector, no_network=True)
    silent = 0
    for start in range(0, len(text), PIECE):
        calls = collector.calls
        parser.feed(text[start : start + PIECE])
        silent = silent + 1 if collector.calls == calls else 0
        if silent > MAX_SILENT_PIECES:
            raise DocumentError("网页中有过长的标签，拒绝处理", 413)
        yield from collector.taken()
    parser.close()
    yield from collector.taken()


def _html_text(name: str, data: bytes) -> str:
    """Decode a page by what it declares, else as any text."""
    declared = re.search(rb"charset=[\"']?([\w-]+)", data[:2048], re.IGNORECASE)
    if declared:
        try:
            text = data.decode(declared[1].decode("ascii"))
            text.encode()  # some encodings of Python's give what is no text
        except (LookupError, UnicodeError):
            pass
        else:
            return text
    return decode_text(name, data)


def parse_html(name: str, data: bytes, limits: Limits) -> Document:
    """Read the visible text of a page; its scripts, styles and links are not followed."""
    if len(data) > MAX_HTML_BYTES:
        raise DocumentError(f"网页超过 {MAX_HTML_BYTES // 1024 // 1024} MB", 413)
    text = DATA_URL.sub("", _html_text(name, data))
    # A declaration of encoding is refused in text that is decoded already.
    text = re.sub(r"<\?xml[^>]*\?>", "", text)
    if not text.strip():
        return Document(name, ())
    try:
        return Document(name, within(_html_blocks(text), limits))
    except (etree.LxmlError, ValueError) as error:
        raise DocumentError("网页文件已损坏，无法读取") from error
