"""Parsers that go wrong as other people's may; a module of its own, as the readers' processes import it."""

import itertools
import os
import signal
import time
from pathlib import Path
from unittest.mock import patch

from service.documents.model import Block, Document
from service.documents.parse import PARSERS
from service.records import document_text


def size_of(name, data, limits):
    return name, len(data)


def wait_for_file(name, data, limits):
    while not Path(name).exists():
        time.sleep(0.01)


def crash(name, data, limits):
    os.abort()


def told_to_stop(name, data, limits):
    """Die of SIGTERM, as a process does that has not come as far as to ignore it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


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


def _read_slowly(name, data, limits):
    """Take a second to read, or, where the name says so, for ever."""
    time.sleep(1)
    while "stuck" in name:
        limits.check_time()
    return Document(name, (Block(data.decode()),))


def slow_text(name, data, limits):
    with patch.dict(PARSERS, {".txt": _read_slowly}):
        return document_text(name, data, limits)


def endless(name, data, limits):
    yield from itertools.count()
