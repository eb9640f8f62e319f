"""Cuts a text into the pieces that are judged one by one: whole short texts, sentences, numbered clauses, windows.

A short text is judged whole, but for the lines of a contract: among lawful neighbours a clause is overlooked. A
contract is cut at its numbering (第X条, 一、, （一）, 1., 1.1, ①, A., •), every long text at its lines, and long lines
at sentence ends, sentences being packed together while they fit. A heading is read with what follows it. An item of a
list keeps the lead-in sentences it hangs on ("有下列情形之一的，本公司不负责任："), one of each level. What is longer
than a window is read in overlapping windows, so nothing is left out.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from screening.taxonomy import Kind

WHOLE_CHARS = 280
PACKED_CHARS = 140
WINDOW_CHARS = 280
OVERLAP_CHARS = 60
HEADING_CHARS = 14
# No text is broken into lines so short: what stands below one begins anew.
FULL_LINE_CHARS = 20
# A longer lead-in keeps its end only; what stands before is judged by itself.
LEAD_CHARS = 100

_NUMBERS = "[一二三四五六七八九十百零〇两\\d]"
# Levels of numbering, from the outermost in.
_LEVELS: tuple[re.Pattern[str], ...] = (
    re.compile(f"第{_NUMBERS}+[章节编]"),
    re.compile(f"第{_NUMBERS}+条"),
    re.compile("[一二三四五六七八九十]+、"),
    re.compile("[（(][一二三四五六七八九十]+[)）]、?|第[一二三四五六七八九十][，、：]"),
    re.compile(r"\d{1,2}(?:[、．]|\.(?!\d))(?!\d)"),
    re.compile(r"\d{1,2}(?:\.\d{1,2}){1,3}[、．.]?"),
    re.compile(r"[（(]\d{1,2}[)）]、?|\d{1,2}[)）]|[⑴-⒇]"),
    re.compile("[①-⑳]"),
    re.compile(r"[A-Za-z][、．.)）](?![A-Za-z\d])"),
    re.compile(r"[-*+][ \t\u3000]+|[·•●▪◆■○□]"),
)
# 1.1.1 lies within 1.1: each point is a level of its own between two of the table.
_LEVEL_STEP = 10
_PLACE = re.compile(r"(?:^|(?<=[\n。；;：:！？]))[ \t\u3000]*", re.MULTILINE)
_SENTENCE_END = re.compile(r"[。！？!?；;\n]+[”’」』）)]*")
_LINE_END = re.compile("[。！？!?；;][”’」』）)]*[ \t\u3000]*(?=\r?\n)")
_LEAD_END = (":", "：")
_PUNCTUATION = re.compile(r"[。！？!?；;，,：:]")


def begins_item(line: str) -> bool:
    """Tell whether a line begins with the number or the sign of a clause or an item of a list."""
    return any(pattern.match(line) for pattern in _LEVELS)


@dataclass(frozen=True)
class Segment:
    """Characters start:end of the text, read after the lead-ins they hang on, each (start, end), outermost first."""

    start: int
    end: int
    leads: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class _Mark:
    start: int
    level: int


def _marks(text: str) -> list[_Mark]:
    found = []
    for place in _PLACE.finditer(text):
        for level, pattern in enumerate(_LEVELS):
            if match := pattern.match(text, place.end()):
                depth = match[0].rstrip(".").count(".")
                found.append(_Mark(place.end(), level * _LEVEL_STEP + depth))
                break
    return found


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _lead_in(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return the last sentence of the piece, or its end, if it ends with a colon, that is, introduces what follows."""
    start, end = _trim(text, start, end)
    if start == end or text[end - 1] not in _LEAD_END:
        return None
    last = start
    for match in _SENTENCE_END.finditer(text, start, end):
        last = match.end()
    return _trim(text, max(last, end - LEAD_CHARS), end)


def _clauses(text: str, marks: list[_Mark]) -> Iterator[Segment]:
    """Yield the numbered pieces; an item below pieces that end with a colon is read after their last sentences.

    Such a sentence is half a clause: it is judged with each of its items, never alone. Lines below an item that has
    come to its end do not belong to the list.
    """
    leads: list[tuple[int, tuple[int, int]]] = []
    pieces = [_Mark(0, -1), *marks] if marks[0].start > 0 else marks
    ends = [piece.start for piece in pieces[1:]] + [len(text)]
    levels = [piece.level for piece in pieces[1:]] + [-1]
    for piece, end, next_level in zip(pieces, ends, levels, strict=True):
        leads = [(level, lead) for level, lead in leads if level < piece.level]
        hangs_on = tuple(lead for _, lead in leads)
        lead = _lead_in(text, piece.start, end) if next_level > piece.level else None
        if lead:
            leads.append((piece.level, lead))
            yield Segment(piece.start, lead[0], hangs_on)
            continue
        item_end = _item_end(text, piece.start, end) if hangs_on else end
        yield Segment(piece.start, item_end, hangs_on)
        yield Segment(item_end, end)


