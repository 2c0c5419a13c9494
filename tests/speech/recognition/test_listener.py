"""The streams of the recognising engine, with a decoder that works when the test says so."""

from itertools import pairwise

import pytest

from tests.speech.sounds import in_pieces, silence, speech
from xapp.speech.fakes import heard_seconds, loudness
from xapp.speech.messages import (
    Audio,
    Done,
    Drop,
    EndAudio,
    EndUtterance,
    FromEngine,
    Heard,
    Listen,
    Onset,
    SpeechResumed,
    Took,
)
from xapp.speech.recognition.listener import MAX_FINALS, Listener
from xapp.speech.recognition.listening import Listening
from xapp.speech.recognition.utterances import MAX_UTTERANCE_S, SAMPLE_RATE


class NoResampling:
    def feed(self, samples: bytes) -> bytes:
        return samples

    def end(self) -> bytes:
        return b""


class Bench:
    """A listener, and what it sent."""

    def __init__(self) -> None:
        self.sent: list[FromEngine] = []
        self.listener = Listener(
            self, heard_seconds, lambda listen: Listening(listen, NoResampling(), loudness)
        )

    def send(self, message: FromEngine) -> None:
        self.sent.append(message)

    def open(
        self, job: int = 1, interim_s: float = 0.0, pause_s: float = 0.5, *, ahead: bool = False
    ) -> None:
        self.listener.handle(Listen(job, 16_000, "en", pause_s, interim_s, ahead=ahead))

    def hear(self, audio: bytes, job: int = 1, size: int = 3200) -> None:
        for piece in in_pieces(audio, size):
            self.listener.handle(Audio(job, piece))

    def decode(self, most: int = 1000) -> None:
        while self.listener.decoder.has_work and most:
            self.listener.decoder.step()
            most -= 1

    def texts(self, job: int = 1, *, final: bool = True) -> list[str]:
        return [each.text for each in self.heard(job) if each.final is final]

    def heard(self, job: int = 1) -> list[Heard]:
        return [each for each in self.sent if isinstance(each, Heard) and each.job == job]

    def num_took(self) -> int:
        return sum(isinstance(each, Took) for each in self.sent)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_utterances_in_their_order(bench: Bench) -> None:
    bench.open()
    bench.hear(speech(1) + silence(1) + speech(0.5) + silence(1))
    bench.decode()
    bench.listener.handle(EndAudio(1))
    assert bench.texts() == ["10 tenths", "5 tenths"]
    assert isinstance(bench.sent[-1], Done)
    assert sum(isinstance(each, Onset) for each in bench.sent) == 2


def test_a_text_is_recognised_ahead_in_the_pause(bench: Bench) -> None:
    bench.open()
    bench.hear(speech(1) + silence(0.3))
    bench.decode()
    assert bench.heard() == []
    bench.hear(silence(0.3))
    (heard,) = bench.heard()
    assert heard.final
    assert heard.ahead
    assert heard.text == "10 tenths"
    assert not bench.listener.decoder.has_work


def test_a_text_ahead_is_forgotten_when_speech_goes_on(bench: Bench) -> None:
    bench.open()
    bench.hear(speech(1) + silence(0.3))
    bench.decode()
    bench.hear(speech(1) + silence(1))
    bench.decode()
    assert bench.texts() == ["20 tenths"]


def test_the_text_of_a_pause_is_told_where_it_is_wanted(bench: Bench) -> None:
    bench.open(ahead=True)
    bench.hear(speech(1) + silence(0.3))
    bench.decode()
    (paused,) = bench.heard()
    assert (paused.text, paused.paused, paused.final) == ("10 tenths", True, False)
    bench.hear(silence(0.3))
    final = bench.heard()[-1]
    assert (final.text, final.paused, final.final) == ("10 tenths", False, True)
    assert not [each for each in bench.sent if isinstance(each, SpeechResumed)]


def test_speech_that_goes_on_after_a_pause_is_told(bench: Bench) -> None:
    bench.open(ahead=True)
    bench.hear(speech(1) + silence(0.3))
    bench.decode()
    bench.hear(speech(1))
    assert SpeechResumed(1) in bench.sent
    bench.hear(silence(1))
    bench.decode()
    assert [each.text for each in bench.heard() if each.paused][:1] == ["10 tenths"]
    assert bench.texts() == ["20 tenths"]


def test_the_text_of_a_pause_that_is_over_is_not_told(bench: Bench) -> None:
    """The decoder was behind."""
    bench.open(ahead=True)
    bench.hear(speech(1) + silence(0.3) + speech(0.3))
    bench.decode()
    assert bench.heard() == []


