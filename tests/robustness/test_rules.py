"""The checker itself: a sound history keeps every rule, and each violation that is put in is found."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.robustness.history import Asked, Call, End, Event, Fault, History, Idle, Record
from tests.robustness.rules import RULES, violations

ANSWER = "the cell,load is"


def call(name: str, identity: str = "planner", answer: str = ANSWER, **fields: object) -> Call:
    """A whole answer in two chunks, at second 1."""
    asked = Asked(name, identity, "answer", answer, **fields)  # type: ignore[arg-type]
    events = [
        Event(1.0, "started"),
        Event(1.1, "chunk", answer[:5], 5),
        Event(1.2, "chunk", answer[5:], len(answer) - 5),
        Event(1.2, "finished", num_tokens=len(answer), reason="LENGTH"),
    ]
    return Call(asked, 1.0, events, [End(1.2, "OK")])


def history() -> History:
    """Two answers of two identities, and a node that is idle afterwards."""
    calls = [call("a"), call("b", "watcher", "no handover is due"), call("p", deadline_s=2.0, promised=True)]
    records = [Record(each.asked.id, "OK", len(each.text), "length") for each in calls]
    idle = Idle(0, 0, 100, 2048, 40, 9, ("OK", "OK"))
    return History(1, calls, [], records, idle)


def test_a_sound_history_breaks_no_rule() -> None:
    assert violations(history()) == []


def ends_twice(made: History) -> None:
    made.calls[0].ends.append(End(1.3, "UNAVAILABLE"))


def never_ends(made: History) -> None:
    made.calls[0].ends.clear()


def finishes_twice(made: History) -> None:
    made.calls[0].events.append(made.calls[0].events[-1])


def goes_on_after_its_end(made: History) -> None:
    made.calls[0].events.append(Event(1.3, "chunk", "x", 1))


def ends_without_its_last_message(made: History) -> None:
    made.calls[0].events.pop()


def starts_twice(made: History) -> None:
    made.calls[0].events.insert(2, Event(1.1, "started"))


def is_recorded_twice(made: History) -> None:
    made.records.append(made.records[0])


def is_not_recorded(made: History) -> None:
    made.records.pop(0)


def is_recorded_as_lost(made: History) -> None:
    made.records[0] = replace(made.records[0], code="UNAVAILABLE")


def loses_a_token(made: History) -> None:
    events = made.calls[0].events
    events[2] = replace(events[2], text=events[2].text[1:], num_tokens=events[2].num_tokens - 1)
    events[3] = replace(events[3], num_tokens=events[3].num_tokens - 1)
    made.records[0] = Record("a", "OK", events[3].num_tokens)


def gets_a_token_twice(made: History) -> None:
    events = made.calls[0].events
    events[2] = replace(events[2], text=events[1].text[-1] + events[2].text)


def gets_anothers_answer(made: History) -> None:
    made.calls[0].events, made.calls[1].events = made.calls[1].events, made.calls[0].events
    made.records[0], made.records[1] = (
        replace(made.records[0], num_tokens=made.records[1].num_tokens),
        replace(made.records[1], num_tokens=made.records[0].num_tokens),
    )


def stops_early(made: History) -> None:
    events = made.calls[0].events
    del events[2]
    events[2] = replace(events[2], num_tokens=5)
    made.records[0] = Record("a", "OK", 5)


def counts_wrong(made: History) -> None:
    events = made.calls[0].events
    events[3] = replace(events[3], num_tokens=99)
    made.records[0] = Record("a", "OK", 99)


def fails_without_a_fault(made: History) -> None:
    made.calls[0].events.clear()
    made.calls[0].ends[:] = [End(1.2, "UNAVAILABLE", "WORKER_LOST")]


def fails_long_after_a_fault(made: History) -> None:
    fails_without_a_fault(made)
    made.faults.append(Fault(-60.0, -59.0, "kill_worker"))


def fails_within(made: History) -> None:
    fails_without_a_fault(made)
    made.calls[0].ends[:] = [End(1.2, "INTERNAL")]
    made.faults.append(Fault(1.0, 1.1, "kill_worker"))


def is_cancelled_by_nobody(made: History) -> None:
    fails_without_a_fault(made)
    made.calls[0].ends[:] = [End(1.2, "CANCELLED")]


def is_late_too_early(made: History) -> None:
    fails_without_a_fault(made)
    made.calls[0].asked = replace(made.calls[0].asked, deadline_s=5.0)
    made.calls[0].ends[:] = [End(1.2, "DEADLINE_EXCEEDED")]


def breaks_a_promise(made: History) -> None:
    made.calls[2].ends[:] = [End(9.0, "OK")]


def cuts_a_promised_answer(made: History) -> None:
    events = made.calls[2].events
    events[3] = replace(events[3], reason="DEADLINE")


def loses_a_slot(made: History) -> None:
    assert made.idle is not None
    made.idle = replace(made.idle, num_running=1)


def loses_cells(made: History) -> None:
    assert made.idle is not None
    made.idle = replace(made.idle, cells_used=4096)


def loses_quota(made: History) -> None:
    assert made.idle is not None
    made.idle = replace(made.idle, probes=("OK", "RESOURCE_EXHAUSTED: quota"))


def never_rests(made: History) -> None:
    made.idle = None


FOUND_BY: dict[Callable[[History], None], str] = {
    ends_twice: "each_request_ends_once",
    never_ends: "each_request_ends_once",
    finishes_twice: "each_request_ends_once",
    goes_on_after_its_end: "each_request_ends_once",
    ends_without_its_last_message: "each_request_ends_once",
    starts_twice: "each_request_ends_once",
    is_recorded_twice: "the_node_ends_each_request_once",
    is_not_recorded: "the_node_ends_each_request_once",
    is_recorded_as_lost: "the_node_ends_each_request_once",
    loses_a_token: "no_token_of_another_request",
    gets_a_token_twice: "no_token_of_another_request",
    gets_anothers_answer: "no_token_of_another_request",
    stops_early: "no_token_of_another_request",
    counts_wrong: "tokens_are_counted",
    fails_without_a_fault: "every_end_is_explained",
    fails_long_after_a_fault: "every_end_is_explained",
    fails_within: "every_end_is_explained",
    is_cancelled_by_nobody: "every_end_is_explained",
    is_late_too_early: "every_end_is_explained",
    breaks_a_promise: "promises_are_kept",
    cuts_a_promised_answer: "promises_are_kept",
    loses_a_slot: "nothing_is_lost",
    loses_cells: "nothing_is_lost",
    loses_quota: "nothing_is_lost",
    never_rests: "nothing_is_lost",
}


@pytest.mark.parametrize("defect", FOUND_BY, ids=lambda each: each.__name__)
def test_a_violation_is_found(defect: Callable[[History], None]) -> None:
    made = history()
    defect(made)
    assert FOUND_BY[defect] in {each.rule for each in violations(made)}


def test_every_rule_finds_something() -> None:
    assert set(FOUND_BY.values()) == set(RULES)


def test_whose_token_it_was_is_told() -> None:
    made = history()
    gets_anothers_answer(made)
    assert "the answer of b of watcher" in violations(made)[0].what


@pytest.mark.parametrize("what", ["kill_worker", "failpoint decode: kill"])
def test_a_fault_explains_a_lost_answer_and_a_late_promise(what: str) -> None:
    made = history()
    fails_without_a_fault(made)
    breaks_a_promise(made)
    made.faults.append(Fault(1.0, 1.1, what))
    assert violations(made) == []


def test_a_models_answer_may_leave_its_solo_run_by_noise_only() -> None:
    made = history()
    made.answers_are_exact = False
    events = made.calls[0].events
    events[2] = replace(events[2], text="!" * len(events[2].text))
    assert violations(made) == []
    events[1] = replace(events[1], text="other")
    assert violations(made)


def test_a_character_that_is_cut_off_is_no_wrong_token() -> None:
    made = history()
    events = made.calls[0].events
    events[1:] = [
        Event(1.1, "chunk", ANSWER[:5] + "�", 6),
        Event(1.2, "finished", num_tokens=6, reason="DEADLINE"),
    ]
    made.records[0] = Record("a", "OK", 6)
    assert violations(made) == []
