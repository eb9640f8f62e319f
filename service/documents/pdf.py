"""Reads PDF files: the text layer, and the picture of a page that has none, or little beside a scan.

PDFium crashes where two threads of a process are in it, whatever their documents (see `service.reading`).
"""

import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import pypdfium2
from PIL import Image
from pypdfium2.raw import FPDF_PAGEOBJ_FORM, FPDF_PAGEOBJ_IMAGE, FPDFText_GetUnicode

from service.documents.lines import Line, is_wide, joined, paragraphs, split_margins
from service.documents.model import Block, Document, DocumentError, Limits, within
from service.documents.recognition import is_scanner_mark, recognise

# Dots a page point: legible to the recogniser, and no larger.
SCALE = 2.0
MAX_RECOGNISED_PAGES = 30
# A text layer of fewer characters, as a page number is, may not be all the text of a page of which images cover more
# than this share.
LITTLE_TEXT = 30
SCAN_SHARE = 0.25
# Of a font's height to the width of its full-width characters, where a line has none.
LINE_HEIGHT = 1.2
# Where headers and footers stand.
MARGIN = "页眉页脚"
# What PDFium gives for a place without a character, and for the hyphen of a broken word.
NO_CHARACTERS = "\0\x02\ufffe"


def _open(data: bytes) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        locked = "password" in str(error).lower()
        raise DocumentError("PDF 已加密，请先解除密码" if locked else "PDF 文件已损坏，无法读取") from error


@dataclass(frozen=True, slots=True)
class _Box:
    """A place on a page as it is shown, in points, to the right and down."""

    left: float
    top: float
    right: float
    bottom: float


def _box(corners: tuple[float, float, float, float], rotation: int) -> _Box:
    """Return a place from its left, bottom, right and top on the page before it was turned."""
    left, bottom, right, top = corners
    turned = {
        0: (left, -top, right, -bottom),
        90: (bottom, left, top, right),
        180: (-right, bottom, -left, top),
        270: (-top, -right, -bottom, -left),
    }
    return _Box(*turned[rotation])


def _characters(text: pypdfium2.PdfTextPage) -> Iterator[list[tuple[int, str]]]:
    """Yield the characters of each line that is not blank, without outer blanks, each with its index."""
    line: list[tuple[int, str]] = []
    for index in range(text.count_chars()):
        character = chr(min(FPDFText_GetUnicode(text, index), sys.maxunicode))
        if character in "\r\n":
            yield line
            line = []
        elif character not in NO_CHARACTERS:
            line.append((index, character))
    yield line


def _placed(characters: Sequence[tuple[int, str]], text: pypdfium2.PdfTextPage, number: int, turned: int) -> Line:
    """Return the line of these characters, of which some are no blanks."""
    inked = [own for own in characters if not own[1].isspace()]
    sample = next((own for own in inked if is_wide(own[1])), inked[0])
    first, last, some = (_box(text.get_charbox(own[0], loose=True), turned) for own in (inked[0], inked[-1], sample))
    left, right = min(first.left, last.left), max(first.right, last.right)
    top, bottom = min(first.top, last.top), max(first.bottom, last.bottom)
    height = some.bottom - some.top
    em = some.right - some.left if is_wide(sample[1]) else height / LINE_HEIGHT
    words = "".join(own for _, own in characters).strip()
    # Characters may come as two halves each, and stand above each other: then their places say nothing.
    whole = words.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    return Line(whole, number, left, right, bottom, max(0.0, em) if bottom - top < 2 * height else 0.0)


def _lines(page: pypdfium2.PdfPage, text: pypdfium2.PdfTextPage, number: int) -> Iterator[Line]:
    """Yield the lines of a text layer, but for those outside of what the page shows."""
    turned = page.get_rotation()
    shown = _box(page.get_bbox(), turned)
    for characters in _characters(text):
        if all(own.isspace() for _, own in characters):
            continue
        line = _placed(characters, text, number, turned)
        if line.left < shown.right and line.right > shown.left and shown.top < line.base < shown.bottom + line.em:
            yield line


