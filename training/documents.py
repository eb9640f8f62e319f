"""Measures a model on whole documents: how many violating segments it finds, and how many lawful ones it disturbs."""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from screening.errors import MingjianError
from screening.results import Finding, SegmentResult
from screening.screener import Screener, TextInput
from screening.taxonomy import Kind


class DocumentsError(MingjianError):
    """The file of documents cannot be read."""


class MarkedSegment(BaseModel):
    """A segment as it was written, with its labels; those that careful readers differ on are unclear."""

    model_config = ConfigDict(frozen=True)

    text: str
    labels: tuple[str, ...]
    unclear: tuple[str, ...] = ()


class MarkedDocument(BaseModel):
    """A document in segments; `readings` tells how many have labelled it."""

    model_config = ConfigDict(frozen=True)

    id: str
    title: str
    kind: Kind
    category: str
    readings: int = 1
    segments: tuple[MarkedSegment, ...]


class DocumentQuality(BaseModel):
    """Segments counted over all documents; `false_per_100` lawful segments have a finding."""

    documents: int
    violating: int
    found: float
    lawful: int
    false_per_100: float


def read_documents(path: Path) -> list[MarkedDocument]:
    """Read a JSONL file of documents; raises DocumentsError."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        return [MarkedDocument.model_validate(json.loads(line)) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise DocumentsError(f"文件 {path} 无法读取：{type(error).__name__}") from error


def _overlap(finding: Finding, segment: SegmentResult, start: int, end: int) -> int:
    """Return how many characters of a finding's evidence in the judged segment lie in start:end.

    Where all its evidence stands in the lead-ins of the segment, the whole segment counts.
    """
    inside = [(max(own.start, segment.start), min(own.end, segment.end)) for own in finding.evidence]
    places = [place for place in inside if place[0] < place[1]] or [(segment.start, segment.end)]
    return sum(max(0, min(end, last) - max(start, first)) for first, last in places)


def _given(document: MarkedDocument, results: Sequence[SegmentResult]) -> list[set[str]]:
    """Return the labels found in each segment as written: a finding belongs where most of its evidence lies."""
    starts = [0]
    for segment in document.segments:
        starts.append(starts[-1] + len(segment.text) + 1)
    given: list[set[str]] = [set() for _ in document.segments]
    for result in results:
        for finding in result.findings:
            shares = [
                _overlap(finding, result, start, start + len(own.text))
                for start, own in zip(starts, document.segments, strict=False)
            ]
            given[max(range(len(shares)), key=shares.__getitem__)].add(finding.label)
    return given


def measure_documents(screener: Screener, documents: Sequence[MarkedDocument]) -> DocumentQuality:
    """Screen whole documents. A violating segment is found where one of its labels is found in it."""
    violating = found = lawful = disturbed = 0
    for document in documents:
        text = "\n".join(segment.text for segment in document.segments)
        (result,) = screener.screen([TextInput(text, document.kind, document.category, by_segment=True)])
        for segment, labels in zip(document.segments, _given(document, result.segments), strict=True):
            if segment.labels:
                violating += 1
                found += bool(labels & set(segment.labels))
            elif not segment.unclear:
                lawful += 1
                disturbed += bool(labels)
    return DocumentQuality(
        documents=len(documents),
        violating=violating,
        found=round(found / max(1, violating), 3),
        lawful=lawful,
        false_per_100=round(100 * disturbed / max(1, lawful), 1),
    )
