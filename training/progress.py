"""Progress of long work: a bar in a terminal, a line every half minute in a log."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LOG_INTERVAL_S = 30.0


class Meter:
    """Shows how far work of `total` units has come, its rate and the time left; a context manager."""

    def __init__(self, title: str, total: int, unit: str, done: int = 0) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.done = self._first = done
        self._start = self._logged = time.monotonic()
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(title, total=total, completed=done, note="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, count: int, note: str = "") -> None:
        """Report `count` more units done, with a short note (a loss, a score)."""
        self.done += count
        now = time.monotonic()
        rate = (self.done - self._first) / max(now - self._start, 1e-9)
        text = f"{rate:,.0f} {self.unit}/s {note}"
        self._bar.update(self._task, completed=self.done, note=text)
        if not self._console.is_terminal and now - self._logged > LOG_INTERVAL_S:
            self._logged = now
            left = (self.total - self.done) / max(rate, 1e-9) / 60
            self._console.print(f"{self.title}: {self.done:,}/{self.total:,} {text} {left:.0f} min left")
