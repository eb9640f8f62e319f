"""Reads Word and Excel files."""

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import docx
import openpyxl
from docx.document import Document as WordDocument
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.part import Part
from docx.oxml import parse_xml
from docx.oxml.ns import qn
from docx.parts.story import StoryPart

from service.documents.archive import SHEET_PARTS, check_office_file
from service.documents.columns import split_header, text_places
from service.documents.model import Block, Document, DocumentError, Limits, within
from service.documents.recognition import open_picture, recognise

HEADING_STYLES = ("heading", "title", "标题")
PARAGRAPH, TABLE, ROW, CELL, TEXT = (qn(f"w:{name}") for name in ("p", "tbl", "tr", "tc", "t"))
TEXT_BOX = qn("w:txbxContent")
CHARACTERS = {TEXT, *(qn(f"w:{name}") for name in ("tab", "ptab", "br", "cr", "noBreakHyphen"))}
# What is no text of the document as it stands: properties, among them tab stops; deletions, where a passage was moved
# from, and the reading above a character.
LEFT_OUT = {qn(f"w:{name}") for name in ("pPr", "del", "moveFrom", "rt")}
ALTERNATIVES = "{http://schemas.openxmlformats.org/markup-compatibility/2006}AlternateContent"
MARGINS = (qn("w:headerReference"), qn("w:footerReference"))
NOTES = (RELATIONSHIP_TYPE.FOOTNOTES, RELATIONSHIP_TYPE.ENDNOTES)
# What a note is, where it is none: the line above the notes, and the like.
NOTE_TYPE = qn("w:type")
# How a picture's place names it, in new files and in old ones.
PICTURES = {qn("a:blip"): qn("r:embed"), "{urn:schemas-microsoft-com:vml}imagedata": qn("r:id")}
MAX_PICTURES = 30
# An icon or a bullet has fewer pixels.
MIN_PIXELS = 5000


def _form(alternatives: Iterable[Any]) -> Iterable[Any]:
    """Return the first form that has text of what a file holds in several, for old and new programs."""
    return next((form for form in alternatives if next(form.iter(TEXT), None) is not None), ())


def _nearest(element: Iterable[Any], tags: set[str]) -> Iterator[Any]:
    """Yield the nearest elements with these tags below another, in order, whatever controls and marks wrap them."""
    for child in element:
        if child.tag in tags:
            yield child
        elif child.tag not in LEFT_OUT:
            yield from _nearest(_form(child) if child.tag == ALTERNATIVES else child, tags)


def _paragraph_lines(paragraph: Any) -> Iterator[str]:  # noqa: ANN401 - python-docx has no types
    """Yield a paragraph's text, even if empty, and the lines of the text boxes that are anchored in it."""
    found = list(_nearest(paragraph, CHARACTERS | {TEXT_BOX}))
    yield "".join(str(own) for own in found if own.tag != TEXT_BOX).strip()
    for own in found:
        if own.tag == TEXT_BOX:
            yield from _lines(own)


