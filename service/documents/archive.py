"""Looks at a zip archive before anything in it is unpacked."""

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType
from xml.parsers import expat

from screening.normalise import HAN
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
TOO_MANY_MARKS = "文件的结构过大；表格请另存为 CSV，其他文件请拆分"
# Parts of a workbook that are read as a stream, and the element after which what was read of it is forgotten.
_SPREADSHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHEET_PARTS = MappingProxyType({"xl/worksheets/": f"{_SPREADSHEET} row", "xl/sharedstrings.xml": f"{_SPREADSHEET} si"})
# What systems and office programs put beside documents: copies of attributes, previews, settings, marks of open files.
SYSTEM_FILE = re.compile(
    r"(?:.*/)?(?:__MACOSX/.*|\._[^/]*|\.DS_Store|Thumbs\.db|desktop\.ini|~\$[^/]*\.(?:docx?|xlsx?|pptx?))",
    re.IGNORECASE | re.DOTALL,
)
# Set where an entry's name is UTF-8; without it a name is in whatever encoding the writing machine had.
UTF8_NAME = 0x800
CHINESE = re.compile(HAN)


def _unmarked_name(entry: zipfile.ZipInfo) -> bytes | None:
    """Return an entry's name as it stands in the archive, which Python takes for cp437; None where it is Unicode."""
    try:
        return None if entry.flag_bits & UTF8_NAME else entry.filename.encode("cp437")
    except UnicodeEncodeError:  # from a field that has the name as Unicode
        return None


def _decoded(name: bytes, encodings: Sequence[str]) -> str | None:
    """Return a name in the first of the encodings that it is in, None where it is in none."""
    for encoding in encodings:
        try:
            return name.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def entry_names(archive: zipfile.ZipFile) -> list[str]:
    """Return the names of the entries; Chinese Windows writes them in its own encoding, some systems in unmarked UTF-8.

    A short name may be valid in both, so all of them decide: they are UTF-8 where all can be, and one is Chinese then.
    """
    entries = archive.infolist()
    raw = [_unmarked_name(entry) for entry in entries]
    as_utf8 = [_decoded(name, ["utf-8"]) for name in raw if name is not None]
    is_utf8 = None not in as_utf8 and any(name and CHINESE.search(name) for name in as_utf8)
    encodings = ("utf-8", "gb18030") if is_utf8 else ("gb18030", "utf-8")
    return [
        entry.filename if name is None else _decoded(name, encodings) or entry.filename
        for entry, name in zip(entries, raw, strict=True)
    ]


def is_system_file(name: str) -> bool:
    """Tell whether an entry of this name was put there by a system or an office program, and is no document."""
    return SYSTEM_FILE.fullmatch(name.replace("\\", "/")) is not None


def open_archive(data: bytes, limits: Limits) -> zipfile.ZipFile:
    """Open an archive whose entries are harmless in number, name and size together; raises DocumentError."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise DocumentError("文件已损坏，不是有效的压缩格式") from error
    if len(entries) > MAX_ENTRIES:
        raise DocumentError(f"压缩文件内的文件过多：{len(entries)} 个", 413)
    if sum(entry.file_size for entry in entries) > limits.unpacked_bytes:
        raise DocumentError("压缩文件解开后过大", 413)
    for name in entry_names(archive):
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or "\0" in name:
            raise DocumentError("压缩文件内有不安全的路径名")
    return archive


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limits: Limits) -> bytes:
    """Unpack one entry, as far as the limit at most: the size an archive declares may be a lie.

    Raises DocumentError, of an encrypted entry or an odd ratio before anything is unpacked.
    """
    if entry.flag_bits & 1:
        raise DocumentError("文件已加密，请先解除密码")
    if entry.file_size > RATIO_FROM_BYTES and entry.file_size > MAX_RATIO * max(1, entry.compress_size):
        raise DocumentError("文件的压缩比异常，拒绝处理", 413)
    try:
        with archive.open(entry) as file:
            data = file.read(limits.unpacked_bytes + 1)
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        raise DocumentError("文件已损坏，无法解开") from error
    except Exception as error:  # zlib and lzma have errors of their own
        raise DocumentError("文件已损坏，无法解开") from error
    if len(data) > limits.unpacked_bytes:
        raise DocumentError("压缩文件解开后过大", 413)
    return data


def _held_marks(content: bytes, forgotten: str, limits: Limits) -> int:
    """Return how many tags and attributes of a streamed part are held at once at most; raises DocumentError."""
    held = most = 0
    held_before: list[int] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal held, most
        if tag == forgotten:
            limits.check_time()
            held_before.append(held)
        held += 2 + len(attributes)
        most = max(most, held)
        if most > MAX_MARKS:
            raise DocumentError(TOO_MANY_MARKS, 413)

    def end(tag: str) -> None:
        nonlocal held
        if tag == forgotten:
            held = held_before.pop() + 1

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(content)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two of odd encodings
        raise DocumentError("Excel 文件已损坏，无法读取") from error
    return most


def _check_xml(content: bytes, forgotten: str | None, limits: Limits) -> int:
    """Check a part's XML for entity definitions; return how many tags and attributes it has at most at once."""
    if not XML_START.match(content):
        return 0
    if ENTITY.search(content[:HEAD_BYTES].replace(b"\0", b"")):
        raise DocumentError("文件含有不允许的 XML 实体定义")
    if forgotten:
        return _held_marks(content, forgotten, limits)
    return content.count(b"<") + content.count(b"=")


def check_office_file(data: bytes, limits: Limits, streamed: Mapping[str, str] = MappingProxyType({})) -> None:
    """Check a docx or xlsx file: no bombs, no macros, no entity definitions; raises DocumentError.

    `streamed` names the parts that the reader streams, by how their names begin, and what it forgets of them.
    """
    archive = open_archive(data, limits)
    total = marks = other_marks = 0
    for entry in archive.infolist():
        lowered = entry.filename.lower()
        if lowered.endswith("vbaproject.bin"):
            raise DocumentError("文件含有宏，拒绝处理；请另存为不含宏的格式", 415)
        if lowered.endswith(NESTED):
            raise DocumentError("文件内嵌套了压缩文件，拒绝处理")
        content = read_entry(archive, entry, limits)
        total += len(content)
        if total > limits.unpacked_bytes:
            raise DocumentError("压缩文件解开后过大", 413)
        forgotten = next((tag for start, tag in streamed.items() if lowered.startswith(start)), None)
        found = _check_xml(content, forgotten, limits)
        if lowered.startswith(LONG_PARTS):
            marks += found
        else:
            other_marks += found
        if marks > MAX_MARKS or other_marks > MAX_OTHER_MARKS:
            raise DocumentError(TOO_MANY_MARKS, 413)
