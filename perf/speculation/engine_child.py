"""One engine in a process of its own, without a server: plays prompts by a strategy, and measures steps.

`python -m perf.speculation.engine_child --model FILE --settings JSON` greets with the ModelInfo. It answers a
Read with tokens, a Play with a Played, a Price with seconds, a Margin with a number.
"""

import sys
import time
from itertools import count
from statistics import median

import msgspec

from perf import json_child
from xapp.backend.base import Backend, Batch
from xapp.backend.llama_load import load
from xapp.backend.llama_sampler import GREEDY
from xapp.backend.node import this_node
from xapp.backend.vocab import Vocab
from xapp.config import EngineSettings
from xapp.domain.chat import ChatMessage
from xapp.domain.decoding import BY_NAME
from xapp.domain.messages import StepEvents, Submit
from xapp.engine.engine import Engine
from xapp.engine.worker import new_engine
from xapp.text.codec import TextCodec

FILL = 256
"""Tokens that fill the cells in one step."""
REPEATS = 5
"""Steps of each size, in turns."""


class Read(msgspec.Struct, frozen=True, tag=True):
    """A question, as a conversation of one message where the model has a template."""

    text: str


class Play(msgspec.Struct, frozen=True, tag=True):
    """Answers prompts at once, at most `max_tokens` each."""

    prompts: list[list[int]]
    max_tokens: int
    strategy: str


class Played(msgspec.Struct, frozen=True):
    """`seconds` of the steps without prompts, and the `num_tokens` of these steps."""

    answers: list[list[int]]
    seconds: float
    num_tokens: int
    num_drafted: int
    num_accepted: int
    num_draft_steps: int


class Price(msgspec.Struct, frozen=True, tag=True):
    """A step of each number of rows of one sequence behind `cells` tokens."""

    rows: list[int]
    cells: int


class Margin(msgspec.Struct, frozen=True, tag=True):
    """The logit of the first token less that of the second, after the tokens."""

    tokens: list[int]
    first: int
    second: int


Command = Read | Play | Price | Margin


class Player:
    """Takes over the backend. A model that was never surveyed here is surveyed first."""

    def __init__(self, backend: Backend, engine: Engine, vocab: Vocab) -> None:
        self._backend = backend
        self._engine = engine
        self._codec = TextCodec(vocab)
        self._ids = count(1)
        while engine.may_survey:
            engine.survey()

    def answer(self, command: Command) -> object:
        """The reply."""
        match command:
            case Read(text):
                return self._read(text)
            case Play():
                return self.play(command)
            case Price(rows, cells):
                return self.price(rows, cells)
            case Margin(tokens, first, second):
                return self.margin(tokens, first, second)

    def _read(self, text: str) -> list[int]:
        if self._codec.has_chat_template:
            return self._codec.encode_chat([ChatMessage("user", text)])
        return self._codec.encode(text)

    def play(self, work: Play) -> Played:
        """The prompts are computed first, in a play of one token, so that later plays find them cached."""
        self._run(work, 1)
        return self._run(work, work.max_tokens)

    def _run(self, work: Play, max_tokens: int) -> Played:
        answers: dict[int, list[int]] = {}
        for prompt in work.prompts:
            request_id = next(self._ids)
            answers[request_id] = []
            self._engine.submit(Submit(request_id, prompt, max_tokens, strategy=BY_NAME[work.strategy]))
        seconds, num_tokens, counts = 0.0, 0, [0, 0, 0]
        while self._engine.has_work:
            before = self._num_prefilled
            began = time.perf_counter()
            events = self._engine.step()
            if self._num_prefilled == before:
                seconds += time.perf_counter() - began
                num_tokens += len(events.tokens) // 2
            _collect(events, answers, counts)
        return Played(list(answers.values()), seconds, num_tokens, *counts)

    @property
    def _num_prefilled(self) -> int:
        return self._engine.stats().total_prefill_tokens

    def price(self, rows: list[int], cells: int) -> list[float]:
        """The median seconds by number of rows. The cells are those of a branch."""
        seq_id = self._backend.num_sequences
        for start in range(0, cells, FILL):
            batch = Batch()
            batch.extend(list(range(100 + start, 100 + min(cells, start + FILL))), start, seq_id)
            self._backend.decode(batch, [])
        found = [[self._step_s(seq_id, cells, number) for number in rows] for _ in range(REPEATS)]
        self._backend.remove(seq_id)
        return [median(each) for each in zip(*found, strict=True)]

    def _step_s(self, seq_id: int, cells: int, rows: int) -> float:
        batch = Batch()
        for place in range(rows):
            batch.add(200 + place, cells + place, seq_id)
            batch.want_output()
        began = time.perf_counter()
        self._backend.decode(batch, [GREEDY] * rows)
        seconds = time.perf_counter() - began
        self._backend.remove(seq_id, cells)
        return seconds

    def margin(self, tokens: list[int], first: int, second: int) -> float:
        """Both tokens are choices of a score."""
        self._engine.submit(Submit(next(self._ids), tokens, 1, choices=[[first], [second]]))
        while self._engine.has_work:
            for scored in self._engine.step().scored:
                (one,), (other,) = scored.log_probabilities
                found = one - other
        return found


def _collect(events: StepEvents, answers: dict[int, list[int]], counts: list[int]) -> None:
    for request_id, token in zip(events.tokens[::2], events.tokens[1::2], strict=True):
        answers[request_id].append(token)
    for finished in events.finished:
        for place, number in enumerate(
            (finished.num_drafted, finished.num_accepted, finished.num_draft_steps)
        ):
            counts[place] += number


def main(args: list[str]) -> None:
    """Serves commands until standard input closes."""
    path = json_child.option(args, "--model")
    settings = msgspec.json.decode(json_child.option(args, "--settings"), type=EngineSettings)
    backend = load(path, settings, this_node(), lambda _: None)
    player = Player(backend, new_engine(backend, settings), Vocab(path))
    json_child.serve(lambda line: player.answer(msgspec.json.decode(line, type=Command)), backend.info)


if __name__ == "__main__":
    main(sys.argv[1:])
