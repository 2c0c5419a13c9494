"""VoiceService's messages from and to the wire. Raises InvalidArgument with the path of the field."""

from dataclasses import replace

from google.protobuf.duration_pb2 import Duration

from xapp.domain.requests import Request
from xapp.durations import to_duration
from xapp.errors import InvalidArgument
from xapp.security.principal import Principal
from xapp.server import respond
from xapp.server.convert.requests import to_request
from xapp.speech.audio.formats import AudioFormat, Encoding, check_rate
from xapp.speech.conversation.events import (
    Control,
    Input,
    Output,
    SaidSentence,
    Setup,
    SpeechBegan,
    TurnEnd,
    TurnEnded,
    TurnTimes,
    Understood,
)
from xapp.speech.languages import to_language
from xapp.speech.protocols import ListenOptions
from xapp.speech.v1 import speech_pb2 as pb

_ENCODINGS = {
    pb.AUDIO_ENCODING_UNSPECIFIED: Encoding.PCM,
    pb.AUDIO_ENCODING_LINEAR_PCM: Encoding.PCM,
    pb.AUDIO_ENCODING_FLAC: Encoding.FLAC,
    pb.AUDIO_ENCODING_MULAW: Encoding.MU_LAW,
    pb.AUDIO_ENCODING_OGG_OPUS: Encoding.OGG_OPUS,
    pb.AUDIO_ENCODING_ALAW: Encoding.A_LAW,
}
_ENDS = {
    TurnEnd.COMPLETE: pb.TURN_END_COMPLETE,
    TurnEnd.BARGE_IN: pb.TURN_END_BARGE_IN,
    TurnEnd.INTERRUPTED: pb.TURN_END_INTERRUPTED,
    TurnEnd.FAILED: pb.TURN_END_FAILED,
}
_DEFAULT_RATE = 16_000
_PAUSES_S = (0.1, 5.0)
_MAX_TURN_S = 3600.0


def to_setup(
    message: pb.ConverseRequest, correlation_id: str, deadline: float | None, caller: Principal
) -> Setup:
    """The first message of a conversation."""
    if message.WhichOneof("message") != "config":
        raise InvalidArgument("message", "the first message of a conversation is `config`")
    config = message.config
    output = _format("config.output", config.output)
    if output.encoding.in_container:
        raise InvalidArgument("config.output.encoding", "is for input only: take LINEAR_PCM, MULAW or ALAW")
    pause_s = _seconds("config.end_silence", config, *_PAUSES_S)
    language = to_language("config.language", config.language)
    return Setup(
        request=_template(config, correlation_id, deadline, caller),
        input=_format("config.input", config.input),
        output=output,
        options=ListenOptions(language, pause_s, config.interim_results),
        voice=config.voice,
        utterance_input=config.utterance_input,
        turn_s=_seconds("config.turn_deadline", config, 0.001, _MAX_TURN_S),
        barge_in=not config.no_barge_in,
    )


def _template(
    config: pb.ConverseConfig, correlation_id: str, deadline: float | None, caller: Principal
) -> Request:
    """`config.generate` as the request of each turn. The utterance is not known yet."""
    wire = config.generate
    if wire.WhichOneof("input") == "prompt":
        raise InvalidArgument("config.generate.prompt", "stays unset: an utterance is a message of a chat")
    if bool(wire.task) != bool(config.utterance_input):
        raise InvalidArgument("config.utterance_input", "and `generate.task` belong together")
    if not wire.task and not wire.HasField("chat"):
        wire.chat.messages.add(role="user")
        return replace(to_request(wire, correlation_id, deadline, caller), prompt=())
    return to_request(wire, correlation_id, deadline, caller)


def _format(field: str, wire: pb.AudioFormat) -> AudioFormat:
    encoding = _ENCODINGS.get(wire.encoding)
    if encoding is None:
        raise InvalidArgument(f"{field}.encoding", f"{wire.encoding} is no encoding")
    rate = wire.sample_rate or _DEFAULT_RATE
    return AudioFormat(encoding, check_rate(f"{field}.sample_rate", rate))


def _seconds(field: str, config: pb.ConverseConfig, least: float, most: float) -> float | None:
    name = field.rpartition(".")[2]
    if not config.HasField(name):  # type: ignore[arg-type]  # one of two names
        return None
    duration: Duration = getattr(config, name)
    seconds = duration.seconds + duration.nanos / 1e9
    if not least <= seconds <= most:
        raise InvalidArgument(field, f"{seconds:g} s is not within {least:g} to {most:g} s")
    return seconds


def to_input(message: pb.ConverseRequest) -> Input:
    """A further message of a conversation."""
    kind = message.WhichOneof("message")
    if kind == "audio":
        return message.audio
    if kind == "end_of_utterance":
        return Control.END_OF_UTTERANCE
    if kind == "interrupt":
        return Control.INTERRUPT
    raise InvalidArgument("message", "only the first message of a conversation is `config`")


# ---- answers


def response(output: Output) -> pb.ConverseResponse:
    """A message of the node."""
    if isinstance(output, SaidSentence):
        sentence = pb.SpokenSentence(turn=output.turn, text=output.text, audio=output.audio)
        return pb.ConverseResponse(sentence=sentence)
    if isinstance(output, Understood):
        return pb.ConverseResponse(utterance=_utterance(output))
    if isinstance(output, SpeechBegan):
        started = pb.SpeechStarted(at=to_duration(output.at_s), ends_turn=output.ends_turn)
        return pb.ConverseResponse(speech_started=started)
    return pb.ConverseResponse(turn_finished=_turn_finished(output))


def _utterance(understood: Understood) -> pb.Utterance:
    heard = understood.heard
    return pb.Utterance(
        turn=understood.turn,
        text=heard.text,
        is_final=heard.final,
        language=heard.language,
        confidence=heard.confidence,
        start=to_duration(heard.start_s),
        end=to_duration(heard.end_s),
    )


def _turn_finished(ended: TurnEnded) -> pb.TurnFinished:
    generated = respond.event(ended.finished).finished if ended.finished is not None else None
    return pb.TurnFinished(
        turn=ended.turn,
        end=_ENDS[ended.end],
        error=ended.error,
        reason=ended.reason,
        times=_times(ended.times),
        num_sentences=ended.num_sentences,
        generated=generated,
    )


def _times(times: TurnTimes) -> pb.TurnTimes:
    """The parts add up: text that was recognised ahead was ready when the end of the utterance was known."""
    known = min(times.known, times.recognised)
    wire = pb.TurnTimes(
        endpoint=to_duration(known - times.speech_ended), recognition=to_duration(times.recognised - known)
    )
    if times.first_audio:
        wire.generation.CopyFrom(to_duration(times.first_sentence - times.recognised))
        wire.synthesis.CopyFrom(to_duration(times.first_audio - times.first_sentence))
        wire.first_audio.CopyFrom(to_duration(times.first_audio - times.speech_ended))
        wire.last_audio.CopyFrom(to_duration(times.last_audio - times.speech_ended))
    return wire
