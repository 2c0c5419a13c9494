"""RemoteBig: the big model is on another node. gRPC ends here."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message

from xapp import errors, tls
from xapp.client.channel import open_channel
from xapp.client.errors import decode_error
from xapp.client.keep_status import keeping_status
from xapp.config.big import BigSettings
from xapp.domain.requests import Request
from xapp.domain.verification import Drafted, Opened, Opening, Verdict
from xapp.errors import Unavailable, XappError
from xapp.inference.v1 import inference_pb2, inference_pb2_grpc, verification_pb2_grpc
from xapp.inference.v1 import verification_pb2 as pb
from xapp.routing.big_little.big_side import BigSession, Guidance, Traffic
from xapp.routing.big_little.messages_to_big import generate_message, open_message
from xapp.text_file import read_text

KEEPALIVE = (
    ("grpc.keepalive_time_ms", 1000),
    ("grpc.keepalive_timeout_ms", 1500),
    ("grpc.http2.ping_timeout_ms", 1500),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)
"""A connection that passes nothing any more is replaced after 2.5 s. Otherwise TCP keeps it for minutes."""
_CLASSES: dict[str, type[XappError]] = {
    each.code: each
    for each in (
        errors.NotFound,
        errors.Unauthenticated,
        errors.PermissionDenied,
        errors.FailedPrecondition,
        errors.Exhausted,
        errors.DeadlineExceeded,
        errors.Aborted,
    )
}


class RemoteBig:
    """A BigSide. One channel serves all sessions. The token file is read for each of them.

    Raises ConfigError for a file that cannot be read.
    """

    def __init__(self, settings: BigSettings) -> None:
        self._settings = settings
        self._credentials = _credentials(settings)
        self._opened_channel: grpc.aio.Channel | None = None

    @property
    def _channel(self) -> grpc.aio.Channel:
        if self._opened_channel is None:
            target, credentials = self._settings.target, self._credentials
            self._opened_channel = open_channel(target, credentials, {}, more=KEEPALIVE)
        return self._opened_channel

    @property
    def _metadata(self) -> tuple[tuple[str, str], ...]:
        if not (path := self._settings.token_file):
            return ()
        try:
            token = read_text(Path(path)).strip()
        except (OSError, UnicodeDecodeError) as error:
            text = f"XAPP_BIG_TOKEN_FILE: {path} cannot be read: {error}"
            raise errors.FailedPrecondition(text, reason="NO_CREDENTIALS") from error
        return (("authorization", f"Bearer {token}"),)

    async def open_session(self, opening: Opening, traffic: Traffic) -> BigSession:
        """See BigSide."""
        stub: Any = verification_pb2_grpc.VerificationServiceStub(self._channel)
        call = keeping_status(stub.Verify(metadata=self._metadata, timeout=_left_s(opening.deadline)))
        session = RemoteSession(call, traffic)
        try:
            await session.open(open_message(opening, self._settings.model))
        except BaseException:
            await session.aclose()
            raise
        return session

    async def write(self, request: Request, traffic: Traffic) -> Guidance:
        """See BigSide."""
        stub: Any = inference_pb2_grpc.InferenceServiceStub(self._channel)
        message = generate_message(request, self._settings.model)
        traffic.num_sent += message.ByteSize()
        text, whole, model = "", False, ""
        call = stub.Generate(message, metadata=self._metadata, timeout=_left_s(request.deadline))
        try:
            while (event := await self._next(call)) is not None:
                traffic.num_received += event.ByteSize()
                model = event.started.model or model
                text += event.chunk.text
                whole = whole or event.finished.finish_reason == inference_pb2.FINISH_REASON_STOP
        except grpc.aio.AioRpcError as error:
            raise to_xapp_error(error) from error
        finally:
            call.cancel()
        return Guidance(text, whole, model)

    async def _next(self, call: Any) -> Any:
        """The next event; None at the end. Raises Unavailable where it takes too long."""
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                event = await call.read()
        except TimeoutError:
            text = f"it sent nothing for {self._settings.timeout_s:g} s ([big] timeout_s)"
            raise Unavailable(text, reason="BIG_MODEL_LATE") from None
        return None if event is grpc.aio.EOF else event

    async def aclose(self) -> None:
        """See BigSide."""
        if self._opened_channel is not None:
            await self._opened_channel.close()


class RemoteSession:
    """A BigSession over one call."""

    def __init__(self, call: Any, traffic: Traffic) -> None:
        self._call = call
        self._traffic = traffic
        self._opened: Opened | None = None

    @property
    def opened(self) -> Opened:
        """See BigSession."""
        assert self._opened is not None, "`open` comes first"
        return self._opened

    async def open(self, message: pb.VerifyRequest) -> None:
        """Opens the session. Raises XappError."""
        opened = (await self._ask(message, "opened")).opened
        self._opened = Opened(opened.model, opened.model_digest, opened.context_length)

    async def verify(self, drafted: Drafted) -> Verdict:
        """See BigSession."""
        wire = pb.VerifyDrafts(
            position=drafted.position, digest=drafted.digest, tokens=drafted.tokens, drafts=drafted.drafts
        )
        verdict = (await self._ask(pb.VerifyRequest(verify=wire), "verdict")).verdict
        return Verdict(
            verdict.num_accepted,
            tuple(verdict.tokens),
            tuple(verdict.surprisals),
            verdict.num_cached_tokens,
        )

    async def aclose(self) -> None:
        """See BigSession."""
        self._call.cancel()

    async def _ask(self, message: pb.VerifyRequest, wanted: str) -> pb.VerifyResponse:
        self._traffic.num_sent += message.ByteSize()
        try:
            await self._call.write(message)
            response = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise to_xapp_error(error) from error
        except asyncio.InvalidStateError:
            # grpc.aio writes to no call that has ended. Reading tells why it ended.
            response = grpc.aio.EOF
        if not isinstance(response, Message):
            raise await self._end()
        assert isinstance(response, pb.VerifyResponse)
        self._traffic.num_received += response.ByteSize()
        if response.WhichOneof("message") != wanted:
            raise Unavailable(
                "the big model's node sent another message than it was asked for", reason="BIG_MODEL_LOST"
            )
        return response

    async def _end(self) -> XappError:
        """Why the call ended."""
        code, details = await self._call.code(), await self._call.details()
        trailers = await self._call.trailing_metadata()
        return to_xapp_error(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers, details))


def to_xapp_error(error: grpc.aio.AioRpcError) -> XappError:
    """The error of a call to the big model's node."""
    found = decode_error(error)
    text = f"the big model's node: {found.message}"
    if found.code == "INVALID_ARGUMENT":
        return errors.InvalidArgument("strategy", text, reason=found.reason or None)
    kind = _CLASSES.get(found.code, Unavailable)
    if kind is Unavailable and not found.reason:
        return Unavailable(text, reason="BIG_MODEL_LOST", retry_after_s=found.retry_after_s)
    reason = found.reason or None
    return kind(text, reason=reason, metadata=found.metadata, retry_after_s=found.retry_after_s)


def _credentials(settings: BigSettings) -> grpc.ChannelCredentials | None:
    if not settings.ca and not settings.cert:
        return None
    for name in ("ca", "cert", "key"):
        if (path := getattr(settings, name)) and not os.access(path, os.R_OK):
            raise errors.ConfigError(f"XAPP_BIG_{name.upper()}", f"{path} cannot be read")
    paths = (Path(each) if each else None for each in (settings.ca, settings.cert, settings.key))
    return tls.credentials(*paths)


def _left_s(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())