def _row_lines(table: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield a table's rows. A merged cell comes once, not for every column that it claims to cover."""
    for row in _nearest(table, {ROW}):
        cells = ("\n".join(_lines(cell)) for cell in _nearest(row, {CELL}))
        yield "　".join(filter(None, cells))


def _lines(container: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield what stands in a cell, text box, header or footer: its paragraphs and the rows of its tables."""
    for part in _nearest(container, {PARAGRAPH, TABLE}):
        yield from filter(None, _paragraph_lines(part) if part.tag == PARAGRAPH else _row_lines(part))


class _Pictures:
    """Reads the pictures of a Word file, each once however often it is shown; `were_read` tells whether any had text.

    What is no PNG or JPEG, or damaged, is passed over: it must not keep the text from being read.
    """

    def __init__(self, limits: Limits) -> None:
        self.were_read = False
        self._limits = limits
        self._known: set[bytes] = set()
        self._count = 0

    def lines(self, element: Any, part: Part) -> Iterator[str]:  # noqa: ANN401
        """Yield the lines of the pictures in an element of a part; raises DocumentError where they are too many."""
        for place in element.iter(*PICTURES):
            own = part.related_parts.get(place.get(PICTURES[place.tag]))
            is_deleted = any(above.tag in LEFT_OUT for above in place.iterancestors())
            if own is None or is_deleted:
                continue
            digest = hashlib.sha256(own.blob).digest()
            if digest not in self._known:
                self._known.add(digest)
                yield from self._read(own.blob)

    def _read(self, content: bytes) -> list[str]:
        self._limits.check_time()
        try:
            picture = open_picture(content, self._limits)
        except DocumentError as error:
            if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                raise
            return []
        if picture.width * picture.height < MIN_PIXELS:
            return []
        if self._count == MAX_PICTURES:
            raise DocumentError(f"Word 文件中的图片超过 {MAX_PICTURES} 张，请拆分后分别提交", 413)
        self._count += 1
        found = recognise(picture, self._limits)
        self.were_read = self.were_read or bool(found)
        return found


def _margin_lines(document: WordDocument, pictures: _Pictures) -> Iterator[str]:
    """Yield the lines of headers and footers and their pictures, each once however many sections repeat it."""
    related = document.part.related_parts
    parts = dict.fromkeys(related.get(own.get(qn("r:id"))) for own in document.element.iter(*MARGINS))
    stories = [part for part in parts if isinstance(part, StoryPart)]
    yield from dict.fromkeys(line for part in stories for line in _lines(part.element))
    for part in stories:
        yield from pictures.lines(part.element, part)


def _note_lines(document: WordDocument) -> Iterator[str]:
    """Yield the lines of footnotes and endnotes."""
    for relation in document.part.rels.values():
        if relation.reltype in NOTES and not relation.is_external:
            for note in parse_xml(relation.target_part.blob):
                if note.get(NOTE_TYPE) is None:
                    yield from _lines(note)


def _heading_styles(document: WordDocument) -> set[str]:
    """Return the ids of the styles of headings; python-docx takes a millisecond to look up that of one paragraph."""
    return {own.style_id for own in document.styles if (own.name or "").lower().startswith(HEADING_STYLES)}


def _blocks(document: WordDocument, pictures: _Pictures) -> Iterator[Block]:
    """Yield the body in order, then notes, headers and footers, which would part what they stand between.

    The lines of a picture come after those of the paragraph or table that it is in.
    """
    heading_styles = _heading_styles(document)
    for number, part in enumerate(_nearest(document.element.body, {PARAGRAPH, TABLE}), 1):
        if part.tag == TABLE:
            lines = _row_lines(part)
        else:
            lines = _paragraph_lines(part)
            if text := next(lines):
                yield Block(text, part.style in heading_styles, paragraph=number)
        for line in filter(None, lines):
            yield Block(line, paragraph=number)
        for line in pictures.lines(part, document.part):
            yield Block(line, paragraph=number)
    for line in (*_note_lines(document), *_margin_lines(document, pictures)):
        yield Block(line)


def parse_docx(name: str, data: bytes, limits: Limits) -> Document:
    """Read paragraphs and table rows in order, with text boxes and pictures, then notes, headers and footers."""
    check_office_file(data, limits)
    pictures = _Pictures(limits)
    try:
        blocks = within(_blocks(docx.Document(io.BytesIO(data)), pictures), limits)
    except (DocumentError, MemoryError):
        raise
    except Exception as error:  # python-docx raises whatever a missing part leads to
        raise DocumentError("Word 文件已损坏，无法读取") from error
    return Document(name, blocks, by_recognition=pictures.were_read)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet's rows that are not blank, with their numbers; `name` is empty where it is the only one that is read."""

    name: str
    rows: Iterator[tuple[int, tuple[Any, ...]]]


def _sheet_rows(sheet: Any, limits: Limits) -> Iterator[tuple[int, tuple[Any, ...]]]:  # noqa: ANN401 - openpyxl has no types
    """Yield the rows of a sheet; the library yields empty ones up to any number that a row claims."""
    most = limits.rows + 1
    try:
        for number, row in enumerate(sheet.iter_rows(max_row=most + 1, values_only=True), 1):
            limits.check_time()
            if number > most:
                raise DocumentError(f"表格超过 {limits.rows} 行", 413)
            if any(cell is not None for cell in row):
                yield number, row
    except DocumentError:
        raise
    except Exception as error:  # openpyxl raises whatever a broken part leads to
        raise DocumentError("Excel 文件已损坏，无法读取") from error


def open_sheets(data: bytes, limits: Limits) -> list[Sheet]:
    """Open the sheets that have a text column, or all that have rows where none has; formulas come as last values.

    Raises DocumentError, also while rows are read: where one has a number beyond `limits.rows` and a header.
    """
    check_office_file(data, limits, SHEET_PARTS)
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # what a file says of its size may be wrong
    except Exception as error:  # openpyxl raises whatever a missing part leads to
        raise DocumentError("Excel 文件已损坏，无法读取") from error
    filled = []
    for sheet in book.worksheets:
        header, rows = split_header(_sheet_rows(sheet, limits))
        if header or next(rows, None) is not None:
            filled.append((sheet, header))
    chosen = [sheet for sheet, header in filled if text_places(header)] or [sheet for sheet, _ in filled]
    return [Sheet(sheet.title if len(chosen) > 1 else "", _sheet_rows(sheet, limits)) for sheet in chosen]
