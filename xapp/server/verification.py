"""VerificationService: converts and delegates. One call is one session."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import grpc

from xapp.domain.service import Service
from xapp.domain.verification import DIGEST_BYTES, Drafted, Opened, Opening, Session, Verdict
from xapp.edge import caller_text
from xapp.edge.watchdog import Watchdog, WatchedStream
from xapp.errors import Aborted, InvalidArgument
from xapp.inference.v1 import verification_pb2 as pb
from xapp.inference.v1 import verification_pb2_grpc
from xapp.security import principal
from xapp.security.policy import ANYTHING_GOES, Policy
from xapp.security.principal import Principal
from xapp.server.convert.priority import to_priority
from xapp.server.convert.sampling_params import to_sampling, to_seed
from xapp.server.deadline import deadline_of
from xapp.telemetry.metrics import Metrics

IDLE_S = 60.0
"""A session without a message for so long ends."""


class VerificationServicer(verification_pb2_grpc.VerificationServiceServicer):
    """`idle_s`: a session without a message for so long ends."""

    def __init__(
        self,
        service: Service,
        metrics: Metrics,
        watchdog: Watchdog,
        policy: Callable[[], Policy] = lambda: ANYTHING_GOES,
        *,
        idle_s: float = IDLE_S,
    ) -> None:
        self._service = service
        self._metrics = metrics
        self._watchdog = watchdog
        self._policy = policy
        self._idle_s = idle_s

    async def Verify(  # type: ignore[override]  # noqa: N802  the stub's types know generators only
        self, requests: AsyncIterator[pb.VerifyRequest], context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> None:
        """Opens a session and answers each verification, until the caller ends the call."""
        with self._watchdog.watch() as stream:
            opening = await self._opening(requests, context)
            if opening is None:
                return
            async with aclosing(await self._service.open_session(opening)) as session:
                await stream.send(context.write(_opened(session.opened)))
                self._metrics.verification_sessions.labels(session.opened.model).inc()
                await self._answer(requests, context, session, stream)

    async def _answer(
        self,
        requests: AsyncIterator[pb.VerifyRequest],
        context: "grpc.aio.ServicerContext[Any, Any]",
        session: Session,
        stream: WatchedStream,
    ) -> None:
        model = session.opened.model
        while (message := await self._next(requests)) is not None:
            drafted = to_drafted(message)
            verdict = await session.verify(drafted)
            self._metrics.verified.labels(model, "drafted").inc(len(drafted.drafts))
            self._metrics.verified.labels(model, "accepted").inc(verdict.num_accepted)
            await stream.send(context.write(_verdict(verdict)))

    async def _next(self, requests: AsyncIterator[pb.VerifyRequest]) -> pb.VerifyRequest | None:
        """The next message; None at the end of the call. Raises Aborted, reason SESSION_EXPIRED."""
        try:
            async with asyncio.timeout(self._idle_s):
                return await anext(requests, None)
        except TimeoutError:
            text = f"no message for {self._idle_s:g} s: open the session again"
            raise Aborted(text, reason="SESSION_EXPIRED") from None

    async def _opening(
        self, requests: AsyncIterator[pb.VerifyRequest], context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> Opening | None:
        message = await self._next(requests)
        if message is None:
            return None
        caller = principal.current.get()
        opening = to_opening(message, deadline_of(context), caller)
        self._authorise(opening, caller)
        return opening

    def _authorise(self, opening: Opening, caller: Principal) -> None:
        """Raises PermissionDenied. The guards see a stream's messages not at all."""
        policy = self._policy()
        rule = policy.rule(caller)
        if rule is not None and rule.is_unbounded:
            return
        policy.check_model(caller, {opening.model or self._service.get_model("").name})
        policy.check_priority(caller, {opening.priority.name.lower()})


_MODES = {
    pb.VERIFICATION_MODE_UNSPECIFIED: True,
    pb.VERIFICATION_MODE_EXACT: True,
    pb.VERIFICATION_MODE_BIG_LITTLE: False,
}
"""Whether a mode is exact."""


def to_opening(message: pb.VerifyRequest, deadline: float | None, caller: Principal) -> Opening:
    """The first message. Raises InvalidArgument."""
    if message.WhichOneof("message") != "open":
        raise InvalidArgument("message", "the first message of a session is `open`")
    wire = message.open
    exact = _MODES.get(wire.mode)
    if exact is None:
        raise InvalidArgument("open.mode", f"{wire.mode} is no mode")
    if not exact and wire.HasField("sampling"):
        raise InvalidArgument("open.sampling", "cannot be set beside mode BIG_LITTLE, which is greedy")
    return Opening(
        model=wire.model,
        vocabulary=wire.vocabulary_digest,
        tokens=tuple(wire.tokens),
        exact=exact,
        sampling=to_sampling(wire.sampling),
        seed=to_seed(wire.sampling),
        ignore_eos=wire.ignore_eos,
        priority=to_priority(wire.priority),
        correlation_id=caller_text.correlation_id("open.correlation_id", wire.correlation_id),
        deadline=deadline,
        client=caller.name,
        scope=caller.scope,
    )


def to_drafted(message: pb.VerifyRequest) -> Drafted:
    """A further message. Raises InvalidArgument."""
    if message.WhichOneof("message") != "verify":
        raise InvalidArgument("message", "only the first message of a session is `open`")
    wire = message.verify
    if len(wire.digest) not in {0, DIGEST_BYTES}:
        raise InvalidArgument("verify.digest", f"has {len(wire.digest)} bytes, not {DIGEST_BYTES}")
    return Drafted(wire.position, tuple(wire.tokens), tuple(wire.drafts), wire.digest)


def _opened(opened: Opened) -> pb.VerifyResponse:
    return pb.VerifyResponse(
        opened=pb.Opened(
            model=opened.model, model_digest=opened.model_digest, context_length=opened.context_length
        )
    )


def _verdict(verdict: Verdict) -> pb.VerifyResponse:
    return pb.VerifyResponse(
        verdict=pb.Verdict(
            num_accepted=verdict.num_accepted,
            tokens=verdict.tokens,
            surprisals=verdict.surprisals,
            num_cached_tokens=verdict.num_cached,
        )
    )
