"""The rounds, with targets that answer at once and fail when they are told to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from perf.callers.load_commands import Command, Decode, Prime, Seen
from perf.compare import compare_run
from perf.compare.compare_loads import DecodeLoad, Load, SoloLoad
from perf.compare.compare_run import Outcome, Plan, Run, missing
from perf.compare.compare_samples import ECHO, Costs, DecodeSample
from perf.compare.entrants import NetworkSetup, Setting
from perf.engine_config import EngineConfig
from perf.record.journal import Journal
from perf.record.result_schema import Target
from perf.stream_figures import Arrival, Stream
from perf.targets.target import TargetError

SHAPE = EngineConfig(8192, 8, 2, True, "f16", 512)


@dataclass
class FakeContestant:
    """Fails in the round `fails_in`."""

    target: Target
    played: list[tuple[str, Command]]
    fails: bool
    queues: bool = False

    @property
    def name(self) -> str:
        return self.target.name

    def play(self, command: Command) -> tuple[Seen, Costs]:
        if self.fails:
            raise TargetError("lost", f"{self.name}: the connection was reset")
        self.played.append((self.name, command))
        assert isinstance(command, Decode | Prime)
        stream = Stream(0.0, [Arrival(0.1, 1), Arrival(0.2, 1)])
        return Seen([stream] * len(command.prompts), [], 0.01), Costs(0.2, 0.01)


@dataclass
class FakeEntrant:
    """`fails_in`: from that round's start on it answers nobody; `absent_in`: it does not come up."""

    name: str
    played: list[tuple[str, Command]]
    fails_in: int = 99
    absent_in: int = 99
    entered: list[Setting] = field(default_factory=list)

    def enter(self, setting: Setting) -> Any:
        number = len(self.entered)
        self.entered.append(setting)
        if number >= self.absent_in:
            raise TargetError("unreachable", f"{self.name}: nobody answers")
        return FakeContestant(
            Target(self.name, "grpc", "nowhere:1", "small", engine_config=SHAPE),
            self.played,
            number >= self.fails_in,
        )


class FakeTexts:
    def __init__(self, address: str) -> None:
        pass

    def __enter__(self) -> "FakeTexts":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def make(self, write: "partial[Command]") -> Command:
        load: Load = write.func.__self__  # type: ignore[attr-defined]  # its command method
        return Decode([f"{load.name} {write.keywords['seed']}"] * int(load.name[-1]), 2)


Play = Callable[..., tuple[Plan, Outcome]]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    monkeypatch.setattr(compare_run, "TextMaker", FakeTexts)

    def run(
        *entrants: FakeEntrant, rounds: int = 3, loads: tuple[Load, ...] = (DecodeLoad(1), DecodeLoad(4))
    ) -> tuple[Plan, Outcome]:
        plan = Plan(entrants, loads, rounds, 0, tmp_path / "m.gguf", NetworkSetup())
        with Journal.open(tmp_path / "r.json", fingerprint={"rounds": "any"}) as journal:
            return plan, Run(plan, journal, lambda _: None).play()

    return run


def turns(played: list[tuple[str, Command]]) -> list[tuple[str, str]]:
    """Who played which text, without the warm-ups."""
    found = ((name, command.prompts[0]) for name, command in played if isinstance(command, Decode))
    return [(name, prompt) for name, prompt in found if prompt.startswith("decode")]


def test_everybody_gets_the_same_texts_in_turns_another_one_first_each_round(play: Play) -> None:
    played: list[tuple[str, Command]] = []
    plan, outcome = play(FakeEntrant("ours", played), FakeEntrant("b", played), rounds=2)
    assert turns(played) == [
        *(("ours", "decode-1 0"), ("b", "decode-1 0"), ("ours", "decode-4 0"), ("b", "decode-4 0")),
        *(("b", "decode-1 1"), ("ours", "decode-1 1"), ("b", "decode-4 1"), ("ours", "decode-4 1")),
    ]
    assert not missing(plan, outcome)
    assert [each.position for each in outcome.samples if each.target == "ours"] == [0, 0, 1, 1]


