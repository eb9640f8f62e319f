"""Runs both benchmarks, prints their figures and writes them to bench.json."""

import json
from pathlib import Path

import torch

from screening.resources import shipped_model
from training.bench.common import THREADS, machine
from training.bench.http import bench_http
from training.bench.runtime import bench_runtime

if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    figures = {**machine(), "model": shipped_model().name, "runtime": bench_runtime(), "http": bench_http()}
    text = json.dumps(figures, indent=1)
    Path("bench.json").write_text(text + "\n", encoding="utf-8")
    print(text)
