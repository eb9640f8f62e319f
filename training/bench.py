"""`make bench`: speed of the shipped runtime, beside its raw session, the fp32 network and a transformers pipeline.

All are timed in one run, in turns, on the corpus' own mix of lengths; medians of the rounds are given. The pipeline
runs an encoder of the teacher's shape (twelve layers) with the shipped tokenizer: its speed depends on shape alone.
"""

import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast, pipeline

from screening.artifact import ENCODER, TOKENIZER
from screening.classifier import BATCH_TOKENS, Classifier, Input, length_sorted_batches
from screening.normalise import normalise
from screening.screener import Screener
from training.corpus import read_corpus
from training.model import TextClassifier
from training.network import write_network

TEXTS = 256
ROUNDS = 5
THREADS = 2
SHORT_CHARS = 40
SHORT_RUNS = 60
TEACHER_LAYERS = 12
LOAD_CODE = """
import resource, time
start = time.perf_counter()
from screening import Screener
screener = Screener.load(threads=2)
loaded = time.perf_counter() - start
from screening.screener import TextInput
screener.screen([TextInput("最终解释权归本店所有", "clause")] * 64)
print(loaded, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _raw(classifier: Classifier, inputs: list[Input]) -> Callable[[], None]:
    """Return the session's work alone: the same batches, made beforehand."""
    encodings = classifier.encode(inputs)
    batches = length_sorted_batches([len(encoding.ids) for encoding in encodings], BATCH_TOKENS)
    feeds = [classifier.feed([encodings[i] for i in batch]) for batch in batches]

    def work() -> None:
        for feed in feeds:
            classifier.session.run(["logits", "contributions"], feed)

    return work


def _pipeline(folder: Path, inputs: list[Input]) -> Callable[[], None]:
    """Return a transformers text-classification pipeline of the teacher's shape, as its documentation runs it."""
    config = AutoConfig.for_model(**json.loads((folder / ENCODER).read_text(encoding="utf-8")))
    config.num_hidden_layers = TEACHER_LAYERS
    model = AutoModelForSequenceClassification.from_config(config)
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / TOKENIZER), model_max_length=512, **names)
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    texts = [item.text for item in inputs]
    return lambda: classify(texts, truncation=True)


def _machine() -> dict[str, Any]:
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    flags = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "amx_int8") if f" {flag}" in info]
    done = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], check=False, capture_output=True, text=True)  # noqa: S607
    return {"machine": platform.machine(), "flags": flags, "threads": THREADS, "commit": done.stdout.strip()}


def bench() -> dict[str, Any]:
    """Run the benchmark and return its figures."""
    torch.set_num_threads(THREADS)
    screener = Screener.load(threads=THREADS)
    folder = screener.artifact.folder
    rows = read_corpus([Path("data/corpus")])
    rows = rows[:: len(rows) // TEXTS][:TEXTS]
    inputs = [Input(normalise(row.text).text, row.kind, row.category) for row in rows]
    small = screener.classifier
    with tempfile.TemporaryDirectory() as temporary:
        network = Path(temporary) / "fp32.onnx"
        write_network(TextClassifier.load(folder), network)
        full = Classifier(network, folder / TOKENIZER, screener.artifact.manifest.max_tokens, THREADS)
        work = {
            "runtime": lambda: small.run(inputs),
            "raw_int8": _raw(small, inputs),
            "raw_fp32": _raw(full, inputs),
            "pipeline": _pipeline(folder, inputs),
        }
        times: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(ROUNDS):
            for name, run in work.items():
                times[name].append(_seconds(run))
    median = {name: statistics.median(values) for name, values in times.items()}
    short = Input("这款茶饮连喝三个月血糖血压都稳定下来了，老顾客都说好，今天下单买二送一包邮到家哦", "ad", "普通食品")
    short = Input(short.text[:SHORT_CHARS], short.kind, short.category)
    single = statistics.median(_seconds(lambda: small.run([short])) for _ in range(SHORT_RUNS))
    done = subprocess.run([sys.executable, "-c", LOAD_CODE], check=True, capture_output=True, text=True)  # noqa: S603
    load, memory = map(float, done.stdout.split())
    return {
        **_machine(),
        "model": screener.version,
        "texts": len(inputs),
        "texts_per_s": {name: round(len(inputs) / value, 1) for name, value in median.items()},
        "runtime_to_raw": round(median["raw_int8"] / median["runtime"], 3),
        "int8_to_fp32": round(median["raw_fp32"] / median["raw_int8"], 2),
        "runtime_to_pipeline": round(median["pipeline"] / median["runtime"], 2),
        "one_text_ms": round(single * 1000, 2),
        "load_s": round(load, 2),
        "memory_mb": round(memory),
        "own_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


if __name__ == "__main__":
    figures = bench()
    Path("bench.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))
