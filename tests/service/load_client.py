"""Many clients of the service at once: each sends its next text when it has its answer, and waits where told to.

Prints how often each status was answered. Run as a process of its own, so that it does not slow those who measure.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter

RETRY_AFTER = re.compile(rb"retry-after: (\d+)", re.IGNORECASE)
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


async def client(port: int, number: int, end: float, statuses: Counter[int]) -> None:
    """Send texts until `end`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = 0
    while time.monotonic() < end:
        sent += 1
        body = json.dumps({"text": f"第{number}店第{sent}号：会员卡概不退款"}).encode()
        head = f"POST /v1/screenings HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        writer.write(head.encode() + b"\r\n\r\n" + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(LENGTH.search(answer)[1]))
        statuses[int(answer.split(b" ", 2)[1])] += 1
        if wait := RETRY_AFTER.search(answer):
            await asyncio.sleep(int(wait[1]))
    writer.close()


async def main(port: int, clients: int, seconds: float) -> None:
    """Run the clients, and print the statuses as JSON."""
    statuses: Counter[int] = Counter()
    end = time.monotonic() + seconds
    await asyncio.gather(*(client(port, number, end, statuses) for number in range(clients)))
    print(json.dumps(statuses))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
