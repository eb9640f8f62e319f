"""Reads text from pictures, on this machine: the recogniser's models come inside its package."""

import io
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from service.documents.model import Block, Document, DocumentError, Limits

FORMATS = ("PNG", "JPEG")
MIN_CONFIDENCE = 0.5
_one_at_a_time = threading.Lock()


@cache
def _recogniser() -> Callable[[NDArray[np.uint8]], Any]:
    from rapidocr import RapidOCR  # noqa: PLC0415 - loads models, only where a picture comes

    recogniser: Callable[[NDArray[np.uint8]], Any] = RapidOCR(params={"Global.log_level": "critical"})
    return recogniser


def recognise(picture: Image.Image) -> list[str]:
    """Return the lines of text in a picture, from top to bottom; lines too doubtful to read are left out."""
    with _one_at_a_time:
        found = _recogniser()(np.asarray(picture.convert("RGB"))[:, :, ::-1])
    if found.txts is None:
        return []
    return [
        text.strip()
        for text, score in zip(found.txts, found.scores, strict=True)
        if score >= MIN_CONFIDENCE and text.strip()
    ]


def parse_picture(name: str, data: bytes, limits: Limits) -> Document:
    """Read a PNG or JPEG screenshot; raises DocumentError."""
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        if picture.width * picture.height > limits.pixels:
            raise DocumentError(f"图像过大：{picture.width}×{picture.height}", 413)
        picture.load()
    except Image.DecompressionBombError as error:
        raise DocumentError("图像过大", 413) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise DocumentError("图像已损坏，无法读取") from error
    return Document(name, tuple(Block(line) for line in recognise(picture)), by_recognition=True)
