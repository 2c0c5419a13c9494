"""The measurement in idle time, on a backend whose steps take what a model of a node says."""

import msgspec
import pytest

from xapp.backend.base import Batch, Interrupted, Sampler
from xapp.backend.fake import FakeBackend
from xapp.config import EngineSettings
from xapp.domain.messages import Tuning, TuningSource
from xapp.engine.survey import REPEATS, Survey
from xapp.engine.survey_jobs import SIZES, WIDTHS
from xapp.engine.worker import new_engine
from xapp.steps.pace import LONGEST_ALONE_S

PLENTY = 10_000
HICCUP_SIZE = 128


class Node(FakeBackend):
    """Steps of one token are fastest with 2 threads, larger ones with 4."""

    def __init__(
        self, threads: tuple[int, ...] = (3, 1, 2, 4), token_cost: float = 0.001, cpu_share: float = 1.0
    ) -> None:
        settings = EngineSettings(slots=8, kv_cells=PLENTY, context_length=4096)
        super().__init__(settings, num_sequences=16, num_branches=8)
        self._choices = threads
        self._token_cost = token_cost
        rule = threads[0] if threads else 1
        self._in_use = (rule, rule)
        self._cpu_share = cpu_share
        self.now = self.cpu_now = 0.0
        self.remembered: list[Tuning] = []
        self.interrupt_at: int | None = None
        self.hiccups = 0
        self.num_steps = 0
        self.crowded = self.slow_beyond_one = False
        self.knows(Tuning(TuningSource.MEASURED, rule, rule, flash_attention=True))

    def knows(self, tuning: Tuning) -> None:
        self._info = msgspec.structs.replace(self._info, tuning=tuning)

    @property
    def thread_choices(self) -> tuple[int, ...]:
        return self._choices

    def set_threads(self, single: int, batch: int) -> None:
        self._in_use = (single, batch)

    def remember(self, tuning: Tuning) -> None:
        self.remembered.append(tuning)

    def decode(self, batch: Batch, samplers: list[Sampler]) -> list[int]:
        self.num_steps += 1
        if self.num_steps == self.interrupt_at:
            raise Interrupted
        threads = self._in_use[len(batch) > 1]
        best = 4 if len(batch) > 1 else 2
        seconds = self._token_cost * len(batch) * (1 + abs(best - threads))
        if len(batch) == HICCUP_SIZE and self.hiccups:
            self.hiccups -= 1
            seconds *= 2
        if threads > 1 and (self.crowded or self.slow_beyond_one):
            seconds *= 10
        self.now += seconds
        share = 0.7 if self.crowded and threads > 1 else self._cpu_share
        self.cpu_now += seconds * threads * share
        return super().decode(batch, samplers)


def surveyed(node: Node, free: int = PLENTY) -> Tuning:
    survey = Survey(node, lambda: node.now, lambda: node.cpu_now)
    while not survey.done:
        tuning = survey.advance(free)
    assert tuning is not None
    return tuning


def test_threads_are_found_for_single_tokens_and_for_more() -> None:
    tuning = surveyed(Node())
    assert (tuning.threads, tuning.threads_batch) == (2, 4)
    assert tuning.source is TuningSource.MEASURED
    assert {trial.threads for trial in tuning.trials} == {1, 2, 3, 4}


def test_the_curve_is_what_steps_take_with_them() -> None:
    node = Node()
    curve = surveyed(node).curve
    assert curve is not None
    assert curve.rows == tuple(size for size in SIZES if size <= node.info.batch_tokens)
    assert curve.row_s == pytest.approx([0.001 * rows for rows in curve.rows])
    assert curve.widths == tuple(width for width in WIDTHS if width <= 8)
    assert curve.width_s == pytest.approx([0.001 * width for width in curve.widths])


