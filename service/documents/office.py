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
from service.documents.word_numbering import Counter, Numbering
from service.documents.word_styles import PARAGRAPH, PARAGRAPH_PROPERTIES, RUN_PROPERTIES, Styles, below

TABLE, ROW, CELL, RUN, TEXT = (qn(f"w:{name}") for name in ("tbl", "tr", "tc", "r", "t"))
TEXT_BOX = qn("w:txbxContent")
CHARACTERS = {TEXT, *(qn(f"w:{name}") for name in ("tab", "ptab", "br", "cr", "noBreakHyphen"))}
# What is no text of the document as it stands: properties, among them tab stops; deletions, where a passage was moved
# from, and the reading above a character.
DELETED = (qn("w:del"), qn("w:moveFrom"))
LEFT_OUT = {PARAGRAPH_PROPERTIES, *DELETED, qn("w:rt")}
ALTERNATIVES = "{http://schemas.openxmlformats.org/markup-compatibility/2006}AlternateContent"
NOTES = {RELATIONSHIP_TYPE.FOOTNOTES: "脚注", RELATIONSHIP_TYPE.ENDNOTES: "尾注"}
MARGINS = {qn("w:headerReference"): "页眉", qn("w:footerReference"): "页脚"}
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


class _Story:
    """Reads one story of a Word file: the body, the notes, a header or footer. Each counts its lists by itself.

    Text boxes are a story of their own. Hidden text is left out: the reader of the document does not see it, and it
    would part the words between which it stands.
    """

    def __init__(self, styles: Styles, numbering: Numbering, boxes: "_Story | None" = None) -> None:
        self._styles = styles
        self._counter = Counter(numbering)
        self._boxes = boxes or self

    def _is_left_out(self, element: Any) -> bool:  # noqa: ANN401 - python-docx has no types
        return element.tag in LEFT_OUT or (element.tag == RUN and self._styles.is_hidden(element))

    def shows(self, element: Any) -> bool:  # noqa: ANN401
        """Tell whether nothing that an element is in is left out."""
        return not any(self._is_left_out(above) for above in element.iterancestors())

    def nearest(self, element: Iterable[Any], tags: set[str]) -> Iterator[Any]:
        """Yield the nearest elements with these tags below another, in order, whatever controls and marks wrap them."""
        for child in element:
            if child.tag in tags:
                yield child
            elif not self._is_left_out(child):
                yield from self.nearest(_form(child) if child.tag == ALTERNATIVES else child, tags)

    def _is_counted(self, paragraph: Any) -> bool:  # noqa: ANN401
        """Tell whether a paragraph without text is one: where its mark is hidden or deleted nothing of it is there."""
        properties = paragraph.find(PARAGRAPH_PROPERTIES)
        if properties is None:
            return True
        is_deleted = any(below(properties, RUN_PROPERTIES, tag) is not None for tag in DELETED)
        return not is_deleted and not self._styles.is_hidden(properties)

    def paragraph_lines(self, paragraph: Any) -> Iterator[str]:  # noqa: ANN401
        """Yield a paragraph's text with its number, even if empty, and the lines of the text boxes anchored in it."""
        found = list(self.nearest(paragraph, CHARACTERS | {TEXT_BOX}))
        text = "".join(str(own) for own in found if own.tag != TEXT_BOX).strip()
        label = self._counter.label(paragraph) if text or self._is_counted(paragraph) else ""
        yield text and label + text
        for own in found:
            if own.tag == TEXT_BOX:
                yield from self._boxes.lines(own)

    def row_lines(self, table: Any) -> Iterator[str]:  # noqa: ANN401
        """Yield a table's rows. A merged cell comes once, not for every column that it claims to cover."""
        for row in self.nearest(table, {ROW}):
            cells = ("\n".join(self.lines(cell)) for cell in self.nearest(row, {CELL}))
            yield "　".join(filter(None, cells))

    def lines(self, container: Any) -> Iterator[str]:  # noqa: ANN401
        """Yield what stands in a cell, text box, header or footer: its paragraphs and the rows of its tables."""
        for part in self.nearest(container, {PARAGRAPH, TABLE}):
            yield from filter(None, self.paragraph_lines(part) if part.tag == PARAGRAPH else self.row_lines(part))


