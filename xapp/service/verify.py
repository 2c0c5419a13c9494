"""Verify: sessions in which this node's model checks the drafts of another model.

A session is a list of tokens. The model's computation of them is a cached prefix in the worker, which finds
it again by the tokens. So the node may drop any computation, and a session that is opened again with the same
tokens continues where it was. Each verification is a request of its own: it is admitted, has a class and a
deadline, counts for the quota, and shares steps with all other requests.
"""

from array import array
from collections import Counter
from contextlib import closing
from secrets import randbelow

import msgspec

from xapp import failpoints
from xapp.domain.decoding import MAX_DRAFTS
from xapp.domain.messages import (
    MAX_SEED,
    Drafts,
    SamplingParams,
    Submit,
)
from xapp.domain.requests import Request
from xapp.domain.verification import Drafted, Opened, Opening, Verdict, digest_of
from xapp.errors import Aborted, Exhausted, InvalidArgument
from xapp.service.call import Calls, Resolve, Target, scopes_of
from xapp.service.verdicts import check_tokens, check_vocabulary, final_event, finish, verdict

MAX_SESSIONS = 1024
MAX_SESSIONS_OF_CLIENT = 256
MAX_SESSION_TOKENS = 4_000_000
"""Tokens of all sessions together: 16 MB."""
_RETRY_AFTER_S = 5.0
_SPREAD = 0x9E3779B1
"""Gives each place of a sequence its own seed."""


def _session_lost() -> Aborted:
    return Aborted("failpoint session", reason="SESSION_EXPIRED")


