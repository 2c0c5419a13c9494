"""The rules that every history keeps, whatever happened to the node. Each yields what breaks it."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.robustness.history import Call, Fault, History

RECOVERY_S = 12.0
"""After a fault calls may end with UNAVAILABLE for so long: a worker is started again, clients reconnect."""
LATE_S = 0.5
"""A caller reads the end of an answer that late on a busy machine."""
NOISE_AT = 4
"""A real model's answer in company may leave that of its solo run after so many characters."""

_EXPLAINED = {
    "RESOURCE_EXHAUSTED": {"QUEUE_FULL", "QUOTA_EXCEEDED", "DEADLINE_UNREACHABLE", "DEADLINE_TOO_SHORT"},
}


class Violation(NamedTuple):
    """A broken rule, and the call that broke it."""

    rule: str
    id: str
    what: str


Rule = Callable[[History], Iterator[tuple[str, str]]]
RULES: dict[str, Rule] = {}


def rule(check: Rule) -> Rule:
    """Adds a rule. It yields the id of a call, or "", and what is wrong."""
    RULES[check.__name__] = check
    return check


def violations(history: History) -> list[Violation]:
    """All violations of all rules."""
    return [Violation(name, *found) for name, check in RULES.items() for found in check(history)]


@rule
def each_request_ends_once(history: History) -> Iterator[tuple[str, str]]:
    """One end, and nothing after the last message. An answer with OK has its last message."""
    for call in history.calls:
        kinds = [event.kind for event in call.events]
        last = sum(kind in {"finished", "result"} for kind in kinds)
        if len(call.ends) != 1:
            yield call.asked.id, f"has {len(call.ends)} ends"
        elif last > 1 or (last and kinds[-1] not in {"finished", "result"}):
            yield call.asked.id, f"its messages are {kinds}"
        elif call.ends[0].code == "OK" and not last:
            yield call.asked.id, "ended with OK and without its last message"
        elif kinds.count("started") > 1 or "started" in kinds[1:]:
            yield call.asked.id, f"its messages are {kinds}"


@rule
def the_node_ends_each_request_once(history: History) -> Iterator[tuple[str, str]]:
    """One log record a request, with the status and the tokens that the caller saw."""
    counts = Counter(record.id for record in history.records)
    records = {record.id: record for record in history.records}
    for call in history.ended:
        if counts[call.asked.id] > 1:
            yield call.asked.id, f"has {counts[call.asked.id]} records"
        found, finished = records.get(call.asked.id), call.finished
        if finished is None or call.ends[0].code != "OK" or finished.kind == "result":
            continue
        if found is None:
            if history.num_server_starts == 1:
                yield call.asked.id, "has an answer and no record"
        elif (found.code, found.num_tokens) != ("OK", finished.num_tokens):
            yield (
                call.asked.id,
                f"the node says {found.code}, {found.num_tokens} tokens; the caller got OK, {finished}",
            )


@rule
def no_token_of_another_request(history: History) -> Iterator[tuple[str, str]]:
    """An answer is the request's own, whole or cut off."""
    for call in history.ended:
        wanted, got = call.asked.answer, _settled(call)
        if wanted is None or not got:
            continue
        if history.answers_are_exact:
            if not wanted.startswith(got):
                yield call.asked.id, f"got {got!r}, not {wanted!r}{_owner(history, call)}"
            elif call.is_whole and got != wanted:
                yield call.asked.id, f"ended early with {got!r} of {wanted!r}"
        elif wanted[:NOISE_AT] != got[:NOISE_AT][: len(wanted)] and not wanted.startswith(got):
            yield (
                call.asked.id,
                f"begins with {got[:40]!r}, its solo run with {wanted[:40]!r}{_owner(history, call)}",
            )


def _settled(call: Call) -> str:
    """The text without the mark of a character that was cut off in the middle."""
    return call.text if call.is_whole else call.text.removesuffix("\ufffd")


def _owner(history: History, call: Call) -> str:
    for other in history.calls:
        if other is not call and other.asked.answer and other.asked.answer.startswith(call.text):
            return f": the answer of {other.asked.id} of {other.asked.identity}"
    return ""


@rule
def tokens_are_counted(history: History) -> Iterator[tuple[str, str]]:
    """The tokens of the chunks are those of the usage."""
    for call in history.ended:
        finished = call.finished
        if finished is None or finished.kind != "finished":
            continue
        streamed = sum(event.num_tokens for event in call.events if event.kind == "chunk")
        if streamed != finished.num_tokens:
            yield call.asked.id, f"{streamed} tokens in chunks, {finished.num_tokens} in the usage"


@rule
def every_end_is_explained(history: History) -> Iterator[tuple[str, str]]:
    """UNAVAILABLE only after a fault; no other error without its cause."""
    for call in history.ended:
        if not _is_explained(history, call):
            end = call.ends[0]
            yield call.asked.id, f"{call.asked.kind} ended with {end.code} {end.reason}: {end.details}"


def _is_explained(history: History, call: Call) -> bool:
    end, asked = call.ends[0], call.asked
    match end.code:
        case "OK":
            return True
        case "CANCELLED":
            return asked.cancel_after is not None
        case "UNAVAILABLE" | "ABORTED":
            return bool(_faults_near(history, call))
        case "DEADLINE_EXCEEDED":
            return asked.deadline_s is not None and end.at - call.began >= asked.deadline_s - 0.05
        case _:
            return end.reason in _EXPLAINED.get(end.code, ())


def _faults_near(history: History, call: Call) -> list[Fault]:
    end = call.ends[0].at
    return [fault for fault in history.faults if fault.at <= end and call.began <= fault.until + RECOVERY_S]


def _failed_meanwhile(history: History, call: Call) -> bool:
    began, ended = call.began - LATE_S, call.ends[0].at + LATE_S
    return any(fault.at <= ended and began <= fault.until for fault in history.faults)


@rule
def promises_are_kept(history: History) -> Iterator[tuple[str, str]]:
    """A request that was taken has its whole answer in time, unless the node failed meanwhile."""
    for call in history.ended:
        asked = call.asked
        if (
            not asked.promised
            or asked.deadline_s is None
            or not call.events
            or _failed_meanwhile(history, call)
        ):
            continue
        took = call.ends[0].at - call.began
        if not call.is_whole or took > asked.deadline_s + LATE_S:
            yield (
                asked.id,
                f"took {took:.3f} s of {asked.deadline_s:.3f} s and ended with {call.ends[0].code}",
            )


@rule
def nothing_is_lost(history: History) -> Iterator[tuple[str, str]]:
    """Without requests no slot and no quota is taken, and requests that need all of them are answered."""
    idle = history.idle
    if idle is None:
        yield "", "the node did not become idle"
        return
    if idle.num_running or idle.num_waiting:
        yield "", f"{idle.num_running} requests run and {idle.num_waiting} wait without a caller"
    if not 0 <= idle.cells_used <= idle.cells_total:
        yield "", f"{idle.cells_used} of {idle.cells_total} cells are used"
    for probe in idle.probes:
        if probe != "OK":
            yield "", f"a request that needs what should be free ended with {probe}"
