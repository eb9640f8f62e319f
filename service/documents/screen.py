"""Screens a parsed document: its segments in order, each with its findings, and a summary by label."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from screening.licences import find_licences
from screening.results import Evidence, Finding, Screening, Verdict
from screening.screener import TextInput
from screening.taxonomy import Kind
from service.documents.model import Block, Document
from service.schemas.documents import DocumentAnswer, DocumentSegment, LabelSummary

# What goes to the model at once: a document must not keep everybody else waiting.
PART_CHARS = 4000
PASS_TEXTS = 32


@dataclass(frozen=True)
class Part:
    """A run of blocks that is screened at once; `starts` are the blocks' places in its text."""

    blocks: tuple[Block, ...]
    headings: tuple[str, ...]

    @property
    def text(self) -> str:
        """The blocks, one a line."""
        return "\n".join(block.text for block in self.blocks)

    def starts(self) -> list[int]:
        """Return where each block begins in the text."""
        places, position = [], 0
        for block in self.blocks:
            places.append(position)
            position += len(block.text) + 1
        return places


def parts(document: Document) -> list[Part]:
    """Cut a document at block boundaries into parts of at most PART_CHARS, a list into its blocks.

    One block alone may be longer. What stands outside the body is a part by itself, and has the name of where it stands
    for a heading: it must not be read on from what it happens to follow.
    """
    found: list[Part] = []
    blocks: list[Block] = []
    headings: list[str] = []
    chars, heading = 0, ""
    for block in document.blocks:
        is_outside = bool(blocks) and block.region != blocks[-1].region
        if blocks and (document.is_list or is_outside or chars + len(block.text) > PART_CHARS):
            found.append(Part(tuple(blocks), tuple(headings)))
            blocks, headings, chars = [], [], 0
        heading = block.text if block.is_heading else block.region or block.sheet or heading
        blocks.append(block)
        headings.append(heading)
        chars += len(block.text) + 1
    if blocks:
        found.append(Part(tuple(blocks), tuple(headings)))
    return found


def inputs(document: Document, kind: Kind | None, category: str) -> list[TextInput]:
    """Return what the screener reads of a document, part by part; rows of a table may name kind and category."""
    is_long = not document.is_list and len(document.text) > PART_CHARS
    own = ((part.text, part.blocks[0]) for part in parts(document))
    return [
        TextInput(text, row.kind or kind, row.category or category, by_segment=True, of_document=is_long)
        for text, row in own
    ]


def passes(items: Sequence[TextInput]) -> Iterator[list[TextInput]]:
    """Group inputs into what goes to the model at once."""
    group: list[TextInput] = []
    for item in items:
        if group and (len(group) == PASS_TEXTS or sum(len(own.text) for own in group) + len(item.text) > PART_CHARS):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _moved(findings: Sequence[Finding], start: int, end: int) -> tuple[Finding, ...]:
    """Return findings with their evidence counted from the segment's start; evidence in a lead-in before it is left."""
    return tuple(
        finding.model_copy(
            update={
                "evidence": tuple(
                    Evidence(
                        start=e.start - start,
                        end=min(e.end, end) - start,
                        text=e.text[: end - e.start],
                        weight=e.weight,
                    )
                    for e in finding.evidence
                    if start <= e.start < end
                )
            }
        )
        for finding in findings
    )


def _segments(document: Document, results: Sequence[Screening]) -> Iterator[DocumentSegment]:
    index = 0
    for part, result in zip(parts(document), results, strict=True):
        text, starts = part.text, part.starts()
        for segment in result.segments:
            place = bisect_right(starts, segment.start) - 1
            index += 1
            yield DocumentSegment(
                index=index,
                text=text[segment.start : segment.end],
                heading=part.headings[place],
                page=part.blocks[place].page,
                paragraph=part.blocks[place].paragraph,
                findings=_moved(segment.findings, segment.start, segment.end),
                review=_moved(segment.review, segment.start, segment.end),
            )


def _summary(segments: Sequence[DocumentSegment]) -> list[LabelSummary]:
    by_label: dict[str, LabelSummary] = {}
    for segment in segments:
        for finding in segment.findings:
            own = by_label.setdefault(
                finding.label,
                LabelSummary(
                    label=finding.label,
                    name=finding.name,
                    segments=[],
                    probability=0,
                    offices=finding.offices,
                    inspection_row=finding.inspection_row,
                    statistics_row=finding.statistics_row,
                ),
            )
            own.segments.append(segment.index)
            own.probability = max(own.probability, finding.probability)
    return sorted(by_label.values(), key=lambda own: -own.probability)


def document_answer(document: Document, results: Sequence[Screening]) -> DocumentAnswer:
    """Put the results of a document's parts together; the whole is as suspicious as its worst part."""
    segments = list(_segments(document, results))
    verdicts = {result.verdict for result in results}
    verdict = next(own for own in (Verdict.SUSPECTED, Verdict.REVIEW, Verdict.CLEAR) if own in verdicts)
    hints = {(result.kind, result.category) for result in results}
    kind, category = hints.pop() if len(hints) == 1 else (None, "")
    return DocumentAnswer(
        name=document.name,
        kind=kind,
        category=category,
        score=max(result.score for result in results),
        verdict=verdict,
        model_version=results[0].model_version,
        by_recognition=document.by_recognition,
        segments=segments,
        summary=_summary(segments),
        licences=list(find_licences(document.text)),
    )