def test_a_size_that_looks_dearer_than_its_neighbours_is_measured_again() -> None:
    node = Node()
    node.hiccups = REPEATS
    curve = surveyed(node).curve
    assert curve is not None
    assert node.hiccups == 0
    assert curve.row_s == pytest.approx([0.001 * rows for rows in curve.rows])


def test_what_came_out_is_remembered_and_no_cell_is_left_in_use() -> None:
    node = Node()
    tuning = surveyed(node)
    assert node.remembered == [tuning]
    assert node.used == 0
    assert not node.live_samplers


def test_a_step_that_was_interrupted_is_measured_again() -> None:
    node = Node()
    node.interrupt_at = 20
    survey = Survey(node, lambda: node.now, lambda: node.cpu_now)
    interrupted = 0
    while not survey.done:
        try:
            tuning = survey.advance(PLENTY)
        except Interrupted:
            interrupted += 1
    assert interrupted == 1
    assert tuning == surveyed(Node())


def test_beside_other_programs_the_rule_for_threads_stays_and_nothing_is_remembered() -> None:
    node = Node(cpu_share=0.6)
    tuning = surveyed(node)
    assert (tuning.threads, tuning.threads_batch) == (3, 3)
    assert tuning.curve is not None
    assert not node.remembered


def test_a_single_thread_that_finds_its_core_does_not_make_a_node_calm() -> None:
    node = Node(threads=(4, 1))
    node.crowded = True
    assert (surveyed(node).threads, surveyed(node).threads_batch) == (4, 4)
    assert not node.remembered


def test_what_an_earlier_survey_saw_counts_where_other_programs_run_now() -> None:
    """A disturbed step looks slow, and no step looks faster than it is."""
    node = Node(threads=(4, 1))
    calm = surveyed(node)
    assert calm.threads_batch == 4
    node.knows(msgspec.structs.replace(calm, curve=None))
    node.slow_beyond_one = True
    assert surveyed(node).threads_batch == 4


def test_sizes_for_which_there_are_no_cells_are_left_out() -> None:
    curve = surveyed(Node(), free=40).curve
    assert curve is not None
    assert max(curve.rows) == 40


def test_no_step_is_measured_that_would_never_be_planned() -> None:
    curve = surveyed(Node(threads=(4,), token_cost=0.5)).curve
    assert curve is not None
    assert sum(seconds > LONGEST_ALONE_S for seconds in curve.row_s) <= 1


def test_threads_that_are_set_are_kept() -> None:
    tuning = surveyed(Node(threads=(3,)))
    assert (tuning.threads, tuning.threads_batch) == (3, 3)
    assert tuning.curve is not None


def test_there_is_nothing_to_do_where_it_is_known_or_cannot_be() -> None:
    node = Node()
    known = surveyed(node)
    node.knows(known)
    assert Survey(node).done
    assert Survey(Node(threads=())).done
    assert Survey(FakeBackend(EngineSettings(slots=1, kv_cells=64, context_length=64))).done


def test_widths_beyond_the_slots_are_measured_for_drafts() -> None:
    node = Node()
    node._info = msgspec.structs.replace(node.info, num_slots=1)
    curve = surveyed(node).curve
    assert curve is not None
    assert curve.widths == tuple(width for width in WIDTHS if width <= node.num_branches)


def test_a_curve_of_fewer_widths_is_measured_again() -> None:
    node = Node()
    whole = surveyed(node)
    assert whole.curve is not None
    node._info = msgspec.structs.replace(node.info, tuning=whole)
    assert Survey(node).done
    short = msgspec.structs.replace(whole.curve, widths=(1, 2), width_s=(0.1, 0.2))
    node._info = msgspec.structs.replace(node.info, tuning=msgspec.structs.replace(whole, curve=short))
    assert not Survey(node).done


@pytest.mark.parametrize("survey", [True, False])
def test_a_node_that_is_told_not_to_measures_nothing(survey: bool) -> None:
    assert new_engine(Node(), EngineSettings(survey=survey)).may_survey is survey
