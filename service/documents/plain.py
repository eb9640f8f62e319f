"""Reads text, Markdown and HTML files."""

import html
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice

from lxml import etree

from screening.textfile import EncodingError, decode
from service.documents.lines import Line, joined, paragraphs, text_width, wrapped_share
from service.documents.model import Block, Document, DocumentError, Limits, within

HEADING = re.compile(r"#{1,6}\s+")
MARKUP = re.compile(r"^(?:>\s*|[*+-]\s+)+|\*\*|__|`|(?<=[^\s#])\s+#+$|</?[A-Za-z][A-Za-z0-9-]*(?:\s[^<>]*)?/?>")
EMPHASIS = re.compile(r"(?<![\dA-Za-z*])\*(?=[^\s*])([^*]+)(?<=\S)\*(?![\dA-Za-z*])")
# Of links and pictures their words are read. What stands in brackets after others is an address if it may be one.
LINK = re.compile(r"!?\[([^\[\]]*)\]\([!-'*-~]*(?:\s+\"[^\"]*\")?\)")
RULE = re.compile(r"-{3,}|\*{3,}|_{3,}|=+")
FENCES = ("```", "~~~")
FRONT_MATTER_ENDS = ("---", "...")
# Front matter is no longer: what has not ended by then is text below a rule.
FRONT_MATTER_LINES = 200
FRONT_MATTER_TEXT = re.compile(r"(?:title|description)\s*:\s*(.+)", re.IGNORECASE)
BLOCK_TAGS = {
    "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "header", "footer", "table",
    "ul", "ol", "dl", "dt", "dd", "blockquote", "pre", "br", "hr", "form", "option", "body", "figcaption", "figure",
    "nav", "main", "aside", "dialog", "address", "fieldset", "legend", "details", "summary", "button", "caption",
    "hgroup", "menu", "search", "center", "select", "optgroup", "textarea", "thead", "tbody", "tfoot",
}  # fmt: skip
CELLS = {"td", "th"}
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
HIDDEN_TAGS = {"script", "style", "noscript", "template", "svg", "head"}
HIDDEN_STYLE = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
# A shorter description of a picture names an icon or a button.
MIN_ALT = 4
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


def _raw_lines(name: str, data: bytes) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file with their numbers, however it ends them: with CR, LF or both."""
    yield from enumerate(io.StringIO(decode_text(name, data), newline=None), 1)


def _lines(name: str, data: bytes) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file with their numbers, without outer blanks."""
    for number, line in _raw_lines(name, data):
        yield number, line.strip()


def _placed(number: int, raw: str, measure: Callable[[str], float]) -> Line:
    left = measure(raw[: len(raw) - len(raw.lstrip())])
    return Line(raw.strip(), left=left, right=left + measure(raw.strip()), base=number, em=1.0)


def _text_blocks(name: str, data: bytes, limits: Limits) -> Iterator[Block]:
    """Yield the lines, or the paragraphs where the lines are those of a page.

    Programs wrap texts at so many characters, or at the width at which these are shown.
    """
    raw_lines: list[tuple[int, str]] = []
    chars = 0
    for number, raw in _raw_lines(name, data):
        if raw.strip():
            raw_lines.append((number, raw.rstrip()))
            chars += len(raw.strip()) + 1
            limits.check_chars(chars)  # before all lines are measured together
    measured = ([_placed(number, raw, measure) for number, raw in raw_lines] for measure in (text_width, len))
    lines = max(measured, key=wrapped_share)
    limits.check_time()
    for run in paragraphs(lines) if wrapped_share(lines) else ([line] for line in lines):
        yield Block(joined(run), paragraph=int(run[0].base))


def parse_text(name: str, data: bytes, limits: Limits) -> Document:
    """Read a text file, one block a line, or a paragraph where it is wrapped."""
    return Document(name, within(_text_blocks(name, data, limits), limits))


def _is_rule(line: str) -> bool:
    """Tell whether a line of Markdown is drawn: a rule, that below a heading or in a table, a fence around code."""
    signs = set(line) - {" "}
    is_line = RULE.fullmatch(line.replace(" ", "")) is not None
    return is_line or line.startswith(FENCES) or ({"|", "-"} <= signs <= set("|:-"))


def _markdown_text(line: str) -> str:
    """Return the words of a line of Markdown."""
    if line.startswith("|") and line.endswith("|"):
        line = "　".join(filter(None, (cell.strip() for cell in line.split("|"))))
    return html.unescape(MARKUP.sub("", EMPHASIS.sub(r"\1", LINK.sub(r"\1", line)))).strip()


def _front_matter(lines: Sequence[tuple[int, str]]) -> int:
    """Return how many lines tell of a Markdown file what programs read."""
    if not lines or lines[0][1] != FRONT_MATTER_ENDS[0]:
        return 0
    return next((place + 1 for place, (_, line) in enumerate(lines) if place and line in FRONT_MATTER_ENDS), 0)


