"""Reads PDF files: the text layer, and the picture of a page that has none, or little beside a scan.

PDFium crashes where two threads of a process are in it, whatever their documents (see `service.reading`).
"""

import unicodedata
from contextlib import closing

import pypdfium2
from PIL import Image
from pypdfium2.raw import FPDF_PAGEOBJ_FORM, FPDF_PAGEOBJ_IMAGE

from service.documents.model import Block, Document, DocumentError, Limits, within
from service.documents.recognition import is_scanner_mark, recognise

# Dots a page point: legible to the recogniser, and no larger.
SCALE = 2.0
MAX_RECOGNISED_PAGES = 30
# A text layer of fewer characters, as a page number is, may not be all the text of a page of which images cover more
# than this share.
LITTLE_TEXT = 30
SCAN_SHARE = 0.25


def _open(data: bytes) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        locked = "password" in str(error).lower()
        raise DocumentError("PDF 已加密，请先解除密码" if locked else "PDF 文件已损坏，无法读取") from error


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\r\n", "\n").replace("\ufffe", "").split("\n") if line.strip()]


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


def _read(pdf: pypdfium2.PdfDocument, index: int, limits: Limits) -> tuple[list[str], Image.Image | None]:
    """Return the lines of a page's text layer, and its picture where they may not be all of its text."""
    with closing(pdf[index]) as page:
        with closing(page.get_textpage()) as text:
            lines = _lines(text.get_text_bounded())
        own = [line for line in lines if not is_scanner_mark(line)]
        is_little = sum(map(len, own)) < LITTLE_TEXT
        if lines and ((own == lines and not is_little) or _image_share(page, limits) <= SCAN_SHARE):
            return lines, None
        return own, _picture(page, limits) if is_little else None


def _plain(text: str) -> str:
    """Return a text as a text layer and the recogniser may both have it: without blanks, in one form of width."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def _added(recognised: list[str], lines: list[str]) -> list[str]:
    """Return what was recognised, and the lines of the text layer that are not in it."""
    known = _plain("".join(recognised))
    return recognised + [line for line in lines if _plain(line) not in known]


def parse_pdf(name: str, data: bytes, limits: Limits) -> Document:
    """Read all pages; raises DocumentError where the file is encrypted, broken or too long."""
    pdf = _open(data)
    pages = len(pdf)
    try:
        if pages > limits.pages:
            raise DocumentError(f"PDF 共 {pages} 页，上限 {limits.pages} 页", 413)
        blocks: list[Block] = []
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
                recognised = recognise(picture, limits)
                by_recognition = by_recognition or bool(recognised)
                lines = _added(recognised, lines)
            blocks += [Block(line, page=index + 1) for line in lines]
    except pypdfium2.PdfiumError as error:
        raise DocumentError("PDF 文件已损坏，无法读取") from error
    finally:
        pdf.close()
    return Document(name, within(blocks, limits), by_recognition=by_recognition)
