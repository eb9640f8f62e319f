"""What both benchmarks use: texts of the corpus' own mix of lengths, timing, and what machine this is."""

import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import onnxruntime as ort

from screening.classifier import BATCH_TOKENS, Classifier, Input, length_sorted_batches
from screening.normalise import normalise
from training.corpus import Row, read_corpus

THREADS = 2
ROUNDS = 5
# What suits such a session best.
SHARED_BATCH_TOKENS = 1024


def sample_rows(texts: int) -> list[Row]:
    """Return rows spread evenly over the corpus."""
    rows = read_corpus([Path("data/corpus")])
    return list(rows[:: len(rows) // texts][:texts])


def inputs_of(rows: list[Row]) -> list[Input]:
    """Return what the classifier reads of rows."""
    return [Input(normalise(row.text).text, row.kind, row.category) for row in rows]


def seconds(work: Callable[[], object]) -> float:
    """Return how long the work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def medians(work: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the median seconds of each work.

    They are run in turns, so that a busy machine slows all alike, and each round begins with another of them, as what
    runs before leaves caches and threads behind.
    """
    times: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(rounds):
        names = list(work)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            times[name].append(seconds(work[name]))
    return {name: statistics.median(values) for name, values in times.items()}


def raw_session(classifier: Classifier, inputs: list[Input]) -> Callable[[], None]:
    """Return the work of the classifier's session alone: the same batches, made beforehand, on as many threads."""
    encodings = classifier.encode(inputs)
    batches = length_sorted_batches([len(encoding.ids) for encoding in encodings], BATCH_TOKENS)
    feeds = [classifier.feed([encodings[i] for i in batch]) for batch in batches[::-1]]
    threads = ThreadPoolExecutor(THREADS)

    def work() -> None:
        list(threads.map(lambda feed: classifier.session.run(["logits", "contributions"], feed), feeds))

    return work


def shared_session(network: Path, classifier: Classifier, inputs: list[Input]) -> Callable[[], None]:
    """Return the work of a session as it is by default, all threads on one batch after another, on larger batches."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = ort.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
    encodings = classifier.encode(inputs)
    batches = length_sorted_batches([len(encoding.ids) for encoding in encodings], SHARED_BATCH_TOKENS)
    feeds = [classifier.feed([encodings[i] for i in batch]) for batch in batches]

    def work() -> None:
        for feed in feeds:
            session.run(["logits", "contributions"], feed)

    return work


def peak_memory_mb(pid: int | str = "self") -> float:
    """Return the largest resident memory that a process has had, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


def machine() -> dict[str, Any]:
    """Return processor flags, threads and commit."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    flags = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "amx_int8") if f" {flag}" in info]
    done = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], check=False, capture_output=True, text=True)  # noqa: S607
    return {"machine": platform.machine(), "flags": flags, "threads": THREADS, "commit": done.stdout.strip()}
