import pytest

from perf.paper.paper_samples import Sample, Skipped, Turn
from perf.paper.play_dialogues import Player, Record, Rules
from perf.targets.target import TargetError
from tests.perf.paper.playing import DIALOGUES, Answering, Meter, turn

FIRST = DIALOGUES[0]


class Stage:
    """A player, what it added and how often it got on."""

    def __init__(self, target: Answering, context_length: int = 1000, *, raw: bool = False) -> None:
        self.samples: list[Sample] = []
        self.steps = 0
        self.meter = Meter()
        rules = Rules(max_tokens=500, deadline_s=60.0, context_length=context_length, raw=raw)
        self.player = Player("m", target, rules, self.meter, self.samples.append)

    async def play(self, *known: Sample) -> None:
        await self.player.play(FIRST, Record("m", known), self.step)

    def step(self, _what: str) -> None:
        self.steps += 1


async def test_the_models_own_answers_are_what_it_sees_of_itself() -> None:
    target = Answering()
    await Stage(target).play()
    said = [(each.role, each.content) for each in target.requests[-1].input if not isinstance(each, str)]
    assert said == [
        ("user", "one"),
        ("assistant", "re: one"),
        ("user", "two"),
        ("assistant", "re: two"),
        ("user", "three"),
    ]
    assert {(each.max_tokens, each.deadline_s, each.ignore_eos) for each in target.requests} == {
        (500, 60.0, False)
    }


async def test_a_model_without_a_template_continues_the_text_of_the_conversation() -> None:
    target = Answering()
    await Stage(target, raw=True).play()
    assert target.requests[-1].input == "one\n\nre: one\n\ntwo\n\nre: two\n\nthree\n\n"


async def test_every_turn_is_a_sample_with_its_times_and_its_reading() -> None:
    stage = Stage(Answering())
    await stage.play()
    assert [(each.dialogue, each.turn) for each in stage.samples if isinstance(each, Turn)] == [
        ("first", 0),
        ("first", 1),
        ("first", 2),
    ]
    first = stage.samples[0]
    assert isinstance(first, Turn)
    assert (first.num_prompt_tokens, first.num_cached_tokens, first.num_computed_tokens) == (3, 2, 1)
    assert (first.num_completion_tokens, first.text, first.finish_reason) == (7, "re: one", "stop")
    assert (first.ttft_s, first.end_s, first.reading.cpu_s) == (0.5, 6.5, 1.0)
    assert (first.prefill_tokens_per_second, first.decode_tokens_per_second) == (2.0, 1.0)
    assert stage.steps == 3


async def test_a_resumed_dialogue_goes_on_from_the_recorded_answers() -> None:
    target = Answering()
    stage = Stage(target)
    await stage.play(turn("first", 0, text="Kept."), turn("first", 0, model="other", text="Not mine."))
    assert [each.turn for each in stage.samples if isinstance(each, Turn)] == [1, 2]
    contents = [each.content for each in target.requests[0].input if not isinstance(each, str)]
    assert contents == ["one", "Kept.", "two"]


async def test_a_dialogue_that_outgrows_the_context_ends_with_the_reason() -> None:
    stage = Stage(Answering(), context_length=13)
    await stage.play()
    assert stage.samples[1] == Skipped("m", "first", 1, "the prompt has 13 tokens, the context 13")
    assert len(stage.samples) == 2
    assert stage.steps == 3
    assert Record("m", stage.samples).left(FIRST) == range(0)


async def test_a_turn_that_the_target_will_not_take_is_skipped() -> None:
    stage = Stage(Answering(lost_at="two", code="invalid"))
    await stage.play()
    assert stage.samples[1] == Skipped("m", "first", 1, "no answer to two")


async def test_a_lost_target_keeps_the_turns_before_and_ends_the_reading() -> None:
    stage = Stage(Answering(lost_at="three"))
    with pytest.raises(TargetError, match="no answer to three"):
        await stage.play()
    assert len(stage.samples) == 2
    assert not stage.meter.running


async def test_an_empty_answer_has_no_first_token() -> None:
    stage = Stage(Answering(empty_at="two"))
    await stage.play()
    empty = stage.samples[1]
    assert isinstance(empty, Turn)
    assert (empty.ttft_s, empty.end_s, empty.decode_tokens_per_second) == (None, 2.0, None)
