"""The entries of the services of speech that a node has: those whose engines are configured."""

from collections.abc import Callable

from xapp.domain.service import Service
from xapp.riva import (
    riva_asr_pb2,
    riva_asr_pb2_grpc,
    riva_nmt_pb2,
    riva_nmt_pb2_grpc,
    riva_tts_pb2,
    riva_tts_pb2_grpc,
)
from xapp.security.policy import Policy
from xapp.server.grpc_service import GrpcService
from xapp.server.speech.recognition import RecognitionServicer
from xapp.server.speech.shared import Shared
from xapp.server.speech.synthesis import SynthesisServicer
from xapp.server.speech.translation import TranslationServicer
from xapp.server.speech.voice import VoiceServicer
from xapp.speech.protocols import Recogniser
from xapp.speech.speech import Speech, recognises, speaks, translates
from xapp.speech.v1 import speech_pb2, speech_pb2_grpc


def speech_services(
    speech: Speech, service: Service, policy: Callable[[], Policy], shared: Shared
) -> tuple[GrpcService, ...]:
    """The entries."""
    found = [_voice(speech, service, policy, shared)]
    if speech.recogniser is not None:
        found.append(_recognition(speech, speech.recogniser, shared))
    if speech.voices.engines:
        found.append(_synthesis(speech, shared))
    if speech.translations.engines:
        found.append(_translation(speech, shared))
    return tuple(found)


def _recognition(speech: Speech, recogniser: Recogniser, shared: Shared) -> GrpcService:
    return GrpcService(
        riva_asr_pb2.DESCRIPTOR.services_by_name["RivaSpeechRecognition"],
        riva_asr_pb2_grpc.add_RivaSpeechRecognitionServicer_to_server,
        RecognitionServicer(recogniser, shared),
        serving=lambda: recognises(speech),
    )


def _synthesis(speech: Speech, shared: Shared) -> GrpcService:
    return GrpcService(
        riva_tts_pb2.DESCRIPTOR.services_by_name["RivaSpeechSynthesis"],
        riva_tts_pb2_grpc.add_RivaSpeechSynthesisServicer_to_server,
        SynthesisServicer(speech.voices, shared),
        serving=lambda: speaks(speech),
    )


def _translation(speech: Speech, shared: Shared) -> GrpcService:
    return GrpcService(
        riva_nmt_pb2.DESCRIPTOR.services_by_name["RivaTranslation"],
        riva_nmt_pb2_grpc.add_RivaTranslationServicer_to_server,
        TranslationServicer(speech.translations, speech.recogniser, speech.voices, shared),
        serving=lambda: translates(speech),
    )


def _voice(speech: Speech, service: Service, policy: Callable[[], Policy], shared: Shared) -> GrpcService:
    return GrpcService(
        speech_pb2.DESCRIPTOR.services_by_name["VoiceService"],
        speech_pb2_grpc.add_VoiceServiceServicer_to_server,
        VoiceServicer(speech, service, policy, shared),
        serving=lambda: recognises(speech) and speaks(speech) and service.ready,
        work=frozenset({"Converse"}),
    )
