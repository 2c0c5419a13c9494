"""The tasks of one snapshot of the folder, ready for requests: found by name, with their prompts."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from xapp.domain.format_kinds import FormatError, JsonSchema
from xapp.domain.messages import Priority
from xapp.domain.requests import ChatMessage, Prompt, Request, ScoreRequest
from xapp.domain.task import Kind, Level, Task
from xapp.domain.task_call import TaskCall
from xapp.errors import FailedPrecondition, InvalidArgument, NotFound
from xapp.formats.schema import schema_program
from xapp.formats.schema_text import parse_schema
from xapp.grammar.expr import GrammarError
from xapp.grammar.machine import Machine, TooAmbiguous
from xapp.near import did_you_mean
from xapp.tasks.inputs import Check, TaskInputs
from xapp.tasks.parse import fault
from xapp.tasks.prompt import TaskPrompt

MAX_CLOCK_SKEW_S = 5.0
"""Limit by which an input's timestamp may be ahead of this node's clock."""
_ENDS = ("a", "Z", "7", "(", "{", "\n", " a", "é")
"""Texts that may follow the literal start: the end of a token depends on the text behind it."""
_PRIORITIES = {
    Level.CRITICAL: Priority.CRITICAL,
    Level.INTERACTIVE: Priority.INTERACTIVE,
    Level.BATCH: Priority.BATCH,
}


class ReadyTask:
    """One task, compiled. Raises ConfigError with its file and the key."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._prompt = TaskPrompt(task)
        self._inputs = TaskInputs(task)
        _check_answer(task)

    @property
    def template(self) -> str:
        """The template of the prompt. It is rendered with `values`."""
        return self._prompt.source

    def values(self, call: TaskCall) -> dict[str, Any]:
        """The values for the template."""
        return self._prompt.values(call.inputs)

    def fill(self, request: Request, call: TaskCall, now: float, monotonic_now: float) -> Request:
        """The request for a task's call, without its prompt. The caller's values win over the task's.

        `now` is in seconds since 1970. Raises InvalidArgument, and FailedPrecondition for stale inputs.
        """
        task = self.task
        _check_age(task, call.measured_at, now)
        self._inputs.check(call.inputs)
        deadline = request.deadline
        if deadline is None and task.default_deadline_s is not None:
            deadline = monotonic_now + task.default_deadline_s
        return replace(
            request,
            model=request.model or task.model,
            max_tokens=self._max_tokens(request),
            ignore_eos=request.ignore_eos or task.kind is Kind.SCORE,
            priority=_PRIORITIES[task.priority] if call.priority is None else call.priority,
            deadline=deadline,
            format=JsonSchema(task.json_schema) if task.json_schema else None,
            task=None,
            task_label=task.label,
        )

    async def check_details(self, call: TaskCall, check: Check) -> None:
        """Checks inputs against their schemas, which may take long and is not part of `fill`. Raises
        InvalidArgument.
        """
        await self._inputs.check_details(call.inputs, check)

    def _max_tokens(self, request: Request) -> int | None:
        """The limit of tokens. It is 1 for a score: for admission a score is a prompt without an answer."""
        if self.task.kind is Kind.SCORE:
            return 1
        return self.task.max_tokens if request.max_tokens is None else request.max_tokens

    def fill_score(self, request: ScoreRequest, filled: Request) -> ScoreRequest:
        """The same as `fill`, for Score."""
        task = self.task
        return replace(
            request,
            request=filled,
            choices=task.choices,
            normalize_by_length=request.normalize_by_length or task.normalize_by_length,
            min_margin=task.min_margin if request.min_margin is None else request.min_margin,
        )

    @property
    def openings(self) -> list[Prompt]:
        """Prompts whose common beginning is that of all prompts of the task, to the token."""
        return [self.chat(self._prompt.literal_start + end) for end in _ENDS]

    def chat(self, content: str) -> Prompt:
        """The turns for the model: the task's system turn, then the prompt."""
        user = ChatMessage("user", content)
        return (ChatMessage("system", self.task.system), user) if self.task.system else (user,)


class TaskSet:
    """All versions of all tasks. Raises ConfigError."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tuple(tasks)
        self._ready = {task.label: ReadyTask(task) for task in tasks}
        # The tasks are sorted by version, so the newest version stays.
        self._newest = {task.name: self._ready[task.label] for task in tasks}

    def __iter__(self) -> Iterator[ReadyTask]:
        return iter(self._ready.values())

    def find(self, name: str, kind: Kind | None) -> ReadyTask:
        """The task of NAME or NAME@VERSION. Raises NotFound, and InvalidArgument for a task of
        another kind.
        """
        ready = (self._ready if "@" in name else self._newest).get(name)
        if ready is None:
            known = ", ".join(self._ready) or "none"
            message = (
                f"no task {name[:80]!r}: there are {known}{did_you_mean(name, {*self._ready, *self._newest})}"
            )
            raise NotFound(message, reason="TASK_NOT_FOUND", metadata={"tasks": known})
        if kind is not None and ready.task.kind is not kind:
            rpc = ready.task.kind.capitalize()
            raise InvalidArgument("task", f"{ready.task.label} is of kind {ready.task.kind}: call {rpc}")
        return ready


def _check_age(task: Task, timestamp: float | None, now: float) -> None:
    limit_s = task.max_input_age_s
    if limit_s is None:
        return
    if timestamp is None:
        raise _stale(task, "input_timestamp is missing")
    age_s = now - timestamp
    if age_s > limit_s:
        raise _stale(task, f"the inputs are {age_s:.3f} s old")
    if age_s < -MAX_CLOCK_SKEW_S:
        raise _stale(task, f"input_timestamp is {-age_s:.3f} s ahead of this node's clock")


def _stale(task: Task, what: str) -> FailedPrecondition:
    limit = f"{task.max_input_age_s:g}"
    return FailedPrecondition(
        f"{what}, and {task.label} takes inputs of at most {limit} s",
        reason="STALE_INPUT",
        metadata={"task": task.label, "max_input_age_s": limit},
    )


def _check_answer(task: Task) -> None:
    """Raises ConfigError where answers cannot be held to the schema."""
    if not task.json_schema:
        return
    try:
        Machine(schema_program(parse_schema(task.json_schema)))
    except (FormatError, GrammarError) as error:
        raise fault(task.source, "json_schema", str(error)) from error
    except TooAmbiguous:
        raise fault(task.source, "json_schema", "takes too much work: it begins in too many ways") from None
