"""Speed of the service through HTTP, beside its raw session and a transformers pipeline of the same weights.

The service runs in a process of its own on an empty database; clients share the processor with it. Every text is new
to the service, so that none is answered from what it has kept.
"""

import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from screening.artifact import NETWORK
from screening.screener import Screener
from training.bench.common import (
    THREADS,
    inputs_of,
    medians,
    peak_memory_mb,
    raw_session,
    sample_rows,
    shared_session,
)
from training.bench.pipelines import ShippedClassifier, text_pipeline
from training.corpus import Row

TEXTS = 512
BATCH = 256
SINGLES = 400
CLIENTS = (1, 16, 64)
STEADY_RATE = 50
STEADY_S = 20
START_S = 60
PIPELINE_BATCH = 16

_unique = count(10_000)


@contextmanager
def _service() -> Iterator[tuple[int, int]]:
    """Start the service; yield its port and process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "MINGJIAN_DATA_FOLDER": folder,
            "MINGJIAN_AUTH": "off",
            "MINGJIAN_THREADS": str(THREADS),
            "MINGJIAN_RATE_PER_MINUTE": "1000000",
        }
        code = "from service.cli import app; app()"
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", code, "serve", "--port", str(port)], env=environment, stderr=subprocess.DEVNULL
        )
        try:
            _wait(port)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(30)


def _wait(port: int) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            if _request(connection, "GET", "/readyz", None)[0] == http.HTTPStatus.OK:
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the service did not start")


def _request(connection: http.client.HTTPConnection, method: str, path: str, body: object) -> tuple[int, bytes]:
    content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
    connection.request(method, path, content, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def _fresh(row: Row) -> dict[str, str]:
    """Return a row's text, made new to the service by a number."""
    return {"text": f"{row.text} {next(_unique)}", "kind": row.kind, "category": row.category}


def _percentiles(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return {"p50_ms": round(statistics.median(ordered) * 1000, 1), "p99_ms": round(p99 * 1000, 1)}


def _clients(port: int, rows: list[Row], clients: int) -> dict[str, float]:
    """Time single requests of so many clients, each sending its next when it has its answer."""
    times: list[float] = []
    bodies = [_fresh(rows[n % len(rows)]) for n in range(SINGLES)]
    random.Random(1).shuffle(bodies)  # noqa: S311
    lock = threading.Lock()

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            with lock:
                if not bodies:
                    return
                body = bodies.pop()
            start = time.perf_counter()
            status, _ = _request(connection, "POST", "/v1/screenings", body)
            assert status == http.HTTPStatus.OK, status  # noqa: S101
            times.append(time.perf_counter() - start)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = time.perf_counter() - begin
    return {**_percentiles(times), "per_s": round(len(times) / spent, 1)}


def _steady(port: int, rows: list[Row]) -> dict[str, float]:
    """Time requests that come at a steady rate, whether or not earlier ones were answered."""
    times: list[float] = []
    bodies = [_fresh(rows[n % len(rows)]) for n in range(STEADY_RATE * STEADY_S)]
    random.Random(2).shuffle(bodies)  # noqa: S311
    begin = time.perf_counter() + 0.5

    def work(place: int, step: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for n in range(place, len(bodies), step):
            due = begin + n / STEADY_RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            status, _ = _request(connection, "POST", "/v1/screenings", bodies[n])
            assert status == http.HTTPStatus.OK, status  # noqa: S101
            times.append(time.perf_counter() - due)

    threads = [threading.Thread(target=work, args=(place, 20)) for place in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _percentiles(times)


def bench_http() -> dict[str, Any]:
    """Run the benchmark and return its figures."""
    rows = sample_rows(TEXTS)
    screener = Screener.load(threads=THREADS)
    inputs = inputs_of([row.model_copy(update=_fresh(row)) for row in rows])
    texts = [item.text for item in inputs]
    folder = screener.artifact.folder
    classify = text_pipeline(ShippedClassifier(folder), folder)
    with _service() as (port, pid):

        def batches() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            for start in range(0, len(rows), BATCH):
                items = [_fresh(row) for row in rows[start : start + BATCH]]
                status, _ = _request(connection, "POST", "/v1/screenings/batch", {"items": items})
                assert status == http.HTTPStatus.OK, status  # noqa: S101

        batches()
        median = medians(
            {
                "http_batch": batches,
                "raw_int8": raw_session(screener.classifier, inputs),
                "shared_int8": shared_session(folder / NETWORK, screener.classifier, inputs),
                "pipeline": lambda: classify(texts, truncation=True),
                "pipeline_batched": lambda: classify(texts, truncation=True, batch_size=PIPELINE_BATCH),
            }
        )
        singles = {f"{clients}_clients": _clients(port, rows, clients) for clients in CLIENTS}
        steady = _steady(port, rows)
        memory = peak_memory_mb(pid)
    return {
        "texts_per_s": {name: round(len(rows) / value, 1) for name, value in median.items()},
        "batch_to_raw": round(median["raw_int8"] / median["http_batch"], 3),
        "batch_to_shared": round(median["shared_int8"] / median["http_batch"], 3),
        "batch_to_pipeline": round(median["pipeline"] / median["http_batch"], 2),
        "batch_to_pipeline_batched": round(median["pipeline_batched"] / median["http_batch"], 2),
        "singles": singles,
        f"steady_{STEADY_RATE}_per_s": steady,
        "memory_mb": round(memory),
    }
