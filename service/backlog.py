"""What waits for the model, counted in texts and in characters, and how much of it may wait."""

import threading
from collections.abc import Collection

from screening.errors import MingjianError
from screening.screener import TextInput


class QueueFullError(MingjianError):
    """Too much waits already."""


class Backlog:
    """Counts texts from when they are handed in until they have their outcome."""

    def __init__(self, max_texts: float, max_chars: float) -> None:
        self._max_texts = max_texts
        self._max_chars = max_chars
        self._lock = threading.Lock()
        self.texts = 0
        self.chars = 0

    @property
    def is_full(self) -> bool:
        """Whether nothing more is taken for now."""
        return self.texts >= self._max_texts or self.chars >= self._max_chars

    def enter(self, items: Collection[TextInput]) -> None:
        """Count texts in, however many they are where nothing waits; raises QueueFullError."""
        chars = sum(len(item.text) for item in items)
        with self._lock:
            too_many = self.texts + len(items) > self._max_texts or self.chars + chars > self._max_chars
            if self.texts and too_many:
                raise QueueFullError(f"排队已满：{self.texts} 条、{self.chars} 字正在等待")
            self.texts += len(items)
            self.chars += chars

    def leave(self, item: TextInput) -> None:
        """Count a text out."""
        with self._lock:
            self.texts -= 1
            self.chars -= len(item.text)