def test_the_others_take_over_the_sizes_of_ours(play: Play) -> None:
    peer = FakeEntrant("b", [])
    play(FakeEntrant("ours", []), peer, rounds=1)
    assert peer.entered[0].engine_config == SHAPE


def test_a_peer_lost_in_the_middle_is_left_out_and_the_rest_goes_on(play: Play) -> None:
    played: list[tuple[str, Command]] = []
    peer = FakeEntrant("b", played, fails_in=1)
    plan, outcome = play(FakeEntrant("ours", played), peer, FakeEntrant("c", played))
    assert len(peer.entered) == 2
    assert {name for name, prompt in turns(played) if prompt.endswith(" 2")} == {"ours", "c"}
    (line,) = missing(plan, outcome)
    assert line.startswith("b: 4 samples from decode-1 of round 2 on")
    assert "the connection was reset" in line


def test_without_a_peer_left_the_run_ends_with_what_it_has(play: Play) -> None:
    played: list[tuple[str, Command]] = []
    plan, outcome = play(FakeEntrant("ours", played), FakeEntrant("b", played, absent_in=1))
    assert len(outcome.samples) == 4
    ours, peer = missing(plan, outcome)
    assert "too few targets" in ours
    assert "nobody answers" in peer


def test_without_ours_there_is_nothing_to_compare_with(play: Play) -> None:
    played: list[tuple[str, Command]] = []
    _, outcome = play(FakeEntrant("ours", played, absent_in=1), FakeEntrant("b", played), rounds=5)
    assert len(outcome.samples) == 4
    assert set(outcome.lost) == {"ours"}


def test_who_is_not_there_at_the_start_is_an_error(play: Play) -> None:
    with pytest.raises(TargetError, match="nobody answers"):
        play(FakeEntrant("ours", []), FakeEntrant("b", [], absent_in=0))


def test_a_run_goes_on_from_its_journal(play: Play) -> None:
    play(FakeEntrant("ours", []), FakeEntrant("b", []), rounds=1)
    played: list[tuple[str, Command]] = []
    plan, outcome = play(FakeEntrant("ours", played), FakeEntrant("b", played), rounds=2)
    assert {prompt.split()[1] for _, prompt in turns(played)} == {"1"}
    assert len(outcome.samples) == plan.total


def test_prompts_are_computed_before_streams_are_measured(play: Play) -> None:
    played: list[tuple[str, Command]] = []
    play(FakeEntrant("ours", played), FakeEntrant("b", []), rounds=1)
    kinds = [type(command) for _, command in played]
    assert kinds == [Decode, Prime, Decode, Prime, Decode]  # the first is the warm-up
    primed, measured = played[3][1], played[4][1]
    assert isinstance(primed, Prime)
    assert isinstance(measured, Decode)
    assert primed.prompts == measured.prompts


def test_the_echo_plays_last_and_at_the_pace_of_ours(play: Play) -> None:
    played: list[tuple[str, Command]] = []
    plan, outcome = play(FakeEntrant("ours", played), FakeEntrant("b", played), FakeEntrant(ECHO, played))
    assert not missing(plan, outcome)
    assert {each.position for each in outcome.samples if each.target == ECHO} == {2}
    ours = outcome.get(0, "decode-4", "ours")
    assert isinstance(ours, DecodeSample)
    assert ("echo", Decode([str(ours.itl_p50_s)] * 4, 2)) in played


def test_the_echo_plays_steady_decoding_only(play: Play) -> None:
    played: list[tuple[str, Command]] = []
    loads = (DecodeLoad(1), SoloLoad(200, 0))
    entrants = [FakeEntrant(name, played) for name in ("ours", "b", ECHO)]
    plan = Plan(entrants, loads, 2, 0, Path("m.gguf"), NetworkSetup())
    assert plan.total == 2 * (2 + 2 + 1)