def test_a_pause_goes_before_interim_texts_of_others(bench: Bench) -> None:
    bench.open(1, interim_s=0.5)
    bench.open(2, ahead=True)
    bench.hear(speech(1), job=1)
    bench.hear(speech(1) + silence(0.3), job=2)
    bench.decode(most=1)
    assert [each.paused for each in bench.heard(2)] == [True]
    assert bench.heard(1) == []


def test_the_decoder_is_free_when_a_pause_begins(bench: Bench) -> None:
    """An interim text that is recognised in the first silence would delay the text of the pause."""
    bench.open(interim_s=0.5)
    bench.hear(speech(0.4) + silence(0.15))
    assert not bench.listener.decoder.has_work


def test_interim_texts_while_somebody_speaks(bench: Bench) -> None:
    bench.open(interim_s=0.5)
    for piece in in_pieces(speech(3)):
        bench.hear(piece)
        bench.decode()
    tenths = [int(text.split()[0]) for text in bench.texts(final=False)]
    assert all(5 <= after - before <= 6 for before, after in pairwise([0, *tenths]))
    assert tenths[-1] > 24


def test_interim_texts_do_not_pile_up_when_the_decoder_is_slow(bench: Bench) -> None:
    bench.open(interim_s=0.5)
    bench.hear(speech(10))
    bench.decode()
    assert len(bench.texts(final=False)) == 1


def test_without_interim_texts_there_are_none(bench: Bench) -> None:
    bench.open()
    bench.hear(speech(3) + silence(0.3) + speech(1) + silence(1))
    bench.decode()
    assert bench.texts(final=False) == []


def test_audio_waits_while_the_decoder_is_behind(bench: Bench) -> None:
    bench.open()
    bench.hear((speech(1) + silence(1)) * 10)
    taken = bench.num_took()
    assert taken < 10 * 20
    assert len(bench.texts()) == 0
    bench.decode(most=MAX_FINALS)
    assert bench.num_took() > taken
    bench.decode()
    assert bench.num_took() == 10 * 20
    assert len(bench.texts()) == 10


@pytest.mark.slow
def test_three_hours_of_speech_lose_nothing_and_pile_nothing_up(bench: Bench) -> None:
    """Without a pause: utterances are cut, and what waits is that of a short stream."""
    bench.open()
    minute = speech(60)
    for _ in range(3 * 60):
        bench.hear(minute)
        bench.decode()
        waiting = bench.listener._streams[1]
        assert not waiting.waiting
        assert len(waiting.finder.so_far().samples) <= 2 * SAMPLE_RATE * MAX_UTTERANCE_S
    bench.listener.handle(EndAudio(1))
    bench.decode()
    tenths = sum(int(text.split()[0]) for text in bench.texts())
    assert tenths == pytest.approx(3 * 3600 * 10, rel=0.01)
    assert isinstance(bench.sent[-1], Done)


def test_the_end_waits_for_the_last_text(bench: Bench) -> None:
    bench.open()
    bench.hear(speech(1))
    bench.listener.handle(EndAudio(1))
    assert not any(isinstance(each, Done) for each in bench.sent)
    bench.decode()
    assert bench.texts() == ["10 tenths"]
    assert isinstance(bench.sent[-1], Done)


def test_no_audio_ends_at_once(bench: Bench) -> None:
    bench.open()
    bench.listener.handle(EndAudio(1))
    assert bench.sent == [Done(1)]


def test_the_caller_ends_an_utterance(bench: Bench) -> None:
    bench.open()
    bench.hear(speech(1))
    bench.listener.handle(EndUtterance(1))
    bench.decode()
    assert bench.texts() == ["10 tenths"]
    assert bench.num_took() == 10 + 1


def test_a_dropped_stream_says_nothing_more(bench: Bench) -> None:
    bench.open()
    bench.hear(speech(1) + silence(1))
    num_sent = len(bench.sent)
    bench.listener.handle(Drop(1))
    bench.decode()
    bench.hear(speech(1))
    assert len(bench.sent) == num_sent


def test_whole_utterances_go_before_interim_texts(bench: Bench) -> None:
    bench.open(1, interim_s=0.5)
    bench.open(2)
    bench.hear(speech(1), job=1)
    bench.hear(speech(1) + silence(1), job=2)
    bench.decode(most=1)
    assert bench.texts(2) == ["10 tenths"]
    assert bench.heard(1) == []
