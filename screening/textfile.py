"""Reads text files in the encodings that Chinese offices use."""

from pathlib import Path

from screening.errors import MingjianError


class EncodingError(MingjianError):
    """The file is in none of the known encodings."""


def decode(data: bytes, name: str) -> str:
    """Decode a file as a whole: UTF-16 or UTF-8 with its mark, then strict UTF-8, then GB18030."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif data.startswith(b"\xef\xbb\xbf"):
        encodings = ["utf-8-sig"]
    else:
        encodings = ["utf-8", "gb18030"]
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise EncodingError(f"文件 {name} 的编码无法识别，请另存为 UTF-8 后重试")


def read_text_file(path: Path) -> str:
    """Read a text file of unknown encoding; raises EncodingError."""
    return decode(path.read_bytes(), path.name)
