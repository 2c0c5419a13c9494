"""Speaks texts and recognises the audio, with the stock Riva client, in a process of its own.

    python -m perf.speech.riva_caller TARGET < TEXTS

One text a line. Answers one JSON object a line: what was heard, and seconds of each part. It is a process of
its own because the client's messages have the same names as this project's stubs.
"""

import json
import sys
import time

import riva.client

RATE = 16_000
_SILENCE = bytes(RATE)


def main() -> None:
    """Entry point; the module's docstring has the argument."""
    auth = riva.client.Auth(uri=sys.argv[1])
    voice, ear = riva.client.SpeechSynthesisService(auth), riva.client.ASRService(auth)
    for line in sys.stdin:
        print(json.dumps(_round_trip(voice, ear, line.strip())), flush=True)


def _round_trip(
    voice: "riva.client.SpeechSynthesisService", ear: "riva.client.ASRService", text: str
) -> dict[str, object]:
    begin = time.monotonic()
    audio = voice.synthesize(text, language_code="en-US", sample_rate_hz=RATE).audio
    spoken = time.monotonic()
    response = ear.offline_recognize(audio + _SILENCE, _config())
    heard = time.monotonic()
    return {
        "text": " ".join(result.alternatives[0].transcript for result in response.results),
        "audio_s": len(audio) / 2 / RATE,
        "synthesis_s": spoken - begin,
        "recognition_s": heard - spoken,
    }


def _config() -> "riva.client.RecognitionConfig":
    return riva.client.RecognitionConfig(
        encoding=riva.client.AudioEncoding.LINEAR_PCM, sample_rate_hertz=RATE, language_code="en-US"
    )


if __name__ == "__main__":
    main()
