"""Plots of a training run: loss and average precision per epoch, precision-recall per label, reliability."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_curve

from training.train import Training

mpl.use("Agg")
from matplotlib import pyplot as plt

COLUMNS = 8
BINS = 10


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


def plot_run(run: Training) -> None:
    """Write loss.png, precision_recall.png and reliability.png into the run's folder."""
    _plot_history(run, run.out / "loss.png")
    if not run.held_out:
        return
    targets, logits, known = run.held_out_scores()
    probability = 1 / (1 + np.exp(-logits))
    truth = targets > 0.5  # noqa: PLR2004
    labels = run.model.labels
    rows = -(-len(labels) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(COLUMNS * 2, rows * 2), sharex=True, sharey=True)
    for index, (label, axis) in enumerate(zip(labels, axes.flat, strict=False)):
        own = known[:, index]
        if truth[own, index].any():
            precision, recall, _ = precision_recall_curve(truth[own, index], probability[own, index])
            axis.plot(recall, precision)
        axis.set_title(label.split("_", 1)[1], fontsize=7)
    figure.tight_layout()
    figure.savefig(run.out / "precision_recall.png")
    plt.close(figure)
    figure, axis = plt.subplots(figsize=(4, 4))
    observed, expected = calibration_curve(truth[known], probability[known], n_bins=BINS)
    axis.plot([0, 1], [0, 1], linestyle="--", color="grey")
    axis.plot(expected, observed, marker="o")
    axis.set(xlabel="probability", ylabel="share of positives")
    figure.tight_layout()
    figure.savefig(run.out / "reliability.png")
    plt.close(figure)
