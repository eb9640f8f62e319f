"""Chooses the parser of a document by its name, and checks that the content is what the name says."""

from collections.abc import Callable
from pathlib import PurePosixPath

import structlog

from service.documents.model import Document, DocumentError, Limits
from service.documents.office import parse_docx
from service.documents.pdf import parse_pdf
from service.documents.plain import parse_html, parse_markdown, parse_text
from service.documents.recognition import parse_picture
from service.documents.table import parse_csv, parse_xlsx

Parser = Callable[[str, bytes, Limits], Document]
PARSERS: dict[str, Parser] = {
    ".docx": parse_docx,
    ".pdf": parse_pdf,
    ".html": parse_html,
    ".htm": parse_html,
    ".txt": parse_text,
    ".md": parse_markdown,
    ".xlsx": parse_xlsx,
    ".csv": parse_csv,
    ".png": parse_picture,
    ".jpg": parse_picture,
    ".jpeg": parse_picture,
}
TABLE_PARSERS = (parse_xlsx, parse_csv)
SIGNS: dict[str, tuple[bytes, ...]] = {
    ".docx": (b"PK\x03\x04",),
    ".xlsx": (b"PK\x03\x04",),
    ".pdf": (b"%PDF-",),
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
}
# Formats of old programs, and what these can save instead.
OLD_FORMATS = {".doc": "docx", ".wps": "docx", ".rtf": "docx", ".xls": "xlsx", ".et": "xlsx"}
# An old Office file, or a new one under a password.
OLE = b"\xd0\xcf\x11\xe0"
PDF_SIGN_WITHIN = 1024
MAX_NAME = 200

log = structlog.get_logger()


def safe_name(name: str) -> str:
    """Return the last part of a file name, without signs that mislead."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return "".join(character for character in last if character.isprintable())[-MAX_NAME:] or "未命名"


def suffix_of(name: str) -> str:
    """Return the suffix, in lower case, of a document that can be read; raises DocumentError for others."""
    suffix = PurePosixPath(safe_name(name)).suffix.lower()
    if suffix in OLD_FORMATS:
        raise DocumentError(f"不支持旧版格式 {suffix}，请另存为 {OLD_FORMATS[suffix]} 后重新提交", 415)
    if suffix not in PARSERS:
        known = "、".join(sorted(own[1:] for own in PARSERS))
        raise DocumentError(f"不支持的文件格式 {suffix or '（无扩展名）'}，支持 {known}", 415)
    return suffix


def is_table(name: str) -> bool:
    """Tell whether the document of this name is read row by row."""
    return PARSERS.get(PurePosixPath(name).suffix.lower()) in TABLE_PARSERS


def parse_document(name: str, data: bytes, limits: Limits) -> Document:
    """Read a document; raises DocumentError with the reason in Chinese."""
    name = safe_name(name)
    suffix = suffix_of(name)
    if not data:
        raise DocumentError("文件是空的")
    signs = SIGNS.get(suffix)
    if signs and not data.startswith(signs) and not (suffix == ".pdf" and signs[0] in data[:PDF_SIGN_WITHIN]):
        if data.startswith(OLE):
            raise DocumentError("文件已加密或为旧版格式，请解除密码并另存为 docx 或 xlsx", 415)
        raise DocumentError(f"文件内容与扩展名 {suffix} 不符", 415)
    try:
        document = PARSERS[suffix](name, data, limits)
    except (DocumentError, MemoryError):
        raise
    except Exception as error:  # the libraries meet files that none of their own errors foresees
        log.warning("parser failed", suffix=suffix, error=type(error).__name__)
        raise DocumentError("文件已损坏，无法读取") from error
    if not document.blocks:
        raise DocumentError("文件中没有可筛查的文字")
    return document