class Verifications:
    """The open sessions of this node."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._sessions: Counter[str] = Counter()
        self.num_tokens = 0
        """Tokens of all sessions."""

    @property
    def num_open(self) -> int:
        """Number of sessions."""
        return self._sessions.total()

    async def open_session(self, opening: Opening) -> "VerificationSession":
        """Raises FailedPrecondition, reason VOCABULARY_DIFFERS; Exhausted, reason TOO_MANY_SESSIONS; and the
        errors of finding a model.
        """
        self._check_room(opening)
        target = await self._calls.find(_resolved(_request(opening)))
        check_vocabulary(opening, target)
        check_tokens("open.tokens", opening.tokens, target, at_least=1)
        self._check_room(opening)
        self._sessions[opening.client] += 1
        return VerificationSession(self, self._calls, opening, target)

    def _check_room(self, opening: Opening) -> None:
        ours = self._sessions[opening.client]
        if self.num_open >= MAX_SESSIONS or ours >= MAX_SESSIONS_OF_CLIENT:
            what = f"{self.num_open} verification sessions are open, {ours} of them of this client"
            raise _too_many(f"{what}: at most {MAX_SESSIONS}, {MAX_SESSIONS_OF_CLIENT} of a client")
        self.check_tokens(len(opening.tokens))

    def check_tokens(self, count: int) -> None:
        """Raises Exhausted where `count` more tokens are too many."""
        if self.num_tokens + count > MAX_SESSION_TOKENS:
            raise _too_many(f"the verification sessions have {self.num_tokens} tokens together")

    def left(self, client: str) -> None:
        """A session of the client ended."""
        self._sessions[client] -= 1
        if not self._sessions[client]:
            del self._sessions[client]


class VerificationSession:
    """A Session of `domain.verification`. Used by one task."""

    def __init__(self, sessions: Verifications, calls: Calls, opening: Opening, target: Target) -> None:
        self._sessions = sessions
        self._calls = calls
        self._opening = opening
        self._request = _request(opening)
        self._seed = _seed(opening)
        self._closed = False
        self._tokens: array[int] = array("i")
        self._replace(0, opening.tokens)
        limit = target.serving.limit
        self.opened = Opened(target.model.name, target.serving.digest, limit)

    async def verify(self, drafted: Drafted) -> Verdict:
        """See Session. Raises the errors of admission, and DeadlineExceeded."""
        self._check(drafted)
        await failpoints.reach("session", _session_lost)
        async with self._calls.enter(_resolved(self._request)) as call:
            check_tokens("verify.tokens", drafted.tokens, call.target)
            check_tokens("verify.drafts", drafted.drafts, call.target)
            self._check_length(drafted, call.target)
            self._replace(drafted.position, drafted.tokens)
            submit = self._submission(drafted, call.target)
            call.admitted.tokenized([*submit.prompt, *drafted.drafts], 1)
            with (
                closing(call.target.model.supervisor.submit(submit)) as stream,
                call.admitted.following(stream),
            ):
                end = await final_event(stream)
                finish(call, submit, end)
                return verdict(drafted, stream, end, exact=self._opening.exact)

    async def aclose(self) -> None:
        """Frees the session's place. Its cells stay as a cached prefix until they are needed."""
        if not self._closed:
            self._closed = True
            self._replace(0, ())
            self._sessions.left(self._opening.client)

    def _check(self, drafted: Drafted) -> None:
        """Raises InvalidArgument; Aborted, reason CONTEXT_DIFFERS."""
        if len(drafted.drafts) > MAX_DRAFTS:
            text = f"has {len(drafted.drafts)} tokens, at most {MAX_DRAFTS} are allowed"
            raise InvalidArgument("verify.drafts", text)
        if not 0 <= drafted.position <= len(self._tokens):
            text = f"is {drafted.position}, the session has {len(self._tokens)} tokens"
            raise InvalidArgument("verify.position", text)
        if not drafted.position and not drafted.tokens:
            raise InvalidArgument("verify.tokens", "must not be empty at position 0")
        if drafted.digest and drafted.digest != digest_of(self._tokens[: drafted.position]):
            text = f"the first {drafted.position} tokens of the session are others: open it again"
            raise Aborted(text, reason="CONTEXT_DIFFERS")

    @staticmethod
    def _check_length(drafted: Drafted, target: Target) -> None:
        length = drafted.position + len(drafted.tokens) + len(drafted.drafts)
        if length > (limit := target.serving.limit):
            text = f"come to {length} tokens with those before, the context has {limit}"
            raise InvalidArgument("verify.drafts", text, reason="PROMPT_TOO_LONG")

    def _replace(self, position: int, tokens: tuple[int, ...]) -> None:
        """The tokens from `position` on are `tokens`."""
        self._sessions.check_tokens(len(tokens))
        before = len(self._tokens)
        del self._tokens[position:]
        self._tokens.extend(tokens)
        self._sessions.num_tokens += len(self._tokens) - before

    def _submission(self, drafted: Drafted, target: Target) -> Submit:
        opening, asked = self._opening, target.admission_request
        return Submit(
            request_id=self._calls.new_id(),
            prompt=self._tokens.tolist(),
            max_tokens=1,
            sampling=self._sampling(),
            ignore_eos=opening.ignore_eos,
            priority=asked.priority,
            arrival=asked.arrival,
            deadline=asked.deadline,
            verify=Drafts(list(drafted.drafts), opening.exact),
            **scopes_of(target.request),
        )

    def _sampling(self) -> SamplingParams:
        """With a seed of its own for the place, so that no random numbers are drawn twice."""
        if not self._opening.exact:
            return SamplingParams()
        seed = (self._seed + len(self._tokens) * _SPREAD) % (MAX_SEED + 1)
        return msgspec.structs.replace(self._opening.sampling, seed=seed)


def _seed(opening: Opening) -> int:
    if opening.sampling.temperature == 0:
        return 0
    return randbelow(MAX_SEED + 1) if opening.seed is None else opening.seed


def _request(opening: Opening) -> Request:
    """For admission a verification is a prompt without an answer."""
    return Request(
        prompt="",
        model=opening.model,
        max_tokens=1,
        ignore_eos=True,
        priority=opening.priority,
        correlation_id=opening.correlation_id,
        deadline=opening.deadline,
        client=opening.client,
        scope=opening.scope,
    )


def _resolved(request: Request) -> Resolve:
    async def resolve() -> Request:
        return request

    return resolve


def _too_many(text: str) -> Exhausted:
    return Exhausted(text, reason="TOO_MANY_SESSIONS", retry_after_s=_RETRY_AFTER_S)
