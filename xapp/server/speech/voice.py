"""VoiceService: converts and delegates. One call is one conversation."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import grpc

from xapp import logs
from xapp.domain.answers import Event
from xapp.domain.requests import Request
from xapp.domain.service import Service
from xapp.errors import FailedPrecondition
from xapp.inference.v1 import inference_pb2
from xapp.security import principal
from xapp.security.permission import check_request
from xapp.security.policy import Policy
from xapp.server.authorisation import asked_of
from xapp.server.deadline import deadline_of
from xapp.server.speech.messages import messages
from xapp.server.speech.shared import Shared
from xapp.server.speech.voice_convert import response, to_input, to_setup
from xapp.speech.conversation.conversation import Conversation
from xapp.speech.conversation.events import Input, SaidSentence, TurnEnded
from xapp.speech.speech import Speech
from xapp.speech.synthesis.voices import Voice
from xapp.speech.v1 import speech_pb2 as pb
from xapp.speech.v1 import speech_pb2_grpc
from xapp.telemetry.metrics import Metrics
from xapp.telemetry.observation import Observation


class VoiceServicer(speech_pb2_grpc.VoiceServiceServicer):
    """`policy` decides what a caller's turns may ask of the model: guards do not see a stream's messages."""

    def __init__(
        self, speech: Speech, service: Service, policy: Callable[[], Policy], shared: Shared
    ) -> None:
        self._speech = speech
        self._service = service
        self._policy = policy
        self._shared = shared

    async def Converse(  # type: ignore[override]  # noqa: N802
        self, requests: AsyncIterator[pb.ConverseRequest], context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> None:
        """One conversation."""
        async with self._shared.opened(requests) as (stream, first):
            if first is None:
                return
            conversation, voice = self._begin(first, context)
            await stream.send(context.write(self._started(voice)))
            async with aclosing(conversation.run(_inputs(requests))) as outputs:
                async for output in outputs:
                    self._count(output, voice)
                    await stream.send(context.write(response(output)))

    def _begin(
        self, first: pb.ConverseRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> tuple[Conversation, Voice]:
        caller = principal.current.get()
        setup = to_setup(first, logs.correlation_id.get(), deadline_of(context), caller)
        self._authorise(first.config.generate)
        recogniser = self._speech.recogniser
        if recogniser is None or not self._speech.voices.engines:
            message = "a conversation needs recognition and synthesis: see [speech] of the node's settings"
            raise FailedPrecondition(message, reason="NO_SPEECH_ENGINE")
        voice = self._speech.voices.find(setup.voice, setup.options.language, setup.output.sample_rate)
        generation = _Observed(self._service, self._shared.metrics)
        return Conversation(setup, recogniser, voice, generation), voice

    def _authorise(self, template: inference_pb2.GenerateRequest) -> None:
        """Raises PermissionDenied, reason MODEL_, TASK_ or PRIORITY_NOT_ALLOWED."""
        check_request(self._policy(), principal.current.get(), self._service, asked_of(template))

    def _started(self, voice: Voice) -> pb.ConverseResponse:
        assert self._speech.recogniser is not None
        started = pb.ConverseStarted(
            recognition_engine=self._speech.recogniser.name,
            synthesis_engine=voice.engine.name,
            voice=voice.name,
        )
        return pb.ConverseResponse(started=started)

    def _count(self, output: object, voice: Voice) -> None:
        if isinstance(output, SaidSentence):
            self._shared.metrics.speech_spoken.labels(voice.engine.name).inc(
                len(output.audio) / 2 / voice.sample_rate
            )
        elif isinstance(output, TurnEnded):
            self._shared.metrics.speech_turns.labels(output.end.value).inc()
            if output.times.first_audio:
                seconds = output.times.first_audio - output.times.speech_ended
                self._shared.metrics.speech_first_audio.observe(seconds)

    async def GetVoices(  # noqa: N802
        self, request: pb.GetVoicesRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> pb.GetVoicesResponse:
        """The engines of this node."""
        speech = self._speech
        recognition = [speech.recogniser] if speech.recogniser is not None else []
        return pb.GetVoicesResponse(
            recognition=[_engine(each) for each in recognition],
            synthesis=[_engine(each, each.voices) for each in speech.voices.engines],
            translation=[_engine(each) for each in speech.translations.engines],
        )


class _Observed:
    """Generation whose requests are counted and logged, as those of Generate are."""

    def __init__(self, service: Service, metrics: Metrics) -> None:
        self._service = service
        self._metrics = metrics
        self.estimate = service.estimate

    async def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        """Implements Generation.generate."""
        with Observation(self._metrics, request.model) as observation:
            async with aclosing(self._service.generate(request)) as events:
                async for event in events:
                    observation.record(event)
                    yield event


def _engine(engine: Any, voices: Any = ()) -> pb.SpeechEngine:
    return pb.SpeechEngine(name=engine.name, ready=engine.ready, languages=engine.languages, voices=voices)


async def _inputs(requests: AsyncIterator[pb.ConverseRequest]) -> AsyncIterator[Input]:
    async for message in messages(requests):
        yield to_input(message)