def _markdown_blocks(name: str, data: bytes) -> Iterator[Block]:
    lines = _lines(name, data)
    first = list(islice(lines, FRONT_MATTER_LINES))
    start = _front_matter(first)
    for number, line in first[:start]:
        if match := FRONT_MATTER_TEXT.fullmatch(line):
            yield Block(match[1].strip("\"' "), line.lower().startswith("title"), paragraph=number)
    held: Block | None = None
    for number, line in chain(first[start:], lines):
        if _is_rule(line):
            if held and held.paragraph == number - 1 and set(line) in ({"="}, {"-"}):
                held = replace(held, is_heading=True)
            continue
        if held:
            yield held
        heading = HEADING.match(line)
        text = _markdown_text(line[heading.end() :] if heading else line)
        held = Block(text, bool(heading), paragraph=number) if text else None
    if held:
        yield held


def parse_markdown(name: str, data: bytes, limits: Limits) -> Document:
    """Read a Markdown file, without its signs."""
    return Document(name, within(_markdown_blocks(name, data), limits))


def _in_one_line(parts: Iterable[str]) -> str:
    return " ".join("".join(parts).split())


class _Collector:
    """Gathers the text that a page shows or names itself and its pictures by, while the parser reads: it makes no tree.

    The title comes first, as a heading, and the description next; what names a picture comes after the text around it.
    """

    def __init__(self) -> None:
        self.calls = 0
        self._blocks: list[Block] = []
        self._count = 0
        self._parts: list[str] = []
        self._cells: list[str] = []
        self._in_head = False
        self._title_parts: list[str] | None = None
        self._title = self._description = ""
        self._had_heading = False
        self._alts: list[str] = []
        self._known_alts: set[str] = set()
        self._depth = 0
        self._hidden_from = MAX_DEPTH + 1

    def taken(self) -> list[Block]:
        """Return the blocks gathered since the last time."""
        blocks, self._blocks = self._blocks, []
        return blocks

    def _add(self, text: str, is_heading: bool = False) -> None:
        self._count += 1
        self._blocks.append(Block(text, is_heading, paragraph=self._count))

    def _end_cell(self) -> None:
        text = _in_one_line(self._parts)
        self._parts = []
        if text:
            self._cells.append(text)

    def _flush(self, is_heading: bool = False) -> None:
        """Make a block of the text since the last one; cells of a row are kept apart. The title is not repeated."""
        self._end_cell()
        text, alts = "　".join(self._cells), self._alts
        self._cells, self._alts = [], []
        if text and (text != self._title or not is_heading or self._had_heading):
            self._add(text, is_heading)
        self._had_heading = self._had_heading or bool(text and is_heading)
        for alt in alts:
            self._add(alt)

    def _take_alt(self, alt: str) -> None:
        """Take what a picture is named, once: shops name all pictures of a product alike, many by the page's title."""
        if len(alt) >= MIN_ALT and alt not in self._known_alts:
            self._known_alts.add(alt)
            self._alts.append(alt)

    def _start_in_head(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "title" and not self._title:
            self._title_parts = []
        elif tag == "meta" and attributes.get("name", "").lower() == "description" and not self._description:
            self._description = _in_one_line([attributes.get("content", "")])

    def _end_in_head(self, tag: str) -> None:
        if tag == "title" and self._title_parts is not None:
            self._title, self._title_parts = _in_one_line(self._title_parts), None
        elif tag == "head":
            self._in_head = False
            self._end_head()

    def _end_head(self) -> None:
        """Take what the head says of the page: it is hidden, but search engines and chats show it."""
        self._known_alts.add(self._title)
        head = (Block(self._title, is_heading=True), Block(self._description))
        self._blocks += [block for block in head if block.text]

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Take an opening tag."""
        self.calls += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise DocumentError("网页嵌套过深，拒绝处理")
        is_visible = self._depth < self._hidden_from
        if tag in HIDDEN_TAGS or "hidden" in attributes or HIDDEN_STYLE.search(attributes.get("style", "")):
            if tag in BLOCK_TAGS and is_visible:
                self._flush()
            self._hidden_from = min(self._hidden_from, self._depth)
            is_visible = False
        if tag in BLOCK_TAGS and is_visible:
            self._flush()
        elif tag in CELLS and is_visible:
            self._end_cell()
        elif tag == "img" and is_visible:
            self._take_alt(_in_one_line([attributes.get("alt", "")]))
        elif tag == "head":
            self._in_head = True
        elif self._in_head:
            self._start_in_head(tag, attributes)

    def end(self, tag: str) -> None:
        """Take a closing tag, one for each opening."""
        self.calls += 1
        if tag in BLOCK_TAGS and self._depth < self._hidden_from:
            self._flush(tag in HEADINGS)
        elif tag in CELLS and self._depth < self._hidden_from:
            self._end_cell()
        elif self._in_head:
            self._end_in_head(tag)
        if self._depth == self._hidden_from:
            self._hidden_from = MAX_DEPTH + 1
        self._depth -= 1

    def data(self, text: str) -> None:
        """Take text between tags."""
        self.calls += 1
        if self._title_parts is not None:
            self._title_parts.append(text)
        elif self._depth < self._hidden_from:
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
    """Read what a page shows, and what it names itself and its pictures; its scripts and links are not followed."""
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
