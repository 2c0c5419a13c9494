"""AdmittedRequest: the place of a request that came in, from its tokens to its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from xapp.admission.corrections import MEDIAN
from xapp.admission.open_request import OpenRequest
from xapp.admission.quota import Charge, Charges
from xapp.domain.answers import Finished
from xapp.domain.messages import Submit
from xapp.workers.token_stream import TokenStream

if TYPE_CHECKING:
    from xapp.admission.admission import Admission


class AdmittedRequest:
    """The place of an admitted request. It is first `tokenized`, or will `join` another request's answer.
    Then it is `following` its stream.

    `finished` is the last event, if there is one. Later predictions learn from it.
    """

    def __init__(self, admission: "Admission", opened: OpenRequest, charge: Charge | Charges) -> None:
        self._admission = admission
        self._predictor = admission.predictor
        self._opened = opened
        self._charge = charge
        self.finished: Finished | None = None

    def tokenized(self, prompt: list[int], max_tokens: int) -> None:
        """Checks the deadline again with the known size. Raises Exhausted as `DeadlineCheck.check` does."""
        self._predictor.tokenized(self._opened, prompt, max_tokens)
        self._admit(len(prompt))

    def counted(self, num_tokens: int) -> None:
        """As `tokenized`, for texts of so many tokens in all, which share nothing with others."""
        self._predictor.counted(self._opened, num_tokens)
        self._admit(num_tokens)

    def _admit(self, num_prompt: int) -> None:
        opened = self._opened
        self._admission.place(opened)
        self._admission.admit(opened)
        self._charge.set(num_prompt + opened.num_expected)

    def placed(self, submit: Submit) -> Submit:
        """The request for the worker with its turn."""
        turn = self._opened.turn
        return submit if turn is None else msgspec.structs.replace(submit, turn=turn)

    def in_time_with(self, computed: "AdmittedRequest") -> bool:
        """Whether the answer of `computed` is predicted to end before this request's deadline."""
        left_s = self._predictor.left_s(computed._opened, excluding=self._opened)
        return self._admission.deadlines.in_time(self._opened.request, left_s)

    def join(self, computed: "AdmittedRequest") -> None:
        """Takes the answer of `computed`. The request is no load, but keeps its place and pays its quota."""
        self._admission.note_budget(self._opened)
        self._predictor.joined(self._opened, computed._opened)
        self._charge.set(self._opened.num_prompt + self._predictor.num_tokens(computed._opened, MEDIAN))

    def succeed(self) -> None:
        """Represents the joined computation in predictions from now on: the request before it has left."""
        self._predictor.open_requests.add(self._opened)

    @contextmanager
    def following(self, stream: TokenStream) -> Iterator[None]:
        """The worker has the request and `stream` shows its progress. At the end its tokens are charged."""
        opened = self._opened
        if stream.joined_at is None:
            self._predictor.submitted(opened, stream)
            self._admission.predict_all()
        try:
            yield
        finally:
            self._charge.set(opened.num_prompt + stream.num_tokens)
            self._admission.learn(opened, self.finished)
