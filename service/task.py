"""A task of the inference worker: texts that were handed in together, and are read a share at a time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum

from screening.results import Screening
from screening.screener import Judgement, Piece, Screener, TextError, TextInput

Outcome = Screening | TextError


class Priority(IntEnum):
    """Who waits: somebody for an answer, or a job."""

    REQUEST = 0
    JOB = 1


@dataclass
class Reading:
    """A text of a task, by its place there, and what was judged of its pieces so far."""

    place: int
    pieces: list[Piece]
    judged: list[Judgement] = field(default_factory=list)


Share = list[tuple[Reading, Piece]]


class Task:
    """The promise of one outcome a text, in order, and the outcomes there are already.

    `leave` is called with each text that no longer waits. Who no longer wants the outcomes cancels the future.
    """

    def __init__(self, priority: Priority, items: Sequence[TextInput], leave: Callable[[TextInput], None]) -> None:
        self.priority = priority
        self.future: Future[list[Outcome]] = Future()
        self.outcomes: list[Outcome | None] = [None] * len(items)
        self._items = items
        self._leave = leave
        self._unread: Iterator[tuple[Reading, Piece]] | None = None

    def share(self, screener: Screener, chars: int, pieces: int) -> Share:
        """Return what is read next: pieces until they make so many characters, and so many pieces at most."""
        if self._unread is None:
            self._unread = self._cut(screener)
        share: Share = []
        for reading, piece in self._unread:
            share.append((reading, piece))
            chars -= len(piece.normalised.text)
            if chars <= 0 or len(share) == pieces:
                break
        return share

    def _cut(self, screener: Screener) -> Iterator[tuple[Reading, Piece]]:
        """Yield the pieces text by text; texts of like length come together, so that little is padded."""
        for place in sorted(range(len(self._items)), key=lambda own: len(self._items[own].text)):
            try:
                reading = Reading(place, screener.cut(self._items[place]))
            except TextError as error:
                self._settle(place, error)
                continue
            if not reading.pieces:
                self._settle(place, screener.gather(self._items[place], [], []))
            for piece in reading.pieces:
                yield reading, piece

    def take(self, screener: Screener, share: Share, judged: Sequence[Judgement]) -> None:
        """Take what was judged of a share; texts of which all pieces were judged have their outcome."""
        for (reading, _), own in zip(share, judged, strict=True):
            reading.judged.append(own)
            if len(reading.judged) == len(reading.pieces):
                item = self._items[reading.place]
                self._settle(reading.place, screener.gather(item, reading.pieces, reading.judged))

    def _settle(self, place: int, outcome: Outcome) -> None:
        self.outcomes[place] = outcome
        self._leave(self._items[place])

    def finish(self) -> bool:
        """Keep the promise if every text has its outcome; tell whether that is so."""
        outcomes = [outcome for outcome in self.outcomes if outcome is not None]
        if len(outcomes) < len(self.outcomes):
            return False
        with suppress(InvalidStateError):  # cancelled meanwhile
            self.future.set_result(outcomes)
        return True

    def abandon(self) -> None:
        """Read no further."""
        for item, outcome in zip(self._items, self.outcomes, strict=True):
            if outcome is None:
                self._leave(item)

    def fail(self, error: Exception) -> None:
        """Read no further, and break the promise."""
        self.abandon()
        with suppress(InvalidStateError):  # cancelled meanwhile
            self.future.set_exception(error)
