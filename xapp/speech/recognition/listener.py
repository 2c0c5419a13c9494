"""Listener: the streams of a recognising engine. It tells the server what is said, while it is said.

Whole utterances are recognised in their order. While somebody speaks, the utterance so far is recognised
again and again. In the first pause it is recognised ahead: if the pause goes on, the text is there already.
"""

import os
import threading
from collections.abc import Callable
from typing import Protocol

from xapp.speech.messages import (
    Audio,
    Done,
    Drop,
    EndAudio,
    EndUtterance,
    FromEngine,
    Heard,
    Listen,
    Onset,
    SpeechResumed,
    ToEngine,
    Took,
    Word,
)
from xapp.speech.recognition.decoder import Decoder, Recognise, Task, Text
from xapp.speech.recognition.listening import Listening
from xapp.speech.recognition.utterances import Began, Ended, Happening, Paused, Piece, Resumed

MAX_FINALS = 2
"""Utterances of one stream that wait for the decoder. Its audio waits meanwhile."""


class Sender(Protocol):
    """The way to the server."""

    def send(self, message: FromEngine) -> None:
        """Sends a message."""
        ...


class Listener:
    """`open_stream` makes the Listening of a stream. Messages come from one thread, texts from another."""

    def __init__(
        self, link: Sender, recognise: Recognise, open_stream: Callable[[Listen], Listening]
    ) -> None:
        self._link = link
        self._open = open_stream
        self._lock = threading.RLock()
        self._streams: dict[int, Listening] = {}
        self._guesses: dict[int, Task] = {}
        """By job: the latest piece of an utterance that is not over."""
        self.decoder = Decoder(recognise, self._lock, self._on_text)

    def handle(self, message: ToEngine) -> None:
        """Works on a message of the server. Messages of a dropped stream are ignored."""
        with self._lock:
            if isinstance(message, Listen):
                self._streams[message.job] = self._open(message)
            elif isinstance(message, Drop):
                self._drop(message.job)
            elif (stream := self._streams.get(message.job)) is not None:
                self._take(stream, message)

    def _take(self, stream: Listening, message: ToEngine) -> None:
        if isinstance(message, Audio):
            stream.waiting.append(message.samples)
        elif isinstance(message, EndUtterance):
            stream.waiting.append(None)
        elif isinstance(message, EndAudio):
            stream.ended = True
        self._advance(stream)

    def _drop(self, job: int) -> None:
        self._streams.pop(job, None)
        self._guesses.pop(job, None)
        self.decoder.drop(job)

    def _advance(self, stream: Listening) -> None:
        """Hears the audio that waits, unless the decoder is far behind."""
        while stream.waiting and stream.num_finals < MAX_FINALS:
            for happening in stream.hear(stream.waiting.popleft()):
                self._on(stream, happening)
            self._guess(stream)
            self._link.send(Took(stream.listen.job))
        if stream.ended and not stream.waiting and stream.num_finals < MAX_FINALS:
            self._finish(stream)

    def _finish(self, stream: Listening) -> None:
        for happening in stream.finish():
            self._on(stream, happening)
        if not stream.num_finals:
            self._drop(stream.listen.job)
            self._link.send(Done(stream.listen.job))

    def _on(self, stream: Listening, happening: Happening) -> None:
        job = stream.listen.job
        if isinstance(happening, Began):
            self._link.send(Onset(job, happening.at_s))
        elif isinstance(happening, Paused):
            self._add_guess(stream, happening.piece, paused=True)
        elif isinstance(happening, Resumed):
            self._on_resumed(stream)
        elif isinstance(happening, Ended):
            self._on_ended(stream, happening.piece)

    # ---- an utterance that is not over

    def _guess(self, stream: Listening) -> None:
        """Recognises the utterance so far, if its text is old.

        Not while it is silent: the decoder has to be free for the text of the pause, which follows soon.
        """
        listen, finder = stream.listen, stream.finder
        if not listen.interim_s or not finder.speaking or finder.silent or stream.num_finals:
            return
        piece, guess = stream.finder.so_far(), self._guesses.get(listen.job)
        if guess is not None and guess.text is None:
            return
        known_s = guess.piece.known_s if guess is not None else piece.start_s
        if piece.known_s - known_s >= listen.interim_s:
            self._add_guess(stream, piece, paused=False)

    def _on_resumed(self, stream: Listening) -> None:
        if (guess := self._guesses.get(stream.listen.job)) is not None:
            guess.paused = False
        if stream.listen.ahead:
            self._link.send(SpeechResumed(stream.listen.job))

    def _add_guess(self, stream: Listening, piece: Piece, *, paused: bool) -> None:
        if (old := self._guesses.get(stream.listen.job)) is not None:
            self.decoder.remove(old)
        task = self._task(stream, piece, final=False)
        task.paused = paused
        self._guesses[stream.listen.job] = task
        self.decoder.add(task)

    # ---- an utterance that is over

    def _on_ended(self, stream: Listening, piece: Piece) -> None:
        guess = self._guesses.pop(stream.listen.job, None)
        if guess is None or guess.piece.end_s != piece.end_s:
            if guess is not None:
                self.decoder.remove(guess)
            guess = self._task(stream, piece, final=True)
            self.decoder.add(guess)
        # Otherwise the text of the pause is the text of the utterance.
        guess.final, ahead = True, guess.text is not None
        guess.piece = Piece(guess.piece.samples, piece.start_s, piece.end_s, piece.known_s)
        stream.num_finals += 1
        if ahead:
            self._tell(stream, guess, ahead=True)

    def _task(self, stream: Listening, piece: Piece, *, final: bool) -> Task:
        listen = stream.listen
        return Task(listen.job, piece, listen.language, listen.words, final)

    # ---- called by the decoder

    def _on_text(self, task: Task) -> None:
        stream = self._streams.get(task.job)
        if stream is None:
            return
        listen = stream.listen
        wanted = listen.interim_s or (listen.ahead and task.paused)
        if task.final or (wanted and self._guesses.get(task.job) is task):
            self._try_tell(stream, task)

    def _try_tell(self, stream: Listening, task: Task) -> None:
        try:
            self._tell(stream, task, ahead=False)
        except OSError:
            os._exit(0)  # the server is gone

    def _tell(self, stream: Listening, task: Task, *, ahead: bool) -> None:
        assert task.text is not None
        self._link.send(_heard(task, task.text, ahead=ahead))
        if task.final:
            stream.num_finals -= 1
            if not ahead:
                self._advance(stream)


def _heard(task: Task, text: Text, *, ahead: bool) -> Heard:
    piece = task.piece
    words = [
        Word(each.text, each.start_s + piece.start_s, each.end_s + piece.start_s, each.probability)
        for each in text.words
    ]
    return Heard(
        task.job,
        text.text,
        task.final,
        text.language,
        text.confidence,
        piece.start_s,
        piece.end_s,
        piece.known_s,
        piece.end_s,
        ahead,
        words,
        task.paused and not task.final,
    )