def _item_end(text: str, start: int, end: int) -> int:
    """Return where an item ends: at the first line that ends a sentence or is not full, else with the piece."""
    first = text.find("\n", start, end)
    if 0 <= first - start < FULL_LINE_CHARS:
        return first
    return next((match.end() for match in _LINE_END.finditer(text, start, end)), end)


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    position = start
    for match in _SENTENCE_END.finditer(text, start, end):
        yield position, match.end()
        position = match.end()
    if position < end:
        yield position, end


def _pack(text: str, segment: Segment) -> Iterator[Segment]:
    """Yield runs of whole sentences of at most PACKED_CHARS; one sentence alone may be longer."""
    if segment.end - segment.start <= PACKED_CHARS:
        yield segment
        return
    first = last = segment.start
    for start, end in _sentences(text, segment.start, segment.end):
        if end - first > PACKED_CHARS and last > first:
            yield Segment(first, last, segment.leads)
            first = start
        last = end
    if last > first:
        yield Segment(first, last, segment.leads)


def _windows(segment: Segment) -> Iterator[Segment]:
    start = segment.start
    while segment.end - start > WINDOW_CHARS:
        yield Segment(start, start + WINDOW_CHARS, segment.leads)
        start += WINDOW_CHARS - OVERLAP_CHARS
    yield Segment(start, segment.end, segment.leads)


def _lines(text: str, segment: Segment) -> Iterator[Segment]:
    """Yield the lines of a piece."""
    start = segment.start
    while (end := text.find("\n", start, segment.end)) >= 0:
        yield Segment(start, end, segment.leads)
        start = end + 1
    yield Segment(start, segment.end, segment.leads)


def _is_heading(text: str, segment: Segment) -> bool:
    """Tell whether a piece is a short line without a sentence's punctuation, not an item, with more text below it."""
    words = text[segment.start : segment.end]
    return (
        not segment.leads
        and len(words) <= HEADING_CHARS
        and not _PUNCTUATION.search(words)
        and text[segment.end :].startswith(("\n", "\r\n"))
    )


def _under_headings(text: str, segments: Sequence[Segment]) -> Iterator[Segment]:
    """Yield the pieces, each heading joined with what follows it: a heading alone says nothing.

    Before the first item of a list the heading stands as one more lead-in.
    """
    heading: Segment | None = None
    for own in segments:
        if heading is None:
            if _is_heading(text, own):
                heading = own
            else:
                yield own
            continue
        leads = ((heading.start, heading.end), *own.leads)
        yield Segment(own.start, own.end, leads) if own.leads else Segment(heading.start, own.end)
        heading = None
    if heading:
        yield heading


def segment(text: str, kind: Kind | None, in_lines: bool = False) -> list[Segment]:
    """Cut a text into segments; every character but outer white space lies in at least one. Empty for a blank text.

    A short text is left whole, unless it has lines and is a contract or comes `in_lines`, as a document does. Otherwise
    no piece goes beyond a line.
    """
    start, end = _trim(text, 0, len(text))
    if start == end:
        return []
    marks = _marks(text)
    led = bool(marks) and _lead_in(text, 0, marks[0].start) is not None
    if not (led or (len(marks) > 1 and kind in ("clause", None))):
        marks = []
    is_contract = kind == "clause" or (kind is None and bool(marks))
    if end - start <= WHOLE_CHARS and not ("\n" in text[start:end] and (in_lines or is_contract)):
        return [Segment(start, end)]
    pieces = _clauses(text, marks) if marks else iter([Segment(start, end)])
    segments: list[Segment] = []
    for line in (line for piece in pieces for line in _lines(text, piece)):
        for packed in _pack(text, line):
            first, last = _trim(text, packed.start, packed.end)
            if first < last:
                segments += _windows(Segment(first, last, packed.leads))
    return list(_under_headings(text, segments)) if kind == "clause" or marks else segments
