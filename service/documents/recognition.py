"""Reads text from pictures, on this machine: the recogniser's models come inside its package."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from service.documents.model import Block, Document, DocumentError, Limits, within

FORMATS = ("PNG", "JPEG")
MIN_CONFIDENCE = 0.5
# The recogniser shrinks what is longer than this, until it misreads the characters of a long screenshot: such a picture
# is read strip by strip. Strips overlap by more than a line, so that each line is whole in one of them.
STRIP_HEIGHT = 2000
OVERLAP = 120
# The recogniser enlarges what is narrower, a strip of a few pixels to more than it can read in minutes.
MIN_WIDTH = 736
# Smaller than any character.
MIN_SIDE = 8
# What apps for scanning write of themselves below a page, maybe in two lines: no words of the document.
SCANNER_MARK = re.compile(
    r"(?:cs\W*)?扫描全能王\W*(?:创建|3亿人都在用的扫描app)?|3亿人都在用的扫描app|"
    r"夸克扫描王\W*(?:极速扫描\W*就是高效)?|极速扫描\W*就是高效|"
    r"(?:(?:scanned|created) (?:with|by)\W+)?(?:camscanner|adobe scan|tapscanner)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Line:
    """A line of text and its place in the picture."""

    text: str
    left: float
    right: float
    top: float
    bottom: float

    @property
    def height(self) -> float:
        """How tall it is."""
        return self.bottom - self.top

    def covers(self, other: "_Line") -> bool:
        """Whether the two are mostly at one place, as a line is that two strips show."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return (
            width > min(self.right - self.left, other.right - other.left) / 2
            and height > min(self.height, other.height) / 2
        )


def is_scanner_mark(line: str) -> bool:
    """Tell whether a line of a scanned page is nothing but the mark of an app for scanning."""
    return SCANNER_MARK.fullmatch(line.strip()) is not None


@cache
def _recogniser() -> Callable[[NDArray[np.uint8]], Any]:
    from rapidocr import RapidOCR  # noqa: PLC0415 - loads models, only where a picture comes

    recogniser: Callable[[NDArray[np.uint8]], Any] = RapidOCR(params={"Global.log_level": "critical"})
    return recogniser


def _read_strip(strip: Image.Image, top: int) -> Iterator[_Line]:
    """Yield the lines of a strip from top to bottom; lines too doubtful to read are left out.

    What is transparent is read as white: the colour below it, mostly black, is never seen.
    """
    canvas = Image.new("RGB", (max(strip.width, MIN_WIDTH), strip.height), "white")
    if strip.has_transparency_data:
        strip = strip.convert("RGBA")
        canvas.paste(strip, mask=strip)
    else:
        canvas.paste(strip)
    try:
        found = _recogniser()(np.asarray(canvas)[:, :, ::-1])
    except MemoryError:
        raise
    except Exception as error:  # its libraries raise what they like on pictures of odd sizes
        raise DocumentError("图像无法识别") from error
    if found.txts is None:
        return
    for box, text, score in zip(found.boxes, found.txts, found.scores, strict=True):
        if score >= MIN_CONFIDENCE and text.strip():
            (left, above), (right, below) = box.min(axis=0), box.max(axis=0)
            yield _Line(text.strip(), left, right, above + top, below + top)


def recognise(picture: Image.Image, limits: Limits) -> list[str]:
    """Return the lines of text in a picture, from top to bottom, without scanners' marks; raises DocumentError."""
    if min(picture.size) < MIN_SIDE:
        return []
    lines: list[_Line] = []
    for top in range(0, max(1, picture.height - OVERLAP), STRIP_HEIGHT - OVERLAP):
        limits.check_time()
        strip = picture.crop((0, top, picture.width, min(top + STRIP_HEIGHT, picture.height)))
        before = len(lines)
        for line in _read_strip(strip, top):
            twin = next((place for place in range(before) if lines[place].covers(line)), None)
            if twin is None:
                lines.append(line)
            elif line.height > lines[twin].height:  # the edge of the strip before had cut it
                lines[twin] = line
    return [line.text for line in lines if not is_scanner_mark(line.text)]


def _upright(picture: Image.Image) -> Image.Image:
    """Turn a photo as its camera was held, as far as it says so."""
    try:
        return ImageOps.exif_transpose(picture)
    except MemoryError:
        raise
    except Exception:  # whatever damaged metadata lead to; the picture can be read without
        return picture


def open_picture(data: bytes, limits: Limits) -> Image.Image:
    """Decode a PNG or JPEG picture, upright; raises DocumentError where it is too large or damaged."""
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        if picture.width * picture.height > limits.pixels:
            raise DocumentError(f"图像过大：{picture.width}×{picture.height}", 413)
        picture.load()
    except Image.DecompressionBombError as error:
        raise DocumentError("图像过大", 413) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise DocumentError("图像已损坏，无法读取") from error
    return _upright(picture)


def parse_picture(name: str, data: bytes, limits: Limits) -> Document:
    """Read a PNG or JPEG screenshot or photo; raises DocumentError."""
    lines = recognise(open_picture(data, limits), limits)
    return Document(name, within((Block(line) for line in lines), limits), by_recognition=True)
