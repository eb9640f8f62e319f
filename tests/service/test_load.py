"""Many clients at once against a small queue: answers or a clear refusal, and health all the while."""

import http.client
import json
import subprocess
import sys
import time
from pathlib import Path

from tests.service.test_processes import SOAK, free_port, service

CLIENTS = 1000 if SOAK else 200
SECONDS = 60 if SOAK else 8
# The soak test asks for a machine of its own; beside other work, only that health is answered at all.
HEALTH_S = 0.1 if SOAK else 2.0


def test_only_answers_and_refusals_and_health_all_the_while(tmp_path):
    port = free_port()
    health = []
    with service(tmp_path, port, MINGJIAN_MAX_QUEUE="32", MINGJIAN_RATE_PER_MINUTE="10000000"):
        arguments = [sys.executable, str(Path(__file__).with_name("load_client.py"))]
        load = subprocess.Popen([*arguments, str(port), str(CLIENTS), str(SECONDS)], stdout=subprocess.PIPE, text=True)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while load.poll() is None:
            start = time.perf_counter()
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            answer.read()
            health.append(time.perf_counter() - start)
            assert answer.status == 200
            time.sleep(0.1)
        connection.close()
        output, _ = load.communicate()
    statuses = json.loads(output)
    print(statuses, f"health: median {sorted(health)[len(health) // 2]:.3f} s, longest {max(health):.3f} s")
    assert load.returncode == 0
    assert set(statuses) == {"200", "429"}
    assert statuses["200"] > CLIENTS // 4
    assert max(health) < HEALTH_S
