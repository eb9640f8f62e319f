"""Joins printed lines into paragraphs: pages and wrapped files break a paragraph wherever their width ends."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, groupby, pairwise, takewhile
from statistics import median, median_high

from screening.segment import FULL_LINE_CHARS, HEADING_CHARS, begins_item

# All below are in widths of a full-width character.
LEFT_TOLERANCE = 0.6
RIGHT_TOLERANCE = 0.5
EDGE = 1.5
# The first line of a paragraph is set in by two, its other lines maybe by more than its number is wide.
MAX_INDENT = 4.5
# Lines that begin within so much of one another are of one column.
COLUMN_STEP = 2.0
# A column so wide has one full line at least; a narrower one is known by two that end together.
WIDE_COLUMN = 28.0
SAME_SIZE = 0.85
# Parts of the usual distance of lines: what stands farther below begins anew.
MAX_PITCH = 1.5
# Cells of a table leave more of their line empty than words do.
MIN_FILL = 0.72
# Lines at the edge of a page that may be its header or footer, and on what share of the pages one is.
MARGIN_LINES = 3
MARGIN_SHARE = 0.4
MAX_PAGE_NUMBER = 24
# A wrapped file is known by so many long lines, and such a share of them, that are full where they break off in
# mid-sentence; a full line has no room for more.
MIN_WRAPPED_SHARE = 0.75
MIN_WRAPPED_LINES = 2
MAX_ROOM = 2.0

_SENTENCE_END = re.compile("[。！？!?；;：:….][”’」』）)】》]*$")
_CLOSING = "，。、；：！？”’」』）】》〉,.;:!?)]}%％"
_WORD = re.compile(r"[!-~]+|[^!-~]")
# Between these stood a blank at the end of the line; signs of markup and the halves of a number have none.
_WORD_END = re.compile(r"[A-Za-z\dÀ-ɏ,.;:!?)%'\"]")
_WORD_START = re.compile(r"[A-Za-z\dÀ-ɏ($'\"]")
# What looks like a number of a clause may be words of a sentence that goes on: "本合同\n第三条约定的", "总价的\n1.5倍".
_WITHIN_SENTENCE = re.compile(
    r"第[^\s条章节款项]{1,8}[条章节][第之的和或与及至到中所约规、，款项]|[（(][^）)]{1,3}[）)][项款目]|\d{1,2}\.\d"
)
_PAGE_NUMBER = re.compile(
    r"[-—–~·•\s]*(?:第\s*)?(?:\d{1,4}|[ivxlc]+|[一二三四五六七八九十百]+)(?:\s*页)?"
    r"(?:\s*[/，,]?\s*(?:共|of)?\s*\d{1,4}(?:\s*页)?)?[-—–~·•\s]*|page\s*\d{1,4}(?:\s*(?:of|/)\s*\d{1,4})?",
    re.IGNORECASE,
)
_SHORT_NUMBER = re.compile(r"(?<![\dA-Za-z-])\d{1,4}(?![\dA-Za-z-])")


@dataclass(frozen=True, slots=True)
class Line:
    """A printed line and its place on a page.

    `left` and `right` count from the left edge, `base`, on which the characters stand, from the top; `em` is the width
    of a full-width character, all in one unit. Where `em` is 0 the place is unknown, and the line is joined with none.
    """

    text: str
    page: int = 1
    left: float = 0.0
    right: float = 0.0
    base: float = 0.0
    em: float = 0.0

    @property
    def width(self) -> float:
        """In widths of a full-width character."""
        return (self.right - self.left) / self.em if self.em else 0.0

    @property
    def ends_sentence(self) -> bool:
        """Whether it ends as a sentence or a lead-in does."""
        return _SENTENCE_END.search(self.text) is not None

    @property
    def is_row(self) -> bool:
        """Whether it has gaps, as a row of a table has."""
        return text_width(self.text) < MIN_FILL * self.width


@dataclass
class _Column:
    """The lines of a page that begin near one another, but for rows of tables."""

    lines: list[Line] = field(default_factory=list)
    left: float = 0.0
    right: float = 0.0
    is_wrapped: bool = False

    def measure(self) -> None:
        """Find the edges, and whether lines end for want of room."""
        self.left = min(line.left for line in self.lines)
        widest = max(self.lines, key=lambda line: line.right)
        full = [line.right for line in self.lines if widest.right - line.right < EDGE * line.em]
        # One line may stand out: signs hang over the edge, and a font that is not in the file has other widths.
        self.right = median_high(full)
        self.is_wrapped = widest.width >= WIDE_COLUMN or (len(full) > 1 and widest.width >= HEADING_CHARS)


def is_wide(character: str) -> bool:
    """Tell whether a character is a full-width one in every font: quotation marks and the like are in Chinese ones."""
    return unicodedata.east_asian_width(character) in "WF"


def text_width(text: str) -> float:
    """Return how wide a text is in widths of a full-width character."""
    return sum(1.0 if unicodedata.east_asian_width(own) in "WFA" else 0.5 for own in text)


def _columns(lines: Sequence[Line]) -> list[_Column]:
    """Return the column of each line."""
    unit = COLUMN_STEP * median([line.em for line in lines if line.em] or [1.0])
    places = [(line.page, int(line.left // unit)) for line in lines]
    by_place: dict[tuple[int, int], _Column] = defaultdict(_Column)
    for line, (page, step) in zip(lines, places, strict=True):
        if line.em and not line.is_row:
            for near in range(step - 2, step + 3):
                by_place[page, near].lines.append(line)
    for column in by_place.values():
        column.measure()
    return [by_place[place] for place in places]


def _pitches(lines: Sequence[Line]) -> dict[int, float]:
    """Return the usual distance of lines on each page."""
    found: dict[int, list[float]] = defaultdict(list)
    for above, line in pairwise(lines):
        if above.page == line.page and above.em and above.base < line.base:
            found[line.page].append(line.base - above.base)
    return {page: median(distances) for page, distances in found.items()}


def _piece(text: str) -> str:
    """Return what of a line's start cannot be broken off: a character or a Latin word, with closing signs after it."""
    word = _WORD.match(text)
    end = word.end() if word else 0
    while end < len(text) and text[end] in _CLOSING:
        end += 1
    return text[:end]


