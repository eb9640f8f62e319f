"""Screens texts: normalises and segments them, runs the classifier, and gathers the findings of each text."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np

from screening.artifact import Artifact, ArtifactError, Decision, load_artifact
from screening.classifier import Classifier, Floats, Input, Output
from screening.errors import MingjianError
from screening.evidence import Span, evidence_spans
from screening.normalise import Normalised, normalise
from screening.resources import shipped_model
from screening.results import Evidence, Finding, Screening, SegmentResult, Verdict
from screening.segment import Segment, segment
from screening.taxonomy import Kind, Taxonomy, load_taxonomy
from screening.wide import WideModel

MAX_CHARS = 200_000
# Processors round int8 products differently; golden probabilities may move by this much and no more.
GOLDEN_TOLERANCE = 0.08
# Of a document's segments one in eight violates, of the texts that thresholds are chosen on one in two: a difference of
# 1.9 in log-odds. Of that, so much keeps nine in ten of the violating segments of data/documents.jsonl.
DOCUMENT_STRICTNESS = 1.5
# A text of so many pieces is judged as a document, however it came; a poster sent as a picture is not.
DOCUMENT_PIECES = 12
# A segment of so few characters gives up its lead-ins before it is cut further.
SMALLEST_CHARS = 80
# So few characters are never more than the network reads.
LEAST_CHARS = 8


class TextError(MingjianError):
    """The text cannot be screened."""


@dataclass(frozen=True)
class TextInput:
    """A text to screen, and the hints to it: where it comes from, and what goods or service it is about.

    `by_segment`, for documents, cuts short texts too, and asks for the findings of each segment beside those of all;
    `of_document` tells that it is a part of a longer one, which may be short itself.
    """

    text: str
    kind: Kind | None = None
    category: str = ""
    by_segment: bool = False
    of_document: bool = False


@dataclass
class Judgement:
    """What a piece or a whole text shows: the probability of each label (labels,), and where it shows those in doubt.

    `evidence` has the words for every label, by its index, that reached the threshold of review; of a whole text the
    probabilities are the highest of its pieces.
    """

    probabilities: Floats
    evidence: dict[int, list[Evidence]]


@dataclass(frozen=True)
class Piece:
    """A segment of a text, ready for the classifier; `joins` are the places in it where a lead-in ends."""

    item: TextInput
    start: int
    end: int
    normalised: Normalised
    joins: tuple[int, ...] = ()

    @property
    def input(self) -> Input:
        """What the network reads."""
        return Input(self.normalised.text, self.item.kind, self.item.category)


def _piece(item: TextInput, part: Segment) -> Piece:
    """Normalise a segment and the lead-ins before it."""
    ranges = (*part.leads, (part.start, part.end))
    whole, *others = (normalise(item.text[start:end]).shifted(start) for start, end in ranges)
    joins = []
    for other in others:
        joins.append(len(whole.text))
        whole = whole.followed_by(other)
    return Piece(item, part.start, part.end, whole, tuple(joins))


def probabilities(logits: Floats, decisions: Sequence[Decision]) -> Floats:
    """Return calibrated probabilities (..., labels) of logits (..., labels)."""
    slope = np.array([decision.slope for decision in decisions])
    offset = np.array([decision.offset for decision in decisions])
    return np.asarray(1 / (1 + np.exp(-(logits * slope + offset))), dtype=np.float32)


def _merged(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Return evidence in the order of the text; words that were read with several items stand once."""
    merged: list[Evidence] = []
    for own in sorted(evidence, key=lambda own: (own.start, own.end)):
        if merged and own.start < merged[-1].end:
            last = merged.pop()
            text = last.text + own.text[last.end - own.start :]
            end = max(last.end, own.end)
            own = Evidence(start=last.start, end=end, text=text, weight=max(last.weight, own.weight))  # noqa: PLW2901
        merged.append(own)
    return tuple(merged)


def violation_score(values: Floats, thresholds: Floats, weights: Floats) -> float:
    """Return the violation score of a text, 0 to 100: 100 * (1 - product of (1 - weight * strength)) over all labels.

    A label's strength is half the square of probability / threshold below its threshold (so that forty small doubts do
    not add up), and rises linearly from 0.5 at the threshold to 1 at probability 1. The score never falls when a
    probability rises.
    """
    below = 0.5 * (values / thresholds) ** 2
    above = 0.5 + 0.5 * (values - thresholds) / (1 - thresholds)
    strength = np.where(values < thresholds, below, above)
    return round(100 * (1 - float(np.prod(1 - weights * strength, dtype=np.float64))), 1)


