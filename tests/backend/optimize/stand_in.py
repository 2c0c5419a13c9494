"""In place of the child processes: what they would answer, and the files that they would write."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.models.gguf_file import LLAMA, gguf_bytes
from xapp.backend.optimize import jobs
from xapp.errors import ModelError
from xapp.models.formats import FORMATS, format_name

SOURCE = gguf_bytes(LLAMA | {"general.file_type": 3})
SPEED = {"Q8_0": 2.0, "Q6_K": 1.5, "Q4_0": 3.0}
WRONG = {"Q8_0": 1, "Q6_K": 10}
EXTRA_NATS = {"Q8_0": 0.001, "Q6_K": 0.002, "Q4_0": 0.2}


def form_of(path: str) -> str:
    """Of a partial's name; "" of the source."""
    return next((name for name in FORMATS if f".{name}." in path), "")


def format_of(job: jobs.Job) -> str:
    """What the job is about; "" for the source."""
    if isinstance(job, jobs.Size | jobs.Quantize):
        return format_name(job.file_type)
    return form_of(job.path)


@dataclass
class StandIn:
    """Faults by the job's class and format; `asked` has every job in turn."""

    faults: dict[tuple[str, str], ModelError] = field(default_factory=dict)
    asked: list[jobs.Job] = field(default_factory=list)
    before: Callable[[jobs.Job], None] = lambda _: None

    def __call__(self, job: jobs.Job, _kind: object, on_tick: Callable[[], None] | None = None) -> Any:
        self.asked.append(job)
        form = format_of(job)
        if isinstance(job, jobs.Quantize):
            Path(job.target).write_bytes(SOURCE)
        self.before(job)
        if on_tick:
            on_tick()
        if fault := self.faults.get((type(job).__name__, form)):
            raise fault
        return self._answer(job, form)

    def _answer(self, job: jobs.Job, form: str) -> jobs.Answer:
        factor = SPEED.get(form, 1.0)
        match job:
            case jobs.Size() | jobs.Quantize():
                return jobs.Bytes(len(SOURCE))
            case jobs.Speed():
                return jobs.Speeds(100 * factor, {n: 10 * n * factor for n in job.streams}, 1000)
            case jobs.Guess():
                extra = EXTRA_NATS.get(form, 0.0)
                return jobs.Guesses([1 + extra, 2 + extra, 3 + extra], [1, 2, 3])
            case jobs.Choose():
                return jobs.Choices([index >= WRONG.get(form, 0) for index in range(len(job.blanks))])

    def kinds(self) -> list[str]:
        """The classes of the jobs, in turn."""
        return [type(job).__name__ for job in self.asked]


def install(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """For the whole package."""
    made = StandIn()
    for module in ("copies", "measure"):
        monkeypatch.setattr(f"xapp.backend.optimize.{module}.ask", made)
    return made
