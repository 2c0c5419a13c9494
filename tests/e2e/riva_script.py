"""What the stock Riva client makes of a node: `python -m tests.e2e.riva_script TARGET STEP`, JSON on stdout.

It is a process of its own: the client's messages have the same names as this project's stubs.
"""

import io
import json
import sys
import wave
from collections.abc import Iterator
from typing import Any

import av
import grpc
import numpy as np
import riva.client

TEXT = "The radio unit lost its power at noon. Please check the antenna."
RATE = 16_000
_SILENCE = bytes(2 * RATE)


class Script:
    """The client's services."""

    def __init__(self, target: str) -> None:
        auth = riva.client.Auth(uri=target)
        self.voice = riva.client.SpeechSynthesisService(auth)
        self.ear = riva.client.ASRService(auth)
        self.translator = riva.client.NeuralMachineTranslationClient(auth)

    def spoken(self, rate: int = RATE, **fields: Any) -> bytes:
        audio: bytes = self.voice.synthesize(TEXT, language_code="en-US", sample_rate_hz=rate, **fields).audio
        return audio

    def heard(self, audio: bytes, encoding: int, rate: int = RATE, **fields: Any) -> str:
        config = riva.client.RecognitionConfig(
            encoding=encoding, sample_rate_hertz=rate, language_code="en-US", **fields
        )
        response = self.ear.offline_recognize(audio, config)
        return " ".join(result.alternatives[0].transcript for result in response.results)

    def round_trips(self) -> dict[str, str]:
        """Every encoding there and back."""
        kinds = riva.client.AudioEncoding
        pcm = self.spoken()
        file = io.BytesIO()
        with wave.open(file, "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(RATE)
            wav.writeframes(pcm)
        rates = {"MULAW": 8_000, "ALAW": 8_000, "FLAC": RATE, "OGGOPUS": RATE}
        found = {
            name: self.heard(self.spoken(rate, encoding=kinds.Value(name)), kinds.Value(name), rate)
            for name, rate in rates.items()
        }
        return found | {
            "PCM": self.heard(pcm, kinds.LINEAR_PCM),
            "WAV": self.heard(file.getvalue(), kinds.LINEAR_PCM, 1),
        }

    def streams(self) -> dict[str, Any]:
        """Interim and final texts, with the times of words."""
        config = riva.client.StreamingRecognitionConfig(
            config=riva.client.RecognitionConfig(
                encoding=riva.client.AudioEncoding.LINEAR_PCM,
                sample_rate_hertz=RATE,
                language_code="en-US",
                enable_word_time_offsets=True,
                max_alternatives=1,
            ),
            interim_results=True,
        )
        responses = self.ear.streaming_response_generator(_pieces(self.spoken() + _SILENCE), config)
        results = [result for response in responses for result in response.results]
        finals = [result.alternatives[0] for result in results if result.is_final]
        return {
            "interim": sum(not result.is_final for result in results),
            "text": " ".join(final.transcript for final in finals),
            "words": [
                [word.word, word.start_time, word.end_time] for final in finals for word in final.words
            ],
            "online": [
                len(response.audio) for response in self.voice.synthesize_online(TEXT, sample_rate_hz=RATE)
            ],
        }

    def bad(self) -> dict[str, str]:
        """Audio that is none, and what the node says of it."""
        noise = np.random.default_rng(1).normal(0, 3000, 3 * RATE).astype(np.int16).tobytes()
        flac = self.spoken(encoding=riva.client.AudioEncoding.FLAC)
        hours = _flac_of_silence(3 * 3600)
        kinds = riva.client.AudioEncoding
        return {
            "silence": self.heard(bytes(4 * RATE), kinds.LINEAR_PCM),
            "noise": self.heard(noise, kinds.LINEAR_PCM),
            "truncated": self.heard(flac[: len(flac) // 2], kinds.FLAC),
            "no flac": _status(lambda: self.heard(b"fLaC" + bytes(5000), kinds.FLAC)),
            "empty": _status(lambda: self.heard(b"", kinds.LINEAR_PCM)),
            "hours": _status(lambda: self.heard(hours, kinds.FLAC)),
            "afterwards": self.heard(self.spoken(), kinds.LINEAR_PCM),
        }

    def translations(self) -> dict[str, Any]:
        """By Apertium and by the language model."""
        kept = {"O-RAN": "O-RAN"}
        good = self.translator.translate(
            ["The O-RAN house is big."], "apertium", "en-US", "es-US", dnt_phrases_dict=kept
        )
        nasty = "$(touch pwned) `id` ; rm -rf / | cat"
        return {
            "apertium": good.translations[0].text,
            "nasty": self.translator.translate([nasty], "apertium", "en", "es").translations[0].text,
            "llm": self.translator.translate(["Good morning."], "llm", "en", "fr").translations[0].text,
            "pair": _status(lambda: self.translator.translate(["a"], "apertium", "en", "ja")),
            "engines": sorted(self.translator.get_config("").languages),
        }

    def languages(self) -> dict[str, int]:
        """Another language by espeak-ng, and a text for a shell."""
        nasty = "--version $(touch pwned) <speak> \x1b[31m hola"
        texts = {"es": "La celda está fuera de servicio.", "de": "Die Zelle ist außer Betrieb.", "fr": nasty}
        return {
            code: len(self.voice.synthesize(text, language_code=code, sample_rate_hz=8_000).audio)
            for code, text in texts.items()
        }


def _pieces(audio: bytes) -> Iterator[bytes]:
    for at in range(0, len(audio), 3200):
        yield audio[at : at + 3200]


def _flac_of_silence(seconds: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream: Any = container.add_stream("flac", rate=8_000)
        stream.layout = "mono"
        for _ in range(seconds // 60):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 60 * 8_000), np.int16), format="s16", layout="mono"
            )
            frame.sample_rate = 8_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def _status(call: Any) -> str:
    try:
        return f"answered {call()!r}"
    except grpc.RpcError as error:
        status: Any = error
        return f"{status.code().name}: {status.details()}"


if __name__ == "__main__":
    print(json.dumps(getattr(Script(sys.argv[1]), sys.argv[2])()))
