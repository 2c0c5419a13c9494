"""What goes into a spoken conversation, and what comes out of it. Times are seconds."""

from bisect import bisect_left
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from xapp.domain.answers import Finished
from xapp.domain.requests import Request
from xapp.speech.audio.formats import AudioFormat
from xapp.speech.messages import Heard
from xapp.speech.protocols import ListenOptions


@dataclass(frozen=True, slots=True)
class Setup:
    """How a conversation is held. `request` is the template of each turn.

    With a task, the text of an utterance becomes its input `utterance_input`. `turn_s` is the time that a
    turn may take, None for no limit of its own. `voice` "" is the usual voice of the language.
    """

    request: Request
    input: AudioFormat = AudioFormat()
    output: AudioFormat = AudioFormat()
    options: ListenOptions = ListenOptions()
    voice: str = ""
    utterance_input: str = ""
    turn_s: float | None = None
    barge_in: bool = True


class Control(Enum):
    """A message of the caller that is no audio."""

    END_OF_UTTERANCE = "end of utterance"
    INTERRUPT = "interrupt"


Input: TypeAlias = bytes | Control


class TurnEnd(Enum):
    """Why a turn ended."""

    COMPLETE = "complete"
    BARGE_IN = "barge-in"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(slots=True)
class TurnTimes:
    """Points in time on CLOCK_MONOTONIC; 0 where it did not come to that."""

    speech_ended: float
    known: float
    recognised: float
    first_sentence: float = 0.0
    first_audio: float = 0.0
    last_audio: float = 0.0


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Somebody speaks. `ends_turn` is the turn that this ended, 0 for none."""

    at_s: float
    ends_turn: int


@dataclass(frozen=True, slots=True)
class Understood:
    """What was understood. A final text with words begins the turn `turn`; otherwise `turn` is 0."""

    turn: int
    heard: Heard


@dataclass(frozen=True, slots=True)
class SaidSentence:
    """A sentence of the answer, and its audio as the caller wants it."""

    turn: int
    text: str
    audio: bytes


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The end of a turn. `error` and `reason` are set where it failed."""

    turn: int
    end: TurnEnd
    times: TurnTimes
    num_sentences: int = 0
    finished: Finished | None = None
    error: str = ""
    reason: str = ""


Output: TypeAlias = SpeechBegan | Understood | SaidSentence | TurnEnded


@dataclass(slots=True)
class Arrivals:
    """When audio arrived, for the latest audio."""

    most: int = 4096
    _until: list[float] = field(default_factory=list)
    _at: list[float] = field(default_factory=list)

    def add(self, until_s: float, now: float) -> None:
        """The audio until `until_s` is here `now`."""
        self._until.append(until_s)
        self._at.append(now)
        if len(self._until) > 2 * self.most:
            del self._until[: self.most], self._at[: self.most]

    def when(self, audio_s: float) -> float:
        """When the audio until `audio_s` was here. There has to be some audio."""
        return self._at[min(bisect_left(self._until, audio_s), len(self._at) - 1)]