class _Pictures:
    """Reads the pictures of a Word file, each once however often it is shown; `were_read` tells whether any had text.

    What is no PNG or JPEG, or damaged, is passed over: it must not keep the text from being read.
    """

    def __init__(self, limits: Limits) -> None:
        self.were_read = False
        self._limits = limits
        self._known: set[bytes] = set()
        self._count = 0

    def lines(self, element: Any, part: Part, story: _Story) -> Iterator[str]:  # noqa: ANN401
        """Yield the lines of the pictures in an element of a part; raises DocumentError where they are too many."""
        for place in element.iter(*PICTURES):
            own = part.related_parts.get(place.get(PICTURES[place.tag]))
            if own is None or not story.shows(place):
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


def _related(document: WordDocument, kind: str) -> Iterator[Any]:
    """Yield the root elements of the document's parts of a kind."""
    for relation in document.part.rels.values():
        if relation.reltype == kind and not relation.is_external:
            yield parse_xml(relation.target_part.blob)


class _WordFile:
    """Reads a Word file: the body in order, then notes, headers and footers, which would part what they stand between.

    The lines of a picture come after those of the paragraph or table that it is in.
    """

    def __init__(self, document: WordDocument, pictures: _Pictures) -> None:
        self._document = document
        self._pictures = pictures
        self._styles = Styles(document.styles.element)
        self._numbering = Numbering(next(_related(document, RELATIONSHIP_TYPE.NUMBERING), None), self._styles)

    def _story(self) -> _Story:
        return _Story(self._styles, self._numbering, _Story(self._styles, self._numbering))

    def _body(self) -> Iterator[Block]:
        story = self._story()
        for number, part in enumerate(story.nearest(self._document.element.body, {PARAGRAPH, TABLE}), 1):
            if part.tag == TABLE:
                lines = story.row_lines(part)
            else:
                lines = story.paragraph_lines(part)
                if text := next(lines):
                    yield Block(text, self._styles.is_heading(part), paragraph=number)
            for line in filter(None, lines):
                yield Block(line, paragraph=number)
            for line in self._pictures.lines(part, self._document.part, story):
                yield Block(line, paragraph=number)

    def _note_lines(self, kind: str) -> Iterator[str]:
        for notes in _related(self._document, kind):
            story = self._story()
            for note in notes:
                if note.get(NOTE_TYPE) is None:
                    yield from story.lines(note)

    def _margin_lines(self, reference: str) -> Iterator[str]:
        """Yield the lines of headers or footers and their pictures, each once however many sections repeat it."""
        related = self._document.part.related_parts
        parts = dict.fromkeys(related.get(own.get(qn("r:id"))) for own in self._document.element.iter(reference))
        stories = [(part, self._story()) for part in parts if isinstance(part, StoryPart)]
        yield from dict.fromkeys(line for part, story in stories for line in story.lines(part.element))
        for part, story in stories:
            yield from self._pictures.lines(part.element, part, story)

    def blocks(self) -> Iterator[Block]:
        """Yield all blocks; raises DocumentError where the pictures are too many."""
        yield from self._body()
        for kind, region in NOTES.items():
            yield from (Block(line, region=region) for line in self._note_lines(kind))
        for reference, region in MARGINS.items():
            yield from (Block(line, region=region) for line in self._margin_lines(reference))


def parse_docx(name: str, data: bytes, limits: Limits) -> Document:
    """Read paragraphs and table rows in order, with text boxes and pictures, then notes, headers and footers.

    Numbers that Word shows before paragraphs are read, hidden text is not.
    """
    check_office_file(data, limits)
    pictures = _Pictures(limits)
    try:
        blocks = within(_WordFile(docx.Document(io.BytesIO(data)), pictures).blocks(), limits)
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
