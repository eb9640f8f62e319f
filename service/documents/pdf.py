"""Reads PDF files: the text layer, or, on pages that have none, the picture of the page."""

import pypdfium2
from PIL import Image

from service.documents.model import Block, Document, DocumentError, Limits
from service.documents.recognition import recognise

# Dots a page point: legible to the recogniser, and no larger.
SCALE = 2.0
MAX_RECOGNISED_PAGES = 30


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\r\n", "\n").replace("\ufffe", "").split("\n") if line.strip()]


def _picture(page: pypdfium2.PdfPage, limits: Limits) -> Image.Image:
    width, height = page.get_size()
    scale = min(SCALE, (limits.pixels / max(1.0, width * height)) ** 0.5)
    picture: Image.Image = page.render(scale=scale).to_pil()
    return picture


def parse_pdf(name: str, data: bytes, limits: Limits) -> Document:
    """Read all pages; raises DocumentError where the file is encrypted, broken or too long."""
    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        locked = "password" in str(error).lower()
        raise DocumentError("PDF 已加密，请先解除密码" if locked else "PDF 文件已损坏，无法读取") from error
    try:
        if len(pdf) > limits.pages:
            raise DocumentError(f"PDF 共 {len(pdf)} 页，上限 {limits.pages} 页", 413)
        blocks: list[Block] = []
        recognised = 0
        for number, page in enumerate(pdf, 1):
            lines = _lines(page.get_textpage().get_text_bounded())
            if not lines:
                if recognised == MAX_RECOGNISED_PAGES:
                    raise DocumentError(f"PDF 中没有文字层的页面超过 {MAX_RECOGNISED_PAGES} 页", 413)
                recognised += 1
                lines = recognise(_picture(page, limits))
            blocks += [Block(line, page=number) for line in lines]
    except pypdfium2.PdfiumError as error:
        raise DocumentError("PDF 文件已损坏，无法读取") from error
    finally:
        pdf.close()
    return Document(name, tuple(blocks), by_recognition=recognised > 0)
