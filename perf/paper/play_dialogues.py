"""Plays dialogues on a target: the user's turns from the data, the model's own answers in between."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from perf.data.dialogues import Dialogue
from perf.meter.reading import Reading
from perf.paper.paper_samples import Sample, Skipped, Turn
from perf.targets import target as base
from perf.targets.target import Answer, CompletionRequest, Target, TargetError

Add = Callable[[Sample], None]


class Meter(Protocol):
    """What a turn costs; perf.meter.sampler.Sampler is one."""

    def begin(self) -> None:
        """A turn begins."""
        ...

    def end(self) -> Reading:
        """What was used since `begin`."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """The experiment's: at most so many tokens a turn, within so many seconds, in so large a context.

    `raw` is for a model without a chat template: it continues the conversation as plain text.
    """

    max_tokens: int
    deadline_s: float
    context_length: int
    raw: bool = False


class Record:
    """What is known of one model's dialogues; a resumed run begins with what the journal has."""

    def __init__(self, model: str, samples: Iterable[Sample]) -> None:
        self._texts: dict[tuple[str, int], str] = {}
        self._ended: set[str] = set()
        for sample in samples:
            if isinstance(sample, Turn) and sample.model == model:
                self._texts[sample.dialogue, sample.turn] = sample.text
            elif isinstance(sample, Skipped) and sample.model == model:
                self._ended.add(sample.dialogue)

    def answers(self, dialogue: Dialogue) -> list[str]:
        """The answers so far, from the first turn on."""
        turns = range(len(dialogue.questions))
        known = [self._texts.get((dialogue.id, turn)) for turn in turns]
        return [text for text in known if text is not None]

    def left(self, dialogue: Dialogue) -> range:
        """The turns that are still to be played."""
        if dialogue.id in self._ended:
            return range(0)
        return range(len(self.answers(dialogue)), len(dialogue.questions))


class Player:
    """One model on one target. `add` is given every sample at once; it may raise."""

    def __init__(self, model: str, target: Target, rules: Rules, meter: Meter, add: Add) -> None:
        self._model = model
        self._target = target
        self._rules = rules
        self._meter = meter
        self._add = add

    async def play(self, dialogue: Dialogue, record: Record, advance: Callable[[str], None]) -> None:
        """The dialogue from where the record ends. Calls `advance` for each turn, played or not.

        Raises TargetError when the target is lost.
        """
        answers = record.answers(dialogue)
        left = record.left(dialogue)
        for turn in left:
            sample = await self._turn(dialogue, turn, answers)
            self._add(sample)
            advance(f"{self._model} {dialogue.id[:8]}")
            if isinstance(sample, Skipped):
                for _ in range(turn + 1, left.stop):
                    advance(f"{self._model} {dialogue.id[:8]}")
                return
            answers.append(sample.text)

    async def _turn(self, dialogue: Dialogue, turn: int, answers: Sequence[str]) -> Turn | Skipped:
        asked = conversation(dialogue, turn, answers)
        given = as_text(asked) if self._rules.raw else asked
        try:
            num_tokens = await self._target.count_tokens(given)
            if num_tokens >= self._rules.context_length:
                return self._skipped(dialogue, turn, _too_long(num_tokens, self._rules.context_length))
            return await self._measure(dialogue, turn, given)
        except TargetError as error:
            if error.code != "invalid":
                raise
            return self._skipped(dialogue, turn, str(error))

    def _skipped(self, dialogue: Dialogue, turn: int, reason: str) -> Skipped:
        return Skipped(self._model, dialogue.id, turn, reason)

    async def _measure(self, dialogue: Dialogue, turn: int, given: base.Input) -> Turn:
        request = CompletionRequest(given, self._rules.max_tokens, deadline_s=self._rules.deadline_s)
        self._meter.begin()
        try:
            answer = await self._target.complete(request)
        finally:
            reading = self._meter.end()
        return turn_of(answer, model=self._model, dialogue=dialogue.id, turn=turn, reading=reading)


def _too_long(num_tokens: int, context_length: int) -> str:
    return f"the prompt has {num_tokens} tokens, the context {context_length}"


def conversation(dialogue: Dialogue, turn: int, answers: Sequence[str]) -> tuple[base.Turn, ...]:
    """All that was said before the answer to `turn`."""
    return tuple(_messages(dialogue.questions[: turn + 1], answers))


def as_text(messages: Sequence[base.Turn]) -> str:
    """The conversation as a model without a chat template reads it: one paragraph a turn, no roles."""
    return "".join(f"{message.content}\n\n" for message in messages)


def _messages(questions: Sequence[str], answers: Sequence[str]) -> Iterator[base.Turn]:
    for number, question in enumerate(questions):
        yield base.Turn("user", question)
        if number < len(questions) - 1:
            yield base.Turn("assistant", answers[number])


def turn_of(answer: Answer, *, model: str, dialogue: str, turn: int, reading: Reading) -> Turn:
    """A sample of an answer. Raises TargetError when the target tells no counts and times."""
    return Turn(
        model=model,
        dialogue=dialogue,
        turn=turn,
        num_prompt_tokens=int(_told(answer.num_prompt_tokens)),
        num_cached_tokens=int(_told(answer.num_cached_tokens)),
        num_completion_tokens=int(_told(answer.num_completion_tokens)),
        queue_s=_told(answer.queue_s),
        prefill_s=_told(answer.prefill_s),
        decode_s=_told(answer.decode_s),
        ttft_s=answer.time_to_first_token_s if answer.arrivals else None,
        end_s=answer.end_s if answer.arrivals else reading.wall_s,
        finish_reason=answer.finish_reason,
        text=answer.text,
        reading=reading,
    )


def _told(value: float | None) -> float:
    if value is None:
        raise TargetError("protocol", "the target does not tell token counts and times")
    return value
