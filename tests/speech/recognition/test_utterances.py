import itertools

import pytest

from tests.speech.sounds import in_pieces, silence, speech
from xapp.speech.fakes import loudness
from xapp.speech.recognition.utterances import (
    CHUNK_BYTES,
    CHUNK_S,
    MAX_UTTERANCE_S,
    Began,
    Ended,
    Happening,
    Paused,
    Resumed,
    UtteranceFinder,
)


def found(audio: bytes, pause_s: float = 0.5) -> list[Happening]:
    finder = UtteranceFinder(loudness, pause_s)
    whole = in_pieces(audio[: len(audio) // CHUNK_BYTES * CHUNK_BYTES], CHUNK_BYTES)
    return [happening for chunk in whole for happening in finder.feed(chunk)] + finder.end()


def test_silence_is_nothing() -> None:
    assert found(silence(5)) == []


def test_a_click_is_nothing() -> None:
    assert found(silence(32 * CHUNK_S) + speech(2 * CHUNK_S) + silence(1)) == []


def test_an_utterance_begins_pauses_and_ends() -> None:
    began, paused, ended = found(silence(1.024) + speech(1.024) + silence(1.024))
    assert isinstance(began, Began)
    assert began.at_s == pytest.approx(1.024)
    assert isinstance(paused, Paused)
    assert isinstance(ended, Ended)
    assert ended.piece.end_s == paused.piece.end_s == pytest.approx(2.048)
    assert ended.piece.known_s == pytest.approx(2.048 + 0.5, abs=CHUNK_S)
    assert ended.piece.start_s < 1.024
    assert len(ended.piece.samples) / 32_000 < 2


def test_a_short_pause_is_within_the_utterance() -> None:
    happenings = found(speech(1) + silence(0.3) + speech(1) + silence(1))
    assert [type(each) for each in happenings] == [Began, Paused, Resumed, Paused, Ended]


def test_a_breath_is_no_pause() -> None:
    happenings = found(speech(1) + silence(0.1) + speech(1))
    assert [type(each) for each in happenings] == [Began, Ended]


def test_the_end_of_the_audio_ends_the_utterance() -> None:
    *_, ended = found(speech(1))
    assert isinstance(ended, Ended)
    assert ended.piece.end_s == pytest.approx(1, abs=2 * CHUNK_S)


def test_speech_without_a_pause_is_cut_and_nothing_is_lost() -> None:
    ended = [each.piece for each in found(speech(3 * MAX_UTTERANCE_S)) if isinstance(each, Ended)]
    assert max(len(piece.samples) / 32_000 for piece in ended) <= MAX_UTTERANCE_S
    assert sum(len(piece.samples) for piece in ended) / 32_000 == pytest.approx(3 * MAX_UTTERANCE_S, abs=0.1)
    assert all(before.end_s <= after.start_s + CHUNK_S for before, after in itertools.pairwise(ended))


def test_the_cut_is_where_least_is_said() -> None:
    audio = speech(26.016) + silence(0.32) + speech(6)
    first = next(each.piece for each in found(audio) if isinstance(each, Ended))
    assert 26 < first.start_s + len(first.samples) / 32_000 < 26.4
