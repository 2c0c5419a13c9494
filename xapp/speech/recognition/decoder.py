"""Decoder: recognises pieces of speech of all streams, one after the other.

Whole utterances go first, then those that may be whole, because somebody pauses.
"""

import itertools
import os
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from xapp.speech.messages import Word
from xapp.speech.recognition.utterances import Piece


@dataclass(frozen=True, slots=True)
class Text:
    """What was said in a piece. Times of words are from the beginning of the piece."""

    text: str
    language: str
    confidence: float
    words: tuple[Word, ...] = ()


class Recognise(Protocol):
    """A model: the text of 16-bit samples at 16,000 Hz. `language` "" is detected."""

    def __call__(self, samples: bytes, language: str, *, words: bool) -> Text:
        """Blocks for as long as it computes."""
        ...


@dataclass(slots=True, eq=False)
class Task:
    """One piece to recognise. `final`: the utterance is over; `paused`: perhaps it is.

    `text` is set when the piece is recognised.
    """

    job: int
    piece: Piece
    language: str
    words: bool
    final: bool
    paused: bool = False
    number: int = field(default_factory=itertools.count().__next__)
    text: Text | None = None
    began: bool = False


class Decoder:
    """Runs in a thread of its own. `on_done` is called there, with the lock held, for each task."""

    def __init__(self, recognise: Recognise, lock: threading.RLock, on_done: Callable[[Task], None]) -> None:
        self._recognise = recognise
        self._on_done = on_done
        self._more = threading.Condition(lock)
        self._tasks: list[Task] = []

    def start(self) -> None:
        """Starts the thread, which ends with the process."""
        threading.Thread(target=self._run, name="decoder", daemon=True).start()

    def add(self, task: Task) -> None:
        """Called with the lock held."""
        self._tasks.append(task)
        self._more.notify()

    def drop(self, job: int) -> None:
        """Forgets the tasks of a job. Called with the lock held."""
        self._tasks = [task for task in self._tasks if task.job != job]

    def remove(self, task: Task) -> None:
        """Forgets one task, unless it has begun. Called with the lock held."""
        if task in self._tasks:
            self._tasks.remove(task)

    @property
    def has_work(self) -> bool:
        """Whether a task waits."""
        return bool(self._tasks)

    def step(self) -> None:
        """Waits for a task and recognises it."""
        with self._more:
            self._more.wait_for(lambda: bool(self._tasks))
            task = min(self._tasks, key=lambda each: (not each.final, not each.paused, each.number))
            self._tasks.remove(task)
            task.began = True
        text = self._recognise(task.piece.samples, task.language, words=task.words)
        with self._more:
            task.text = text
            self._on_done(task)

    def _run(self) -> None:
        try:
            while True:
                self.step()
        finally:
            # A process without its decoder is of no use: the server starts another.
            traceback.print_exc()
            os._exit(1)
