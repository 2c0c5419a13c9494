"""Dialogues, a meter that counts, and a target whose answers are told apart."""

from perf.data.dialogues import Dialogue
from perf.meter.reading import Reading
from perf.paper.paper_samples import Started, Turn
from perf.record.result_schema import Target
from perf.stream_figures import Arrival
from perf.targets.target import Answer, CompletionRequest, Input, TargetError

DIALOGUES = (Dialogue("first", ("one", "two", "three")), Dialogue("second", ("four", "five")))


class Meter:
    def __init__(self) -> None:
        self.running = False

    def begin(self) -> None:
        assert not self.running
        self.running = True

    def end(self) -> Reading:
        assert self.running
        self.running = False
        return Reading(wall_s=2.0, cpu_s=1.0, rss_bytes=100, pss_bytes=90)


def _last(given: Input) -> str:
    return given.split("\n\n")[-2] if isinstance(given, str) else given[-1].content


class Answering:
    """Answers "re: QUESTION"; a character is a token. Fails on the question `lost_at`, once."""

    def __init__(self, lost_at: str = "", code: str = "lost", empty_at: str = "") -> None:
        self.requests: list[CompletionRequest] = []
        self._lost_at = lost_at
        self._code = code
        self._empty_at = empty_at

    async def complete(self, request: CompletionRequest) -> Answer:
        question = _last(request.input)
        if question == self._lost_at:
            raise TargetError(self._code, f"no answer to {question}")
        self.requests.append(request)
        text = "" if question == self._empty_at else f"re: {question}"
        count = await self.count_tokens(request.input)
        return Answer(
            sent=0.0,
            arrivals=[Arrival(0.5 + index, 1) for index in range(len(text))],
            text=text,
            finish_reason="stop",
            num_prompt_tokens=count,
            num_cached_tokens=2,
            num_completion_tokens=len(text),
            queue_s=0.0,
            prefill_s=0.5,
            decode_s=max(0.0, len(text) - 1.0),
        )

    async def count_tokens(self, input: Input) -> int:  # noqa: A002
        if isinstance(input, str):
            return len(input)
        return sum(len(turn.content) for turn in input)

    async def describe(self) -> Target:
        return Target("fake", "fake", "", "m")

    async def aclose(self) -> None: ...


def started(model: str = "m", **fields: object) -> Started:
    plain = {"size_bytes": 10, "context_length": 1000, "load_s": 1.5, "memory_total_bytes": 1000, "cores": 2}
    return Started(model=model, target=Target("fake", "fake", "", model), **{**plain, **fields})  # type: ignore[arg-type]


def turn(dialogue: str = "first", number: int = 0, *, model: str = "m", **fields: object) -> Turn:
    plain = {
        "num_prompt_tokens": 100,
        "num_cached_tokens": 50,
        "num_completion_tokens": 21,
        "queue_s": 0.0,
        "prefill_s": 0.5,
        "decode_s": 2.0,
        "ttft_s": 0.5,
        "end_s": 2.5,
        "finish_reason": "stop",
        "text": "Yes.",
        "reading": Reading(wall_s=2.5, cpu_s=4.0, rss_bytes=300, pss_bytes=250),
    }
    return Turn(model=model, dialogue=dialogue, turn=number, **{**plain, **fields})  # type: ignore[arg-type]
