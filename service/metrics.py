"""What Prometheus reads."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
REQUESTS = Counter("mingjian_requests", "Requests answered", ("method", "path", "status"), registry=REGISTRY)
REQUEST_SECONDS = Histogram(
    "mingjian_request_seconds",
    "Time to answer",
    ("path",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
TEXTS = Counter("mingjian_texts", "Texts screened, by who waited and by verdict", ("way", "verdict"), registry=REGISTRY)
KEPT = Counter("mingjian_kept_answers", "Texts answered from what is kept", registry=REGISTRY)
WAITING = Gauge("mingjian_waiting_texts", "Texts that wait for the model or are in it", registry=REGISTRY)
WORKER_UP = Gauge("mingjian_worker_up", "Whether the inference worker runs", registry=REGISTRY)
