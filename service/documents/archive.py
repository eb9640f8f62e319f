"""Looks at a zip archive before anything in it is unpacked."""

import io
import re
import zipfile
from pathlib import PurePosixPath

from service.documents.model import DocumentError, Limits

MAX_ENTRIES = 10_000
MAX_RATIO = 200
# Small entries may shrink a lot without harm.
RATIO_FROM_BYTES = 1024 * 1024
NESTED = (".zip", ".rar", ".7z", ".gz", ".tar", ".bz2", ".xz")
ENTITY = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
HEAD_BYTES = 4096
XML_START = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\s\0]*<")
# Parts of an office file that hold its text, and may be long. Every tag and attribute takes memory as a tree, most in
# the parts that become objects, as styles do.
LONG_PARTS = ("word/", "xl/worksheets/", "xl/sharedstrings.xml")
MAX_MARKS = 2_000_000
MAX_OTHER_MARKS = 300_000


def open_archive(data: bytes, limits: Limits) -> zipfile.ZipFile:
    """Open an archive whose entries are harmless in number, size, name and encryption; raises DocumentError."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise DocumentError("文件已损坏，不是有效的压缩格式") from error
    if len(entries) > MAX_ENTRIES:
        raise DocumentError(f"压缩文件内的文件过多：{len(entries)} 个", 413)
    if sum(entry.file_size for entry in entries) > limits.unpacked_bytes:
        raise DocumentError("压缩文件解开后过大", 413)
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or "\0" in entry.filename:
            raise DocumentError("压缩文件内有不安全的路径名")
        if entry.flag_bits & 1:
            raise DocumentError("文件已加密，请先解除密码")
        if entry.file_size > RATIO_FROM_BYTES and entry.file_size > MAX_RATIO * max(1, entry.compress_size):
            raise DocumentError("压缩文件的压缩比异常，拒绝处理", 413)
    return archive


def read_entry(archive: zipfile.ZipFile, name: str, limits: Limits) -> bytes:
    """Unpack one entry, as far as the limit at most: the size an archive declares may be a lie."""
    try:
        with archive.open(name) as file:
            data = file.read(limits.unpacked_bytes + 1)
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        raise DocumentError("文件已损坏，无法解开") from error
    except Exception as error:  # zlib and lzma have errors of their own
        raise DocumentError("文件已损坏，无法解开") from error
    if len(data) > limits.unpacked_bytes:
        raise DocumentError("压缩文件解开后过大", 413)
    return data


def _check_xml(content: bytes) -> int:
    """Check a part's XML for entity definitions; return how many tags and attributes it has at most."""
    if not XML_START.match(content):
        return 0
    if ENTITY.search(content[:HEAD_BYTES].replace(b"\0", b"")):
        raise DocumentError("文件含有不允许的 XML 实体定义")
    return content.count(b"<") + content.count(b"=")


def check_office_file(data: bytes, limits: Limits) -> None:
    """Check a docx or xlsx file: no bombs, no macros, no entity definitions; raises DocumentError."""
    archive = open_archive(data, limits)
    total = marks = other_marks = 0
    for entry in archive.infolist():
        lowered = entry.filename.lower()
        if lowered.endswith("vbaproject.bin"):
            raise DocumentError("文件含有宏，拒绝处理；请另存为不含宏的格式", 415)
        if lowered.endswith(NESTED):
            raise DocumentError("文件内嵌套了压缩文件，拒绝处理")
        content = read_entry(archive, entry.filename, limits)
        total += len(content)
        if total > limits.unpacked_bytes:
            raise DocumentError("压缩文件解开后过大", 413)
        if lowered.startswith(LONG_PARTS):
            marks += _check_xml(content)
        else:
            other_marks += _check_xml(content)
        if marks > MAX_MARKS or other_marks > MAX_OTHER_MARKS:
            raise DocumentError("文件的结构过大；表格请另存为 CSV，其他文件请拆分", 413)
