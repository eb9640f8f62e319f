"""Reads PDF files: the text layer, or, on pages that have none, the picture of the page.

PDFium crashes where two threads of a process are in it, whatever their documents (see `service.reading`).
"""

from contextlib import closing

import pypdfium2
from PIL import Image

from service.documents.model import Block, Document, DocumentError, Limits, within
from service.documents.recognition import recognise

# Dots a page point: legible to the recogniser, and no larger.
SCALE = 2.0
MAX_RECOGNISED_PAGES = 30


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


def _read(pdf: pypdfium2.PdfDocument, index: int, limits: Limits) -> list[str] | Image.Image:
    """Return the lines of a page, or its picture where it has none."""
    with closing(pdf[index]) as page:
        with closing(page.get_textpage()) as text:
            lines = _lines(text.get_text_bounded())
        return lines or _picture(page, limits)


def parse_pdf(name: str, data: bytes, limits: Limits) -> Document:
    """Read all pages; raises DocumentError where the file is encrypted, broken or too long."""
    pdf = _open(data)
    pages = len(pdf)
    try:
        if pages > limits.pages:
            raise DocumentError(f"PDF 共 {pages} 页，上限 {limits.pages} 页", 413)
        blocks: list[Block] = []
        recognised = 0
        for index in range(pages):
            limits.check_time()
            found = _read(pdf, index, limits)
            if isinstance(found, Image.Image):
                if recognised == MAX_RECOGNISED_PAGES:
                    raise DocumentError(f"PDF 中没有文字层的页面超过 {MAX_RECOGNISED_PAGES} 页", 413)
                recognised += 1
                found = recognise(found, limits)
            blocks += [Block(line, page=index + 1) for line in found]
    except pypdfium2.PdfiumError as error:
        raise DocumentError("PDF 文件已损坏，无法读取") from error
    finally:
        pdf.close()
    return Document(name, within(blocks, limits), by_recognition=recognised > 0)
