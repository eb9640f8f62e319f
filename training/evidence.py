"""Measures how well the evidence that is shown agrees with the words that writers marked."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from screening.artifact import Decision
from screening.classifier import Output
from screening.evidence import evidence_spans
from screening.screener import probabilities
from training.examples import Example


class EvidenceQuality(BaseModel):
    """Over the true findings with marked words: how often the strongest evidence meets them, and the characters' F1."""

    model_config = ConfigDict(frozen=True)

    findings: int
    pointing: float
    character_f1: float


def measure_evidence(
    decisions: Sequence[Decision], items: Sequence[Example], outputs: Sequence[Output]
) -> EvidenceQuality:
    """Compare evidence and marked words of the labels that are found rightly; `outputs` are those for the items."""
    thresholds = [decision.threshold for decision in decisions]
    findings = hits = shared = shown = told = 0
    for item, output in zip(items, outputs, strict=True):
        values = probabilities(output.logits, decisions)
        for label, places in item.marked:
            spans = evidence_spans(output.parts(label), output.offsets)
            if values[label] < thresholds[label] or not spans:
                continue
            findings += 1
            hits += any(spans[0].start < end and spans[0].end > start for start, end in places)
            given = {character for span in spans for character in range(span.start, span.end)}
            meant = {character for start, end in places for character in range(start, end)}
            shared, shown, told = shared + len(given & meant), shown + len(given), told + len(meant)
    f1 = 2 * shared / max(1, shown + told)
    return EvidenceQuality(findings=findings, pointing=round(hits / max(1, findings), 3), character_f1=round(f1, 3))