def _are_near(above: Line, line: Line, pitch: float) -> bool:
    """Tell whether a line of the same size stands right below another, or on top of the next page."""
    if not above.em or not line.em or not SAME_SIZE < line.em / above.em < 1 / SAME_SIZE:
        return False
    if above.page != line.page:
        return above.page + 1 == line.page
    return LEFT_TOLERANCE * line.em < line.base - above.base <= MAX_PITCH * pitch


def _are_aligned(run: Sequence[Line], line: Line) -> bool:
    """Tell whether a line begins where the next of the run's would: only the first one may be set in, or hang out."""
    shift = (line.left - run[-1].left) / line.em
    if abs(shift) <= LEFT_TOLERANCE:
        return True
    hangs = begins_item(run[0].text)
    return len(run) == 1 and -MAX_INDENT <= shift <= (MAX_INDENT if hangs else 0.0)


def _goes_on(run: Sequence[Line], line: Line, column: _Column, pitch: float) -> bool:
    """Tell whether a line goes on with the paragraph of the lines before it, of which the last is in the column."""
    last = run[-1]
    if not _are_near(last, line, pitch) or last.is_row or line.is_row or not _are_aligned(run, line):
        return False
    room = column.right - last.right + RIGHT_TOLERANCE * line.em
    is_full = column.is_wrapped and room < (text_width(_piece(line.text)) + 2 * RIGHT_TOLERANCE) * line.em
    if begins_item(line.text) and not (
        is_full and not last.ends_sentence and _WITHIN_SENTENCE.match(line.text) is not None
    ):
        return False
    if not last.ends_sentence:
        # A line that breaks off in mid-sentence is the same paragraph's, even if the writer left room beside it.
        return is_full or (last.width >= FULL_LINE_CHARS and line.ends_sentence)
    is_set_in = line.left - column.left > LEFT_TOLERANCE * line.em
    is_heading = text_width(line.text) <= HEADING_CHARS and not line.ends_sentence
    return is_full and not is_set_in and not is_heading


