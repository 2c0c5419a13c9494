from dataclasses import replace
from pathlib import Path

import pytest

from tests.backend.optimize.stand_in import SOURCE, StandIn, format_of
from tests.models.conftest import Seen
from tests.models.gguf_file import LLAMA, gguf_bytes
from xapp.backend.optimize import jobs
from xapp.backend.optimize.run import BEST, Outcome, Wish, optimize
from xapp.backend.sizing import Node
from xapp.errors import ModelError
from xapp.models.digest import hash_file
from xapp.models.store import ModelFile
from xapp.models.verify import Verdict, verify

WISH = Wish(("Q8_0", "Q6_K", "Q4_0"), 2, 0.02)


def names(model: ModelFile) -> list[str]:
    return sorted(path.name for path in model.path.parent.iterdir())


def figures(outcome: Outcome) -> list[tuple[str, float]]:
    return [(each.format, each.prefill) for each in outcome.measured]


def test_measuring_keeps_nothing(model: ModelFile, stand_in: StandIn, seen: Seen) -> None:
    outcome = optimize(model, WISH, seen)
    assert figures(outcome) == [("Q4_1 (source)", 100), ("Q8_0", 200), ("Q6_K", 150), ("Q4_0", 300)]
    assert (outcome.best, outcome.written) == ("Q8_0", None)
    assert names(model) == ["m.gguf"]


def test_formats_are_timed_in_turns(model: ModelFile, stand_in: StandIn, seen: Seen) -> None:
    optimize(model, WISH, seen)
    rounds = [said.split(": ") for said in seen.said if said.startswith("round")]
    assert [each for _, each in rounds[:4]] == ["Q4_1 (source)", "Q8_0", "Q6_K", "Q4_0"]
    assert [each for _, each in rounds[4:]] == ["Q8_0", "Q6_K", "Q4_0", "Q4_1 (source)"]
    assert rounds[4][0] == "round 2 of 2"


def test_the_best_is_written_with_its_source_on_record(
    model: ModelFile, stand_in: StandIn, seen: Seen
) -> None:
    outcome = optimize(model, replace(WISH, write=BEST), seen)
    assert outcome.written
    assert names(model) == ["m.Q8_0.gguf", "m.Q8_0.gguf.json", "m.gguf"]
    assert outcome.written.record.source == f"Q8_0 of m.gguf ({hash_file(model.path)})"
    assert verify(outcome.written.model).verdict is Verdict.OK
    origins = {job.origin for job in stand_in.asked if isinstance(job, jobs.Quantize)}
    assert origins == {outcome.digest} == {hash_file(model.path)}


def test_nothing_is_written_when_the_source_is_the_best(
    model: ModelFile, stand_in: StandIn, seen: Seen
) -> None:
    outcome = optimize(model, replace(WISH, write=BEST, max_loss=0.0), seen)
    assert (outcome.best, outcome.written) == ("", None)
    assert names(model) == ["m.gguf"]


def test_a_named_format_is_written_whatever_it_loses(model: ModelFile, stand_in: StandIn, seen: Seen) -> None:
    outcome = optimize(model, replace(WISH, formats=("Q8_0",), write="Q4_0"), seen)
    assert [each.format for each in outcome.measured] == ["Q4_1 (source)", "Q8_0", "Q4_0"]
    assert outcome.best == "Q8_0"
    assert "m.Q4_0.gguf" in names(model)


def test_without_rounds_only_the_named_format_is_made(
    model: ModelFile, stand_in: StandIn, seen: Seen
) -> None:
    outcome = optimize(model, replace(WISH, rounds=0, write="Q6_K"), seen)
    assert stand_in.kinds() == ["Size", "Quantize"]
    assert outcome.measured == ()
    assert "m.Q6_K.gguf" in names(model)


def test_what_was_made_before_is_not_made_again(model: ModelFile, stand_in: StandIn, seen: Seen) -> None:
    wish = replace(WISH, rounds=0, write="Q8_0")
    optimize(model, wish, seen)
    stand_in.asked.clear()
    again = optimize(model, wish, seen).written
    assert again
    assert again.was_there
    assert stand_in.asked == []


@pytest.mark.parametrize("write", [BEST, "Q8_0"])
def test_another_file_there_is_said_before_anything_is_made(
    model: ModelFile, stand_in: StandIn, seen: Seen, write: str
) -> None:
    (model.path.parent / "m.Q8_0.gguf").write_bytes(SOURCE)
    with pytest.raises(ModelError, match="exists and was not made of this"):
        optimize(model, replace(WISH, write=write), seen)
    assert stand_in.asked == []


def test_another_file_is_no_matter_when_nothing_is_written(
    model: ModelFile, stand_in: StandIn, seen: Seen
) -> None:
    (model.path.parent / "m.Q8_0.gguf").write_bytes(SOURCE)
    assert optimize(model, WISH, seen).best == "Q8_0"


def test_the_sources_own_format_is_passed_over(model: ModelFile, stand_in: StandIn, seen: Seen) -> None:
    model.path.write_bytes(gguf_bytes(LLAMA | {"general.file_type": 7}))
    outcome = optimize(model, WISH, seen)
    assert [each.format for each in outcome.measured] == ["Q8_0 (source)", "Q6_K", "Q4_0"]
    for wish in (replace(WISH, write="Q8_0"), replace(WISH, formats=("Q8_0",))):
        with pytest.raises(ModelError, match=r"m.gguf is Q8_0 already"):
            optimize(model, wish, seen)


