"""Screens texts: normalises and segments them, runs the classifier, and gathers the findings of each text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
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
from screening.segment import segment
from screening.taxonomy import Kind, Label, Taxonomy, load_taxonomy
from screening.wide import WideModel

MAX_CHARS = 200_000
# Processors round int8 products differently; golden probabilities may move by this much and no more.
GOLDEN_TOLERANCE = 0.08


class TextError(MingjianError):
    """The text cannot be screened."""


@dataclass(frozen=True)
class TextInput:
    """A text to screen, and the hints to it: where it comes from, and what goods or service it is about.

    `by_segment`, for documents, cuts short texts too, and asks for the findings of each segment beside those of all.
    """

    text: str
    kind: Kind | None = None
    category: str = ""
    by_segment: bool = False


@dataclass(frozen=True)
class _Piece:
    """A segment of a text, ready for the classifier."""

    start: int
    end: int
    normalised: Normalised


@dataclass
class _Best:
    """The highest probability of a label, and the evidence of every segment where it reached a threshold."""

    probability: float = 0.0
    evidence: list[Evidence] = field(default_factory=list)


def probabilities(logits: Floats, decisions: Sequence[Decision]) -> Floats:
    """Return calibrated probabilities (..., labels) of logits (..., labels)."""
    slope = np.array([decision.slope for decision in decisions])
    offset = np.array([decision.offset for decision in decisions])
    return np.asarray(1 / (1 + np.exp(-(logits * slope + offset))), dtype=np.float32)


def violation_score(values: Sequence[float], thresholds: Sequence[float], weights: Sequence[float]) -> float:
    """Return the violation score of a text, 0 to 100: 100 * (1 - product of (1 - weight * strength)) over all labels.

    A label's strength is half the square of probability / threshold below its threshold (so that forty small doubts do
    not add up), and rises linearly from 0.5 at the threshold to 1 at probability 1. The score never falls when a
    probability rises.
    """
    clear = 1.0
    for value, threshold, weight in zip(values, thresholds, weights, strict=True):
        if value < threshold:
            strength = 0.5 * (value / threshold) ** 2
        else:
            strength = 0.5 + 0.5 * (value - threshold) / (1 - threshold)
        clear *= 1 - weight * strength
    return round(100 * (1 - clear), 1)


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
            if drift > GOLDEN_TOLERANCE:
                raise ArtifactError(f"模型自检未通过：标准文本的概率偏差达到 {drift:.2f}，本机的运算结果不可靠")

    def screen(self, items: Sequence[TextInput]) -> list[Screening]:
        """Screen texts; results come in the order of the items. Raises TextError where one cannot be read."""
        pieces = [self._pieces(item) for item in items]
        inputs = [
            Input(piece.normalised.text, item.kind, item.category)
            for item, own in zip(items, pieces, strict=True)
            for piece in own
        ]
        outputs = iter(self.classifier.run(inputs))
        return [self._gather(item, own, [next(outputs) for _ in own]) for item, own in zip(items, pieces, strict=True)]

    def _pieces(self, item: TextInput) -> list[_Piece]:
        if len(item.text) > MAX_CHARS:
            raise TextError(f"文本过长：{len(item.text)} 字，上限 {MAX_CHARS} 字")
        if any("\ud800" <= character <= "\udfff" or character == "\0" for character in item.text):
            raise TextError("文本含有无效字符，请检查编码")
        pieces = []
        for part in segment(item.text, item.kind, item.by_segment):
            whole = normalise(item.text[part.start : part.end]).shifted(part.start)
            if part.lead:
                lead = normalise(item.text[part.lead[0] : part.lead[1]]).shifted(part.lead[0])
                whole = lead.followed_by(whole)
            if whole.text.strip():
                pieces.append(_Piece(part.start, part.end, whole))
        return pieces

    def _gather(self, item: TextInput, pieces: list[_Piece], outputs: list[Output]) -> Screening:
        best = [_Best() for _ in self._labels]
        segments = []
        for piece, output in zip(pieces, outputs, strict=True):
            own = self._judge(item.text, piece, output)
            for whole, entry in zip(best, own, strict=True):
                whole.probability = max(whole.probability, entry.probability)
                whole.evidence += entry.evidence
            labels = tuple(
                d.label for d, entry in zip(self._decisions, own, strict=True) if entry.probability >= d.threshold
            )
            findings, review = self._findings(own) if item.by_segment else ((), ())
            segments.append(
                SegmentResult(start=piece.start, end=piece.end, labels=labels, findings=findings, review=review)
            )
        findings, review = self._findings(best)
        verdict = Verdict.SUSPECTED if findings else Verdict.REVIEW if review else Verdict.CLEAR
        return Screening(
            score=violation_score(
                [e.probability for e in best], [d.threshold for d in self._decisions], [x.weight for x in self._labels]
            ),
            verdict=verdict,
            findings=findings,
            review=review,
            segments=tuple(segments),
            kind=item.kind,
            category=item.category,
            model_version=self.version,
        )

    def _judge(self, text: str, piece: _Piece, output: Output) -> list[_Best]:
        """Return the probability of every label in a segment, and the evidence of those that reach review."""
        own = []
        for index, value in enumerate(probabilities(output.logits, self._decisions).tolist()):
            evidence: list[Evidence] = []
            if value >= self._decisions[index].review_threshold:
                spans = evidence_spans(output.parts(index), output.offsets)
                evidence = self._evidence(text, piece.normalised, spans)
            own.append(_Best(value, evidence))
        return own

    def _evidence(self, text: str, normalised: Normalised, spans: list[Span]) -> list[Evidence]:
        evidence = []
        for span in spans:
            start, end = normalised.original_span(span.start, span.end)
            evidence.append(Evidence(start=start, end=end, text=text[start:end], weight=round(span.weight, 3)))
        return evidence

    def _findings(self, best: list[_Best]) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
        """Return the findings, and those for review only, each by falling probability."""
        reached: list[Finding] = []
        for entry, decision, label in zip(best, self._decisions, self._labels, strict=True):
            if entry.probability >= decision.review_threshold:
                reached.append(self._finding(entry, decision, label))
        reached.sort(key=lambda finding: -finding.probability)
        sure = tuple(finding for finding in reached if finding.probability >= finding.threshold)
        return sure, tuple(finding for finding in reached if finding.probability < finding.threshold)

    @staticmethod
    def _finding(entry: _Best, decision: Decision, label: Label) -> Finding:
        return Finding(
            label=label.code,
            name=label.name,
            probability=round(entry.probability, 4),
            threshold=decision.threshold,
            needs_check=label.needs_check,
            evidence=tuple(sorted(set(entry.evidence), key=lambda evidence: (evidence.start, evidence.end))),
            legal_basis=label.legal_basis,
            inspection_row=label.inspection_row,
            statistics_row=label.statistics_row,
            offices=label.offices,
            advice=label.advice,
        )
