"""Many clients at once against a small queue: answers or a clear refusal, and health all the while.

How quick the answers are is for the benchmark to say.
"""

import http.client
import json
import threading
import time

from tests.service.test_processes import free_port, service

CLIENTS = 200
SECONDS = 8


def test_only_answers_and_refusals_and_health_all_the_while(tmp_path):
    port = free_port()
    statuses, health, lock = [], [], threading.Lock()
    with service(tmp_path, port, MINGJIAN_MAX_QUEUE="32", MINGJIAN_RATE_PER_MINUTE="10000000"):
        end = time.monotonic() + SECONDS

        def work(number):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            sent = 0
            while time.monotonic() < end:
                sent += 1
                body = json.dumps({"text": f"第{number}店第{sent}号：会员卡概不退款"}).encode()
                connection.request("POST", "/v1/screenings", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                with lock:
                    statuses.append(answer.status)
            connection.close()

        def watch():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            while time.monotonic() < end:
                connection.request("GET", "/healthz")
                answer = connection.getresponse()
                answer.read()
                health.append(answer.status)
                time.sleep(0.1)
            connection.close()

        threads = [threading.Thread(target=work, args=(n,)) for n in range(CLIENTS)] + [threading.Thread(target=watch)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert set(statuses) == {200, 429}
    assert statuses.count(200) > CLIENTS // 4
    assert len(health) > SECONDS  # once a second at the very least, whatever else waits
    assert set(health) == {200}
