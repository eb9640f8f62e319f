"""Reads text, Markdown and HTML files."""

import re

import lxml.html
from lxml import etree

from screening.textfile import EncodingError, decode
from service.documents.model import Block, Document, DocumentError, Limits

HEADING = re.compile(r"#{1,6}\s+")
MARKUP = re.compile(r"^[>*+-]\s+|\*\*|__|`")
BLOCK_TAGS = {
    "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "header", "footer", "table",
    "ul", "ol", "dl", "dt", "dd", "blockquote", "pre", "br", "hr", "form", "option", "body", "title", "figcaption",
}  # fmt: skip
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6", "title"}
HIDDEN_TAGS = {"script", "style", "noscript", "template", "svg", "head"}
MAX_DEPTH = 400


def decode_text(name: str, data: bytes) -> str:
    """Decode a file; raises DocumentError."""
    try:
        return decode(data, name)
    except EncodingError as error:
        raise DocumentError(str(error), 415) from error


def parse_text(name: str, data: bytes, _: Limits) -> Document:
    """Read a text file, one block a line."""
    lines = decode_text(name, data).replace("\r\n", "\n").split("\n")
    blocks = (Block(line.strip(), paragraph=number) for number, line in enumerate(lines, 1))
    return Document(name, tuple(block for block in blocks if block.text))


def parse_markdown(name: str, data: bytes, _: Limits) -> Document:
    """Read a Markdown file, without its signs."""
    blocks = []
    for number, line in enumerate(decode_text(name, data).replace("\r\n", "\n").split("\n"), 1):
        heading = HEADING.match(line)
        text = MARKUP.sub("", line[heading.end() :] if heading else line.strip()).strip()
        if text:
            blocks.append(Block(text, bool(heading), paragraph=number))
    return Document(name, tuple(blocks))


class _Collector:
    """Gathers the visible text of a page into blocks."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._parts: list[str] = []

    def flush(self, is_heading: bool) -> None:
        text = " ".join("".join(self._parts).split())
        self._parts = []
        if text:
            self.blocks.append(Block(text, is_heading, paragraph=len(self.blocks) + 1))

    def walk(self, element: etree._Element, depth: int = 0) -> None:
        tag = element.tag if isinstance(element.tag, str) else ""
        if depth > MAX_DEPTH:
            raise DocumentError("网页嵌套过深，拒绝处理")
        if tag and tag not in HIDDEN_TAGS and "hidden" not in element.attrib:
            opens = tag in BLOCK_TAGS
            if opens:
                self.flush(is_heading=False)
            self._parts.append(element.text or "")
            for child in element:
                self.walk(child, depth + 1)
            if opens:
                self.flush(tag in HEADINGS)
        self._parts.append(element.tail or "")


def parse_html(name: str, data: bytes, _: Limits) -> Document:
    """Read the visible text of a page; its scripts, styles and links are not followed."""
    declared = re.search(rb"charset=[\"']?([\w-]+)", data[:2048], re.IGNORECASE)
    text = ""
    if declared:
        try:
            text = data.decode(declared[1].decode("ascii"))
        except (LookupError, UnicodeDecodeError):
            text = ""
    text = text or decode_text(name, data)
    # A declaration of encoding is refused in text that is decoded already.
    text = re.sub(r"<\?xml[^>]*\?>", "", text)
    if not text.strip():
        return Document(name, ())
    try:
        root = lxml.html.document_fromstring(text, parser=lxml.html.HTMLParser(huge_tree=False, no_network=True))
    except (etree.LxmlError, ValueError) as error:
        raise DocumentError("网页文件已损坏，无法读取") from error
    collector = _Collector()
    try:
        collector.walk(root)
    except RecursionError as error:
        raise DocumentError("网页嵌套过深，拒绝处理") from error
    collector.flush(is_heading=False)
    return Document(name, tuple(collector.blocks))
