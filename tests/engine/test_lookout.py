"""What may end a step early, and what may not."""

import pytest

from xapp.domain.messages import Cancel, Extend, Priority, Shutdown, Submit, ToWorker
from xapp.engine.lookout import ANY_EVENT, LONG_S, Watch, watch_for
from xapp.engine.plan import Plan
from xapp.engine.sequence import NEVER, Sequence
from xapp.engine.strategies.decode import DECODE

CRITICAL, INTERACTIVE, BATCH = Priority.CRITICAL, Priority.INTERACTIVE, Priority.BATCH


def asked(priority: Priority, deadline: float | None = None, *, number: int = 1, pin: bool = False) -> Submit:
    return Submit(number, [1] * 100, 10, priority=priority, deadline=deadline, pin=pin)


def prefilling(*requests: Submit) -> Plan:
    """A step with 100 tokens of each prompt."""
    plan = Plan()
    for seq_id, request in enumerate(requests):
        plan.batch.extend(request.prompt, 0, seq_id)
        plan.parts.append((Sequence(request, DECODE), 100, 0, 0))
    return plan


def beside(plan: Plan, *requests: Submit) -> Plan:
    """The same step with a token for each of these before it."""
    whole = Plan()
    answers = [Sequence(request, DECODE, seq_id=50, num_computed=99) for request in requests]
    whole.add_decoding(answers, 0)
    for seq_id, part in enumerate(plan.parts):
        whole.batch.extend([1] * part[1], 0, seq_id)
        whole.parts.append(part)
    return whole


@pytest.mark.parametrize(
    ("computed", "comes", "ends"),
    [
        (asked(BATCH), asked(INTERACTIVE), True),
        (asked(INTERACTIVE), asked(CRITICAL), True),
        (asked(INTERACTIVE), asked(INTERACTIVE), False),
        (asked(INTERACTIVE), asked(BATCH, 1.0), False),
        (asked(CRITICAL), asked(INTERACTIVE, 1.0), False),
        (asked(INTERACTIVE, 50.0), asked(INTERACTIVE, 20.0), True),
        (asked(INTERACTIVE, 20.0), asked(INTERACTIVE, 50.0), False),
        (asked(BATCH, pin=True), asked(BATCH), True),
        (asked(BATCH), asked(CRITICAL, pin=True), False),
        (asked(BATCH, number=1), Cancel(1), True),
        (asked(BATCH, number=1), Cancel(2), False),
        (asked(CRITICAL), Shutdown(), True),
        (asked(CRITICAL), Extend(1, 99.0), False),
    ],
)
def test_a_prompt_alone_makes_way_for_what_goes_before_it(
    computed: Submit, comes: ToWorker, ends: bool
) -> None:
    watch = watch_for(prefilling(computed), 1.0)
    assert watch is not None
    assert watch.ends_for(comes) is ends


def test_the_first_of_two_prompts_decides() -> None:
    watch = watch_for(prefilling(asked(BATCH), asked(INTERACTIVE, number=2)), 1.0)
    assert watch is not None
    assert not watch.ends_for(asked(INTERACTIVE))
    assert watch.ends_for(Cancel(2))


def test_it_ends_at_the_deadline_of_the_prompt() -> None:
    watch = watch_for(prefilling(asked(INTERACTIVE, 42.0)), 1.0)
    assert watch is not None
    assert watch.deadline == 42.0


def test_beside_answers_only_a_critical_request_ends_a_step() -> None:
    watch = watch_for(beside(prefilling(asked(BATCH, number=1)), asked(INTERACTIVE, number=2)), 1.0)
    assert watch is not None
    assert watch.ends_for(asked(CRITICAL))
    assert not watch.ends_for(asked(INTERACTIVE, 1.0))
    assert not watch.ends_for(Cancel(1))
    assert watch.deadline == NEVER


def test_a_critical_answer_is_not_held_up_by_another_critical_request() -> None:
    watch = watch_for(beside(prefilling(asked(BATCH)), asked(CRITICAL, number=2)), 1.0)
    assert watch is not None
    assert not watch.ends_for(asked(CRITICAL))


def test_a_short_step_and_one_without_prompts_are_not_watched() -> None:
    assert watch_for(prefilling(asked(BATCH)), LONG_S / 2) is None
    assert watch_for(beside(Plan(), asked(BATCH)), 1.0) is None


def test_what_was_ended_once_is_computed_whatever_comes() -> None:
    plan = prefilling(asked(BATCH))
    plan.prompts[0].interrupted = True
    assert watch_for(plan, 1.0) is None


def test_choices_are_never_interrupted() -> None:
    plan = prefilling(asked(BATCH))
    plan.batch.shared[3] = [4]
    assert watch_for(plan, 1.0) is None


@pytest.mark.parametrize("priority", Priority)
def test_what_nobody_waits_for_ends_for_anybody(priority: Priority) -> None:
    assert ANY_EVENT.ends_for(asked(priority))
    assert isinstance(ANY_EVENT, Watch)
