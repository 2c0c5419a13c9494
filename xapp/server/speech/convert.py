"""Riva's messages from and to the wire. Raises InvalidArgument with the path of the field."""

from collections.abc import Sequence

from xapp.errors import InvalidArgument
from xapp.riva import riva_asr_pb2 as asr
from xapp.riva import riva_audio_pb2
from xapp.speech.audio.formats import AudioFormat, Encoding, check_channels
from xapp.speech.languages import to_language
from xapp.speech.messages import Heard
from xapp.speech.protocols import ListenOptions

ENCODINGS = {
    riva_audio_pb2.ENCODING_UNSPECIFIED: Encoding.PCM,
    riva_audio_pb2.LINEAR_PCM: Encoding.PCM,
    riva_audio_pb2.FLAC: Encoding.FLAC,
    riva_audio_pb2.MULAW: Encoding.MU_LAW,
    riva_audio_pb2.OGGOPUS: Encoding.OGG_OPUS,
    riva_audio_pb2.ALAW: Encoding.A_LAW,
}
MIN_PAUSE_S, MAX_PAUSE_S = 0.1, 5.0
_MAX_ALTERNATIVES = 30


def to_encoding(field: str, number: int) -> Encoding:
    """The encoding of audio."""
    encoding = ENCODINGS.get(number)  # type: ignore[call-overload]  # any number may come
    if encoding is None:
        raise InvalidArgument(field, f"{number} is no encoding")
    return Encoding(encoding)


def to_format(config: asr.RecognitionConfig) -> AudioFormat:
    """The format of the caller's audio. A header may say otherwise."""
    return AudioFormat(
        to_encoding("config.encoding", config.encoding),
        config.sample_rate_hertz,
        check_channels("config.audio_channel_count", config.audio_channel_count or 1),
    )


def to_options(config: asr.RecognitionConfig, *, interim: bool = False) -> ListenOptions:
    """How to recognise. Options that cannot be had are refused, unless they only polish the text."""
    if not 0 <= config.max_alternatives <= _MAX_ALTERNATIVES:
        raise InvalidArgument("config.max_alternatives", f"{config.max_alternatives} is not within 0 to 30")
    if config.diarization_config.enable_speaker_diarization:
        raise InvalidArgument("config.diarization_config", "speakers are not told apart here")
    if config.enable_separate_recognition_per_channel and config.audio_channel_count > 1:
        raise InvalidArgument(
            "config.enable_separate_recognition_per_channel", "channels are mixed here, not kept apart"
        )
    language = to_language("config.language_code", config.language_code)
    return ListenOptions(language, _pause_s(config), interim, config.enable_word_time_offsets)


def _pause_s(config: asr.RecognitionConfig) -> float | None:
    """`stop_history` is the silence that ends an utterance, milliseconds; unset is the node's setting."""
    history = config.endpointing_config.stop_history
    if history <= 0:
        return None
    return min(max(history / 1000, MIN_PAUSE_S), MAX_PAUSE_S)


def alternative(heard: Heard) -> asr.SpeechRecognitionAlternative:
    """The only alternative of a text."""
    words = [
        asr.WordInfo(
            word=word.text,
            start_time=round(word.start_s * 1000),
            end_time=round(word.end_s * 1000),
            confidence=word.probability,
            language_code=heard.language,
        )
        for word in heard.words
    ]
    return asr.SpeechRecognitionAlternative(
        transcript=heard.text, confidence=heard.confidence, words=words, language_code=[heard.language]
    )


def streaming_result(heard: Heard) -> asr.StreamingRecognitionResult:
    """A text of a stream."""
    return asr.StreamingRecognitionResult(
        alternatives=[alternative(heard)],
        is_final=heard.final,
        stability=1.0 if heard.final else heard.confidence,
        channel_tag=1,
        audio_processed=heard.processed_s,
    )


def results(heards: Sequence[Heard]) -> list[asr.SpeechRecognitionResult]:
    """The texts of a whole piece of audio."""
    return [
        asr.SpeechRecognitionResult(
            alternatives=[alternative(heard)], channel_tag=1, audio_processed=heard.processed_s
        )
        for heard in heards
    ]
