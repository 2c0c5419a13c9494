"""`genai-xapp bench accuracy`: how often a model is right, by likelihood."""

import asyncio
import hashlib
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import msgspec

from perf.accuracy.accuracy_figures import figures
from perf.accuracy.accuracy_run import IN_FLIGHT, Examiner, left_of
from perf.accuracy.accuracy_samples import Item, Sample, SkippedItem, decode
from perf.accuracy.question_tasks import By, Question, Task, read
from perf.accuracy.scoring_node import describe as describe_node
from perf.accuracy.scoring_node import serving
from perf.cli import shared_options
from perf.cli.deliver_result import deliver
from perf.cli.given_models import GivenModel, local_models, models_option
from perf.data import hub
from perf.data.read_rows import DataError, spread
from perf.machine import NoiseMeter, describe
from perf.peers import ROOT
from perf.record.result_files import Journal, result_path
from perf.record.result_schema import Mode, Result, Status, Target
from perf.record.sample_rows import encode
from perf.targets.target import TargetError

NOTES = {
    Task.WINOGRANDE: "Partial scoring: both options are filled in, the part after the blank is compared.",
    By.LETTER: "Zero-shot: the letter of the choice is scored after the question with all choices.",
    By.TEXT: "Zero-shot: the text of the choice is scored after the question alone.",
}
COMPANY = (
    "Scored in company: llama.cpp's rounding depends on what else is in a batch, and moves a score by up to "
    "tenths of a nat. One at a time on a server of its own (the default) gives the same scores again."
)


@dataclass(slots=True)
class Exam:
    """What is asked of whom, and the journal that keeps it. `missing` fills with what was not scored."""

    task: Task
    by: By
    questions: Sequence[Question]
    address: str | None
    in_flight: int
    journal: Journal
    targets: dict[str, Target] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def samples(self) -> list[Sample]:
        """So far."""
        return [decode(row) for row in self.journal.samples]

    def left(self, model: GivenModel) -> list[Question]:
        """Questions without a sample."""
        return left_of(self.questions, model.name, self.samples)

    async def run(self, models: Sequence[GivenModel], advance: Callable[[str], None]) -> None:
        """Every model; one that cannot be served or is lost is noted, and the next one comes."""
        for model in models:
            if left := self.left(model):
                try:
                    await self._model(model, left, advance)
                except TargetError as error:
                    self.missing.append(f"{model.name}: {len(self.left(model))} items not scored: {error}")

    async def _model(
        self, model: GivenModel, left: Sequence[Question], advance: Callable[[str], None]
    ) -> None:
        async with serving(self.address, model.given, model.name) as node:
            self.targets[model.name] = node.target
            examiner = Examiner(
                model.name, self.task, self.by, node.scorer, self._add, lambda: advance(model.name)
            )
            await examiner.run(left, self.in_flight)

    def _add(self, sample: Sample) -> None:
        self.journal.add(encode(sample))


@click.command()
@click.option("--task", type=click.Choice([each.value for each in Task]), required=True, help="The data set.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Its questions, one JSON object a line. Default: MMLU (MIT) comes from the hub; the others need it.",
)
@click.option(
    "--by",
    type=click.Choice([each.value for each in By]),
    default=By.LETTER.value,
    show_default=True,
    help="What of a choice is scored; not for winogrande.",
)
@models_option
@shared_options.target_option
@shared_options.limit_option("questions, spread evenly over the file")
@click.option(
    "--in-flight",
    type=click.IntRange(1, 64),
    default=IN_FLIGHT,
    show_default=True,
    help="Questions asked at once. More is faster; one alone gives the same scores again.",
)
@shared_options.out_option
@shared_options.json_option
def accuracy(  # noqa: PLR0917  one for each option
    task: str,
    data: Path | None,
    by: str,
    models: tuple[str, ...],
    target: str | None,
    limit: int | None,
    in_flight: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Score questions by likelihood: the share that a model answers right, with a 95 % interval.

    winogrande compares how likely the rest of the sentence is after either option; mmlu and
    oran_bench compare the choices' letters or texts. Nothing is generated.
    """
    file, questions = _questions(Task(task), data, limit)
    given = _on_target(target, models) if target else local_models(models)
    path = result_path(Mode.ACCURACY, f"{task}-{'-'.join(each.name for each in given)}", out)
    settings = {"task": task, "by": None if task == Task.WINOGRANDE else by, "limit": limit, "data": file}
    fingerprint = {
        "mode": Mode.ACCURACY,
        "models": {each.name: each.digest for each in given},
        "options": settings,
    }
    with shared_options.resumable(path), Journal.open(path, fingerprint=fingerprint) as journal:
        exam = Exam(Task(task), By(by), questions, target, in_flight, journal)
        result = _run(exam, given, {**settings, "in_flight": in_flight})
        if not any(figure.name == "accuracy" for figure in result.summary):
            raise click.ClickException("; ".join(result.missing) or "no question could be scored")
        deliver(result, path, as_json=as_json)


def _questions(task: Task, data: Path | None, limit: int | None) -> tuple[dict[str, str], Sequence[Question]]:
    try:
        file = data or hub.fetch(task)
        questions = spread(list(read(task, file)), limit)
    except DataError as error:
        raise click.ClickException(str(error)) from error
    return {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}, questions


def _on_target(address: str, models: Sequence[str]) -> list[GivenModel]:
    try:
        told = [asyncio.run(describe_node(address, model)) for model in models or ("",)]
    except TargetError as error:
        raise click.ClickException(str(error)) from error
    return [GivenModel(each.model, each.model, each.model_digest) for each in told]


def _run(exam: Exam, models: Sequence[GivenModel], settings: dict[str, Any]) -> Result:
    machine, began, noise = describe(ROOT), time.monotonic(), NoiseMeter()
    resumed = len(exam.samples)
    total = len(models) * len(exam.questions)
    left = sum(len(exam.left(model)) for model in models)
    with shared_options.progress(shared_options.console(), total, "questions", done=total - left) as advance:
        asyncio.run(exam.run(models, advance))
    samples = exam.samples
    return Result(
        mode=Mode.ACCURACY,
        node=platform.node(),
        machine=machine,
        targets=[_target(exam, model) for model in models],
        options=settings,
        seeds={},
        started_at=machine.started_at,
        duration_s=time.monotonic() - began,
        status=Status.PARTIAL if exam.missing else Status.COMPLETE,
        summary=[each for model in models for each in figures(model.name, samples, exam.task, exam.by)],
        samples=[encode(sample) for sample in sorted(samples, key=_place)],
        missing=exam.missing,
        noise=[noise.read()],
        notes=list(_notes(exam, resumed)),
    )


def _target(exam: Exam, model: GivenModel) -> Target:
    """As the node told; of a model that was scored in an earlier run alone, what is known without it."""
    known = exam.targets.get(model.name)
    if known is not None:
        return msgspec.structs.replace(known, model_digest=known.model_digest or model.digest)
    return Target("genai-xapp", "grpc", exam.address or "", model.name, model.digest)


def _place(sample: Sample) -> tuple[str, int]:
    return sample.model, sample.line if isinstance(sample, Item | SkippedItem) else 0


def _notes(exam: Exam, resumed: int) -> Iterator[str]:
    yield NOTES[exam.task] if exam.task in NOTES else NOTES[exam.by]
    if exam.in_flight > 1 or exam.address:
        yield COMPANY
    if resumed:
        yield f"resumed: {resumed} samples are of an earlier run"