@pytest.mark.parametrize("job", ["Size", "Guess", "Speed"])
def test_what_a_format_cannot_is_its_fault_alone(
    model: ModelFile, stand_in: StandIn, seen: Seen, job: str
) -> None:
    stand_in.faults[job, "Q8_0"] = ModelError("no Q8_0 today")
    outcome = optimize(model, WISH, seen)
    faults = {each.format: each.fault for each in outcome.measured}
    assert faults == {"Q4_1 (source)": "", "Q8_0": "no Q8_0 today", "Q6_K": "", "Q4_0": ""}
    assert outcome.best == "Q6_K"
    with pytest.raises(ModelError, match="no Q8_0 today"):
        optimize(model, replace(WISH, write="Q8_0"), seen)
    assert names(model) == ["m.gguf"]


@pytest.mark.parametrize("job", ["Guess", "Speed"])
def test_a_source_that_cannot_be_measured_ends_it(
    model: ModelFile, stand_in: StandIn, seen: Seen, job: str
) -> None:
    stand_in.faults[job, ""] = ModelError("m.gguf: lost")
    with pytest.raises(ModelError, match=r"m\.gguf: lost"):
        optimize(model, WISH, seen)
    assert names(model) == ["m.gguf"]


def test_a_model_that_cannot_be_quantized_is_refused(model: ModelFile, stand_in: StandIn, seen: Seen) -> None:
    for name in WISH.formats:
        stand_in.faults["Size", name] = ModelError("m.gguf: unknown model architecture: 'x'")
    with pytest.raises(ModelError, match="unknown model architecture") as caught:
        optimize(model, WISH, seen)
    assert caught.value.reason == "CANNOT_QUANTIZE"


def test_no_room_is_said_before_anything_is_written(
    model: ModelFile, stand_in: StandIn, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xapp.backend.optimize.run.this_node", lambda: Node(1000, 2))
    with pytest.raises(ModelError, match="not enough memory"):
        optimize(model, WISH, seen)
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("xapp.models.transfer.shutil.disk_usage", lambda _: usage)
    with pytest.raises(ModelError, match="not enough room"):
        optimize(model, WISH, seen)
    assert set(stand_in.kinds()) == {"Size"}


def test_a_disk_that_fills_up_meanwhile(
    model: ModelFile, stand_in: StandIn, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(job: jobs.Job) -> None:
        if isinstance(job, jobs.Quantize):
            Path(job.target).write_bytes(b"x" * 100)
            usage = type("Usage", (), {"free": 10})
            monkeypatch.setattr("xapp.backend.optimize.copies.shutil.disk_usage", lambda _: usage)

    stand_in.before = cut
    stand_in.faults["Quantize", "Q6_K"] = ModelError("basic_ios::clear")
    wanted = rf"m\.Q6_K\.gguf: {len(SOURCE):,} bytes needed, 110 free"
    with pytest.raises(ModelError, match=wanted) as caught:
        optimize(model, replace(WISH, rounds=0, write="Q6_K"), seen)
    assert caught.value.reason == "DISK_FULL"
    assert names(model) == ["m.gguf"]


@pytest.mark.parametrize("kind", [jobs.Quantize, jobs.Guess, jobs.Speed])
def test_an_interrupt_leaves_nothing(
    model: ModelFile, stand_in: StandIn, seen: Seen, kind: type[jobs.Job]
) -> None:
    def interrupt(job: jobs.Job) -> None:
        if isinstance(job, kind):
            raise KeyboardInterrupt

    stand_in.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        optimize(model, replace(WISH, write=BEST), seen)
    assert names(model) == ["m.gguf"]


def test_a_model_that_generates_no_text_is_refused(model: ModelFile, stand_in: StandIn, seen: Seen) -> None:
    model.path.write_bytes(gguf_bytes(LLAMA | {"llama.pooling_type": 1}))
    with pytest.raises(ModelError, match=r"m\.gguf is of kind embedding") as caught:
        optimize(model, WISH, seen)
    assert caught.value.reason == "UNSUPPORTED_MODEL"
    assert stand_in.asked == []


@pytest.mark.parametrize("form", ["", "Q8_0"])
def test_sentences_are_filled_in_by_one_child_for_every_hundred(
    model: ModelFile, stand_in: StandIn, seen: Seen, form: str
) -> None:
    blanks = tuple(jobs.Blank(("a", "b"), f" {number}", 0) for number in range(150))
    outcome = optimize(model, replace(WISH, formats=("Q8_0",), rounds=1, blanks=blanks), seen)
    asked = [job for job in stand_in.asked if isinstance(job, jobs.Choose) and format_of(job) == form]
    assert [len(job.blanks) for job in asked] == [100, 50]
    assert tuple(blank for job in asked for blank in job.blanks) == blanks
    assert [len(each.right) for each in outcome.measured] == [150, 150]


def test_a_missing_part_is_named(model: ModelFile, stand_in: StandIn, seen: Seen) -> None:
    path = model.path.rename(model.path.with_name("m-00001-of-00002.gguf"))
    with pytest.raises(ModelError, match=r"m-00002-of-00002\.gguf is missing"):
        optimize(ModelFile("m", path), WISH, seen)