class _Rule:
    """The decisions on all labels as arrays (labels,), and what a finding says of them."""

    def __init__(self, decisions: Sequence[Decision]) -> None:
        self.decisions = tuple(decisions)
        self.thresholds = np.array([d.threshold for d in decisions])
        self.review = np.array([d.review_threshold for d in decisions])


class Screener:
    """A loaded model that screens texts; the same input gives the same output."""

    def __init__(self, artifact: Artifact, taxonomy: Taxonomy, threads: int = 0) -> None:
        self.artifact = artifact
        self.taxonomy = taxonomy
        self.classifier = Classifier(
            artifact.network,
            artifact.tokenizer,
            artifact.manifest.max_tokens,
            threads,
            WideModel.load(artifact.wide),
        )
        self._labels = taxonomy.labels
        self._decisions = artifact.decisions
        self._weights = np.array([label.weight for label in taxonomy.labels])
        self._rule = _Rule(artifact.decisions)
        self._strict_rule = _Rule([decision.stricter(DOCUMENT_STRICTNESS) for decision in artifact.decisions])

    @classmethod
    def load(cls, folder: Path | None = None, threads: int = 0) -> Self:
        """Load a model folder (the one in service by default), and check it on its golden texts.

        Raises ArtifactError where the folder is not whole or the model answers otherwise than when it was made.
        """
        taxonomy = load_taxonomy()
        screener = cls(load_artifact(folder or shipped_model(), taxonomy), taxonomy, threads)
        screener.check_golden()
        return screener

    @property
    def version(self) -> str:
        """The version of the model."""
        return self.artifact.manifest.version

    def check_golden(self) -> None:
        """Classify the golden texts of the artifact again; raises ArtifactError where the answers moved too far."""
        golden = self.artifact.golden
        outputs = self.classifier.run([Input(normalise(g.text).text, g.kind, g.category) for g in golden])
        for expected, output in zip(golden, outputs, strict=True):
            values = probabilities(output.logits, self._decisions)
            drift = float(np.abs(values - np.array(expected.probabilities)).max())
            if not drift <= GOLDEN_TOLERANCE:  # NaN is not greater than anything
                raise ArtifactError(f"模型自检未通过：标准文本的概率偏差达到 {drift:.2f}，本机的运算结果不可靠")

    def screen(self, items: Sequence[TextInput]) -> list[Screening]:
        """Screen texts; results come in the order of the items. Raises TextError where one cannot be read."""
        cut = [self.cut(item) for item in items]
        judged = iter(self.judge([piece for own in cut for piece in own]))
        return [self.gather(item, own, [next(judged) for _ in own]) for item, own in zip(items, cut, strict=True)]

    def cut(self, item: TextInput) -> list[Piece]:
        """Cut a text into the pieces that are judged one by one; raises TextError where it cannot be read."""
        if len(item.text) > MAX_CHARS:
            raise TextError(f"文本过长：{len(item.text)} 字，上限 {MAX_CHARS} 字")
        if any("\ud800" <= character <= "\udfff" or character == "\0" for character in item.text):
            raise TextError("文本含有无效字符，请检查编码")
        pieces: list[Piece] = []
        for part in segment(item.text, item.kind, item.by_segment):
            pieces += self._fitting(item, part)
        return [piece for piece in pieces if piece.normalised.text.strip()]

    def _fitting(self, item: TextInput, part: Segment) -> list[Piece]:
        """Return the segment as a piece; where it has more tokens than the network reads, in overlapping halves.

        A small one is read without its outermost lead-ins before it is halved.
        """
        piece = _piece(item, part)
        size = part.end - part.start
        if self.classifier.holds(piece.input) or (size < LEAST_CHARS and not part.leads):
            return [piece]
        if size < SMALLEST_CHARS and part.leads:
            return self._fitting(item, Segment(part.start, part.end, part.leads[1:]))
        middle, overlap = (part.start + part.end) // 2, min(SMALLEST_CHARS, size) // 4
        halves = ((part.start, middle + overlap), (middle - overlap, part.end))
        return [piece for start, end in halves for piece in self._fitting(item, Segment(start, end, part.leads))]

    def judge(self, pieces: Sequence[Piece]) -> list[Judgement]:
        """Return the probability of every label in each piece, and the evidence of those that reach review."""
        if not pieces:
            return []
        outputs = self.classifier.run([piece.input for piece in pieces])
        values = probabilities(np.stack([output.logits for output in outputs]), self._decisions)
        return [self._judge(*own) for own in zip(pieces, outputs, values, strict=True)]

    def gather(self, item: TextInput, pieces: Sequence[Piece], judged: Sequence[Judgement]) -> Screening:
        """Put together what was judged of all pieces of a text; long ones have higher thresholds, as most is lawful."""
        rule = self._strict_rule if item.of_document or len(pieces) >= DOCUMENT_PIECES else self._rule
        together = self._together(judged, rule)
        segments = []
        for piece, own in zip(pieces, judged, strict=True):
            labels = tuple(self._labels[i].code for i in np.flatnonzero(own.probabilities >= rule.thresholds))
            findings, review = self._findings(own, rule) if item.by_segment else ((), ())
            segments.append(
                SegmentResult(start=piece.start, end=piece.end, labels=labels, findings=findings, review=review)
            )
        findings, review = self._findings(together, rule)
        verdict = Verdict.SUSPECTED if findings else Verdict.REVIEW if review else Verdict.CLEAR
        return Screening(
            score=violation_score(together.probabilities, rule.thresholds, self._weights),
            verdict=verdict,
            findings=findings,
            review=review,
            segments=tuple(segments),
            kind=item.kind,
            category=item.category,
            model_version=self.version,
        )

    def _together(self, judged: Sequence[Judgement], rule: _Rule) -> Judgement:
        """Return what the pieces of a text show together.

        The words of a finding come from the pieces that reach its threshold, those for review from all in doubt.
        """
        highest = np.zeros(len(self._labels), dtype=np.float32)
        for own in judged:
            highest = np.maximum(highest, own.probabilities)
        evidence: dict[int, list[Evidence]] = {}
        for own in judged:
            for index, words in own.evidence.items():
                threshold = rule.thresholds[index]
                if highest[index] < threshold or own.probabilities[index] >= threshold:
                    evidence.setdefault(index, []).extend(words)
        return Judgement(highest, evidence)

    def _judge(self, piece: Piece, output: Output, values: Floats) -> Judgement:
        found = np.flatnonzero(values >= self._rule.review).tolist()
        spans = {index: evidence_spans(output.parts(index), output.offsets) for index in found}
        return Judgement(values, {index: self._evidence(piece, own) for index, own in spans.items()})

    @staticmethod
    def _evidence(piece: Piece, spans: list[Span]) -> list[Evidence]:
        """Return the spans in the text as posted; one that runs from a lead-in into its item is given in two."""
        evidence = []
        for span in spans:
            cuts = [span.start, *(join for join in piece.joins if span.start < join < span.end), span.end]
            for first, last in pairwise(cuts):
                start, end = piece.normalised.original_span(first, last)
                weight = round(span.weight * (last - first) / (span.end - span.start), 3)
                evidence.append(Evidence(start=start, end=end, text=piece.item.text[start:end], weight=weight))
        return evidence

    def _findings(self, judged: Judgement, rule: _Rule) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
        """Return the findings, and those for review only, each by falling probability."""
        sure: list[Finding] = []
        review: list[Finding] = []
        for index in sorted(judged.evidence, key=lambda own: -judged.probabilities[own]):
            group = sure if judged.probabilities[index] >= rule.thresholds[index] else review
            group.append(self._finding(index, judged, rule))
        return tuple(sure), tuple(review)

    def _finding(self, index: int, judged: Judgement, rule: _Rule) -> Finding:
        label = self._labels[index]
        return Finding(
            label=label.code,
            name=label.name,
            probability=round(float(judged.probabilities[index]), 4),
            threshold=rule.decisions[index].threshold,
            needs_check=label.needs_check,
            evidence=_merged(judged.evidence[index]),
            legal_basis=label.legal_basis,
            inspection_row=label.inspection_row,
            statistics_row=label.statistics_row,
            offices=label.offices,
            advice=label.advice,
        )
