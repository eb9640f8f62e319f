"""Reads text files in the encodings that Chinese offices use."""

from pathlib import Path

from screening.errors import MingjianError

# The common characters of an encoding, in two bytes each, come together in its table, apart from rarer ones: they are
# nearly all of a text that is in it, and less of one that is in another. Signs come before them.
COMMON = {"gb2312": ((0xA1A1, 0xA3FE), (0xB0A1, 0xD7F9)), "cp950": ((0xA140, 0xA3BF), (0xA440, 0xC67E))}
MIN_COMMON = 0.9
SAMPLE_CHARS = 20_000


class EncodingError(MingjianError):
    """The file is in none of the known encodings."""


def _common_share(text: str, encoding: str) -> float:
    """Return what share of the characters beyond ASCII, at the start of a text, are common ones of an encoding."""
    sample = [own for own in text[:SAMPLE_CHARS] if not own.isascii()]
    codes = (int.from_bytes(own.encode(encoding, "ignore")) for own in sample)
    common = sum(any(first <= code <= last for first, last in COMMON[encoding]) for code in codes)
    return common / len(sample) if sample else 1.0


def _decode_double_byte(data: bytes) -> str:
    """Decode GB18030, or Big5 where that is likelier by far: most of its texts are valid in both."""
    text = data.decode("gb18030")
    share = _common_share(text, "gb2312")
    if share < MIN_COMMON:
        try:
            other = data.decode("cp950")
        except UnicodeDecodeError:
            return text
        if _common_share(other, "cp950") > max(share, MIN_COMMON):
            return other
    return text


def decode(data: bytes, name: str) -> str:
    """Decode a file as a whole: UTF-16 or UTF-8 with its mark, then strict UTF-8, GB18030 and Big5.

    Raises EncodingError.
    """
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16")
        if data.startswith(b"\xef\xbb\xbf"):
            return data.decode("utf-8-sig")
        try:
            return data.decode()
        except UnicodeDecodeError:
            return _decode_double_byte(data)
    except UnicodeDecodeError as error:
        raise EncodingError(f"文件 {name} 的编码无法识别，请另存为 UTF-8 后重试") from error


def read_text_file(path: Path) -> str:
    """Read a text file of unknown encoding; raises EncodingError."""
    return decode(path.read_bytes(), path.name)
