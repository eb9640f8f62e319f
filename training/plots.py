"""Plots of a training run (loss and average precision per epoch), of its decisions, and of the learning curve."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_curve

from training.curve import ORIGINS, CurvePoint
from training.metrics import Mask, Matrix
from training.train import Training

mpl.use("Agg")
from matplotlib import pyplot as plt

COLUMNS = 8
BINS = 10
DPI = 70
PRECISION_RECALL = "precision_recall.png"
RELIABILITY = "reliability.png"


def _plot_history(run: Training, target: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5))
    epochs = [entry["epoch"] for entry in run.history]
    for axis, name in zip(axes, ("loss", "macro_ap"), strict=True):
        axis.plot(epochs, [entry.get(name, np.nan) for entry in run.history], marker="o")
        axis.set_xlabel("epoch")
        axis.set_title(name)
    figure.tight_layout()
    figure.savefig(target)
    plt.close(figure)


def _plot_precision_recall(labels: Sequence[str], truth: Mask, values: Matrix, known: Mask, target: Path) -> None:
    rows = -(-len(labels) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(COLUMNS * 2, rows * 2), sharex=True, sharey=True)
    for index, (label, axis) in enumerate(zip(labels, axes.flat, strict=False)):
        own = known[:, index]
        if truth[own, index].any():
            precision, recall, _ = precision_recall_curve(truth[own, index], values[own, index])
            axis.plot(recall, precision)
        axis.set_title(label.split("_", 1)[1], fontsize=7)
    figure.tight_layout()
    figure.savefig(target, dpi=DPI)
    plt.close(figure)


def _plot_reliability(truth: Mask, values: Matrix, known: Mask, target: Path) -> None:
    figure, axis = plt.subplots(figsize=(4, 4))
    observed, expected = calibration_curve(truth[known], values[known], n_bins=BINS)
    axis.plot([0, 1], [0, 1], linestyle="--", color="grey")
    axis.plot(expected, observed, marker="o")
    axis.set(xlabel="probability", ylabel="share of positives")
    figure.tight_layout()
    figure.savefig(target, dpi=DPI)
    plt.close(figure)


def plot_decisions(folder: Path, labels: Sequence[str], targets: Matrix, values: Matrix, known: Mask) -> None:
    """Write precision_recall.png and reliability.png of probabilities (texts, labels) into a folder."""
    truth = targets > 0.5  # noqa: PLR2004
    _plot_precision_recall(labels, truth, values, known, folder / PRECISION_RECALL)
    _plot_reliability(truth, values, known, folder / RELIABILITY)


def plot_run(run: Training) -> None:
    """Write loss.png, precision_recall.png and reliability.png into the run's folder."""
    _plot_history(run, run.out / "loss.png")
    if run.held_out:
        targets, logits, known = run.held_out_scores()
        values = (1 / (1 + np.exp(-logits))).astype(np.float32)
        plot_decisions(run.out, run.model.labels, targets, values, known)


def plot_curve(points: Sequence[CurvePoint], target: Path) -> None:
    """Draw macro-F1 against the number of texts."""
    figure, axis = plt.subplots(figsize=(5, 3.5))
    for origin in ORIGINS:
        own = [point for point in points if point.origin == origin]
        axis.plot([point.texts for point in own], [point.macro_f1 for point in own], marker="o", label=origin)
    axis.set(xscale="log", xlabel="texts", ylabel="macro-F1, held out")
    axis.legend()
    figure.tight_layout()
    figure.savefig(target, dpi=DPI)
    plt.close(figure)