def paragraphs(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Yield the lines of each paragraph, in order. Items of lists, headings, rows of tables and verses stay apart."""
    columns, pitches = _columns(lines), _pitches(lines)
    run: list[Line] = []
    for line, above in zip(lines, [None, *columns], strict=False):
        if run and above and not _goes_on(run, line, above, pitches.get(line.page, 0.0)):
            yield run
            run = []
        run.append(line)
    if run:
        yield run


def joined(lines: Iterable[Line]) -> str:
    """Return the text of a paragraph: Latin words at the end of a line are parted from those on the next."""
    parts: list[str] = []
    last = ""
    for line in lines:
        if _WORD_END.match(last) and _WORD_START.match(line.text) and not (last + line.text[:1]).isdigit():
            parts.append(" ")
        parts.append(line.text)
        last = line.text[-1:]
    return "".join(parts)


def _key(line: Line) -> str:
    """Return what of a header or footer stays from page to page: all but short numbers."""
    return _SHORT_NUMBER.sub("#", "".join(line.text.split()))


def _is_page_number(line: Line) -> bool:
    return len(line.text) <= MAX_PAGE_NUMBER and _PAGE_NUMBER.fullmatch(line.text) is not None


def _edges(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Yield the first lines of each page, from the top down, and the last, from the bottom up."""
    for _, group in groupby(lines, key=lambda line: line.page):
        placed = sorted((line for line in group if line.em), key=lambda line: line.base)
        yield placed[:MARGIN_LINES]
        yield placed[: -MARGIN_LINES - 1 : -1]


def split_margins(lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """Return the lines without headers and footers, and these, each once; bare numbers of pages are left out.

    A header or footer is outermost on many pages at the same height, alike but for the number of the page.
    """
    edges = list(_edges(lines))
    places = Counter((_key(line), round(line.base / line.em)) for edge in edges for line in edge)
    least = max(2, MARGIN_SHARE * len(edges) / 2)
    margins: dict[str, Line] = {}
    left_out: set[int] = set()
    for line in chain.from_iterable(takewhile(partial(_is_margin, places, least), edge) for edge in edges):
        left_out.add(id(line))
        if not _is_page_number(line):
            margins.setdefault(_key(line), line)
    return [line for line in lines if id(line) not in left_out], list(margins.values())


def _is_margin(places: Counter[tuple[str, int]], least: float, line: Line) -> bool:
    if _is_page_number(line):
        return True
    if line.ends_sentence or begins_item(line.text):
        return False
    place = round(line.base / line.em)
    return sum(places[_key(line), near] for near in (place - 1, place, place + 1)) >= least


def wrapped_share(lines: Sequence[Line]) -> float:
    """Return what share of the lines that break off in mid-sentence are full; 0 unless they clearly are a page's.

    What follows a full line then mostly ends a sentence, sooner or later; titles that are cut at a length have no ends.
    """
    widest = max((line.right for line in lines), default=0.0)
    broken = [line for line in lines if line.width >= FULL_LINE_CHARS and not line.ends_sentence]
    full = sum(widest - line.right <= MAX_ROOM for line in broken)
    tails = [line for above, line in pairwise(lines) if widest - above.right <= MAX_ROOM < widest - line.right]
    ended = sum(line.ends_sentence for line in tails)
    if full < max(MIN_WRAPPED_LINES, MIN_WRAPPED_SHARE * len(broken)) or not 0 < len(tails) <= 2 * ended:
        return 0.0
    return full / len(broken)
