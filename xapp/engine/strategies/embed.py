"""Embed: the vector of each text of a request.

A text is computed whole, within one step: its vector is made from all of its tokens. A step takes as many
texts as it has room for, of one request or of several, in the order of the scheduler. So a request with a
thousand texts holds no step for longer than any other request, and a more urgent request goes first from the
next step on. No cells are kept: the sequence ids of a step are the numbers of its texts.
"""

from xapp.backend.base import Backend, Batch, Pooling
from xapp.domain.messages import Embed as Texts
from xapp.domain.messages import Priority, SequenceEmbedded, Submit
from xapp.engine.sequence import Sequence
from xapp.engine.strategies.decode import Decode


class Embed(Decode):
    """Belongs to one sequence. The texts before `_first` have their vectors, or have them after this step.

    A step has at most `num_sequences` texts of all sequences together.
    """

    draws = False
    may_share = False
    keeps_answer = False
    shares_step = True

    def __init__(self, request: Submit, texts: Texts, backend: Backend) -> None:
        assert isinstance(backend, Pooling), "only a worker of this kind gets texts"
        self._texts = texts
        self._backend = backend
        self._pooling: Pooling = backend
        self._first = 0
        self._places: list[int] = []
        self._tokens_done = 0
        self._num_tokens = sum(map(len, texts.texts))
        self.num_beside = self._num_tokens - len(request.prompt)

    def plan(self, sequence: Sequence, batch: Batch, room: int) -> int:
        """Adds the next texts as far as there is room, and a text that no step has room for to an empty
        batch. None of the tokens keeps its cell.
        """
        self._places.clear()
        for tokens in self._texts.texts[self._first :]:
            place = len(batch.outputs)
            too_long = len(tokens) > room and len(batch) > 0
            if too_long or place == self._backend.num_sequences:
                break
            batch.extend(tokens, 0, place)
            batch.want_output()
            self._places.append(place)
            room -= len(tokens)
        if self._places:
            batch.keeps_cells = False
            batch.hurried |= sequence.request.priority is not Priority.BATCH
        return 0

    def update(self, sequence: Sequence, drawn: list[int], read: list[list[float]]) -> list[int]:
        """Returns no tokens: the vectors are `sequence.result`."""
        texts, request_id = self._texts, sequence.request.request_id
        vectors = self._pooling.vectors(self._places, texts.dimensions, normalized=texts.normalized)
        until = self._first + len(self._places)
        self._tokens_done += sum(map(len, texts.texts[self._first : until]))
        self._first = until
        sequence.result = SequenceEmbedded(request_id, vectors, until == len(texts.texts))
        return []

    def prompt_left(self, sequence: Sequence) -> int:
        """Tokens of the texts without vectors."""
        return self._num_tokens - self._tokens_done

    def num_completion(self, sequence: Sequence) -> int:
        """Nothing is generated."""
        return 0
