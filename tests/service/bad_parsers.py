"""Parsers that go wrong as other people's may; a module of its own, as the readers' processes import it."""

import itertools
import os
import time
from pathlib import Path


def size_of(name, data, limits):
    return name, len(data)


def wait_for_file(name, data, limits):
    while not Path(name).exists():
        time.sleep(0.01)


def crash(name, data, limits):
    os.abort()


def presence(name, data, limits):
    """Tell in which process this runs, and from when to when."""
    start = time.monotonic()
    time.sleep(0.05)
    return os.getpid(), start, time.monotonic()


def stumble(name, data, limits):
    raise LookupError(data.decode())


def hang(name, data, limits):
    time.sleep(60)


def swell(name, data, limits):
    return len(bytearray(3 * 1024**3))


class TooLarge:
    def __reduce__(self):
        raise MemoryError


def too_large_to_send(name, data, limits):
    return TooLarge()


def rows_in_time(name, data, limits):
    for row in data.splitlines():
        limits.check_time()
        yield row


def endless(name, data, limits):
    yield from itertools.count()