def _picture(page: pypdfium2.PdfPage, limits: Limits) -> Image.Image:
    width, height = page.get_size()
    scale = min(SCALE, (limits.pixels / max(1.0, width * height)) ** 0.5)
    with closing(page.render(scale=scale)) as bitmap:
        picture: Image.Image = bitmap.to_pil().copy()
    return picture


def _image_share(page: pypdfium2.PdfPage, limits: Limits) -> float:
    """Return what share of a page images cover. A form that holds some counts as one: they are placed within it."""
    page_left, page_bottom, page_right, page_top = page.get_bbox()
    covered = 0.0
    outermost = None
    for item in page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE, FPDF_PAGEOBJ_FORM]):
        limits.check_time()
        if item.level == 0:
            outermost = item
        if item.type == FPDF_PAGEOBJ_IMAGE and outermost is not None:
            left, bottom, right, top = outermost.get_bounds()
            width, height = min(right, page_right) - max(left, page_left), min(top, page_top) - max(bottom, page_bottom)
            covered += max(0.0, width) * max(0.0, height)
            outermost = None
    return covered / max(1.0, float((page_right - page_left) * (page_top - page_bottom)))


def _read(pdf: pypdfium2.PdfDocument, index: int, limits: Limits) -> tuple[list[Line], Image.Image | None]:
    """Return the lines of a page's text layer, and its picture where they may not be all of its text."""
    with closing(pdf[index]) as page:
        with closing(page.get_textpage()) as text:
            lines = list(_lines(page, text, index + 1))
        own = [line for line in lines if not is_scanner_mark(line.text)]
        is_little = sum(len(line.text) for line in own) < LITTLE_TEXT
        if lines and ((own == lines and not is_little) or _image_share(page, limits) <= SCAN_SHARE):
            return lines, None
        return own, _picture(page, limits) if is_little else None


def _plain(text: str) -> str:
    """Return a text as a text layer and the recogniser may both have it: without blanks, in one form of width."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def _added(recognised: list[Line], lines: list[Line]) -> list[Line]:
    """Return what was recognised, and the lines of the text layer that are not in it."""
    known = _plain("".join(line.text for line in recognised))
    return recognised + [line for line in lines if _plain(line.text) not in known]


def _blocks(lines: Sequence[Line]) -> Iterator[Block]:
    """Yield the paragraphs, then headers and footers, which would part what they stand between."""
    body, margins = split_margins(lines)
    for run in paragraphs(body):
        yield Block(joined(run), page=run[0].page)
    for line in margins:
        yield Block(line.text, page=line.page, region=MARGIN)


def parse_pdf(name: str, data: bytes, limits: Limits) -> Document:
    """Read all pages; raises DocumentError where the file is encrypted, broken or too long."""
    pdf = _open(data)
    pages = len(pdf)
    try:
        if pages > limits.pages:
            raise DocumentError(f"PDF 共 {pages} 页，上限 {limits.pages} 页", 413)
        found: list[Line] = []
        pictures = 0
        by_recognition = False
        for index in range(pages):
            limits.check_time()
            lines, picture = _read(pdf, index, limits)
            if picture:
                if pictures == MAX_RECOGNISED_PAGES:
                    raise DocumentError(
                        f"PDF 中需要识别图像的页面超过 {MAX_RECOGNISED_PAGES} 页，请拆分后分别提交", 413
                    )
                pictures += 1
                recognised = [Line(text, index + 1) for text in recognise(picture, limits)]
                by_recognition = by_recognition or bool(recognised)
                lines = _added(recognised, lines)
            found += lines
    except pypdfium2.PdfiumError as error:
        raise DocumentError("PDF 文件已损坏，无法读取") from error
    finally:
        pdf.close()
    return Document(name, within(_blocks(found), limits), by_recognition=by_recognition)
