"""Speed of the runtime, from posted text to findings, beside its raw session, the fp32 network and a pipeline.

The transformers pipeline runs an encoder of twelve layers with the shipped tokenizer: its speed depends on shape alone.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import AutoModelForSequenceClassification

from screening.artifact import NETWORK, TOKENIZER
from screening.classifier import Classifier, Input
from screening.screener import Screener, TextInput
from training.bench.common import THREADS, inputs_of, medians, raw_session, sample_rows, shared_session
from training.bench.pipelines import encoder_config, text_pipeline
from training.model import TextClassifier
from training.network import write_network

TEXTS = 256
TEACHER_LAYERS = 12
# Runs in a process that has loaded nothing else. The short text is one of 40 characters.
ALONE_CODE = """
import statistics, time
start = time.perf_counter()
from screening import Screener
screener = Screener.load(threads=2)
loaded = time.perf_counter() - start
from screening.screener import TextInput
short = TextInput("这款茶饮连喝三个月血糖血压都稳定下来了，老顾客都说好，今天下单买二送一包邮到家哦", "ad", "普通食品")
times = []
for _ in range(120):
    start = time.perf_counter()
    screener.screen([short])
    times.append(time.perf_counter() - start)
screener.screen([TextInput("最终解释权归本店所有" * n, "clause") for n in range(1, 25)] * 3)
lines = open("/proc/self/status").read().splitlines()
memory = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
print(loaded, statistics.median(times) * 1000, memory)
"""


def _teacher(folder: Path, inputs: list[Input]) -> Callable[[], object]:
    config = encoder_config(folder)
    config.num_hidden_layers = TEACHER_LAYERS
    classify = text_pipeline(AutoModelForSequenceClassification.from_config(config), folder)
    texts = [item.text for item in inputs]
    return lambda: classify(texts, truncation=True)


def bench_runtime() -> dict[str, Any]:
    """Run the benchmark and return its figures."""
    screener = Screener.load(threads=THREADS)
    folder = screener.artifact.folder
    rows = sample_rows(TEXTS)
    inputs = inputs_of(rows)
    items = [TextInput(row.text, row.kind, row.category) for row in rows]
    small = screener.classifier
    with tempfile.TemporaryDirectory() as temporary:
        network = Path(temporary) / "fp32.onnx"
        write_network(TextClassifier.load(folder), network)
        full = Classifier(network, folder / TOKENIZER, screener.artifact.manifest.max_tokens, THREADS)
        median = medians(
            {
                "runtime": lambda: screener.screen(items),
                "raw_int8": raw_session(small, inputs),
                "shared_int8": shared_session(folder / NETWORK, small, inputs),
                "raw_fp32": raw_session(full, inputs),
                "pipeline": _teacher(folder, inputs),
            }
        )
    done = subprocess.run([sys.executable, "-c", ALONE_CODE], check=True, capture_output=True, text=True)  # noqa: S603
    load, short, memory = map(float, done.stdout.split())
    return {
        "texts": len(inputs),
        "texts_per_s": {name: round(len(inputs) / value, 1) for name, value in median.items()},
        "runtime_to_raw": round(median["raw_int8"] / median["runtime"], 3),
        "runtime_to_shared": round(median["shared_int8"] / median["runtime"], 3),
        "int8_to_fp32": round(median["raw_fp32"] / median["raw_int8"], 2),
        "runtime_to_pipeline": round(median["pipeline"] / median["runtime"], 2),
        "one_text_ms": round(short, 2),
        "load_s": round(load, 2),
        "memory_mb": round(memory),
    }
