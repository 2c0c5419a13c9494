"""`genai-xapp bench routing`: signals of difficulty, compared side by side on held-out questions."""

import asyncio
import hashlib
import platform
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from perf.cli import shared_options
from perf.cli.deliver_result import deliver
from perf.cli.given_models import GivenModel, local_models
from perf.data.read_rows import DataError
from perf.machine import NoiseMeter, describe
from perf.peers import ROOT
from perf.record.result_files import Journal, result_path, write_text
from perf.record.result_schema import Mode, Result, Status, Target
from perf.record.sample_rows import encode
from perf.routing import routing_picture
from perf.routing.ask_models import ANSWERS, SIGNALS, STATE, Add, Ask, ask_all, ask_states
from perf.routing.compare_signals import Comparison, compare
from perf.routing.routing_figures import best, figures
from perf.routing.routing_questions import Question, read_questions
from perf.routing.routing_samples import Answered, Probed, Rated, Role, Sample, Stated, decode
from perf.routing.signal_values import items_of
from perf.targets.own_server import own_target
from perf.targets.target import TargetError
from xapp.client import Client, ClientError
from xapp.routing.classifier import Classifier
from xapp.routing.linear_probe import LinearProbe

NOTE = (
    "A choice is answered by its letter. The little and the big model are asked one after the other; the "
    "curves say what a router between them would reach."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What each model is asked, and the samples that there are already."""

    questions: Sequence[Question]
    models: Mapping[Role, GivenModel]
    asks: Mapping[Role, Mapping[str, Ask]]
    asks_states: bool
    journal: Journal

    @property
    def samples(self) -> list[Sample]:
        """So far."""
        return [decode(row) for row in self.journal.samples]

    def left(self, role: Role, name: str) -> list[Question]:
        """The questions that have no such sample."""
        done = {sample.id for sample in self.samples if _is(sample, role, name)}
        return [question for question in self.questions if question.id not in done]

    async def run(self, advance: Callable[[str], None]) -> None:
        """Everything that is left, one model after the other. Raises TargetError."""
        if self.asks_states and (left := self.left(Role.LITTLE, STATE)):
            await ask_states(self.models[Role.LITTLE].given, left, self._adding(Role.LITTLE, advance))
        for role, asks in self.asks.items():
            if any(self.left(role, name) for name in asks):
                await self._ask(role, advance)

    async def _ask(self, role: Role, advance: Callable[[str], None]) -> None:
        add = self._adding(role, advance)
        async with own_target(self.models[role].given) as own, Client(own.server.target) as client:
            for name, ask in self.asks[role].items():
                try:
                    await ask_all(client, self.left(role, name), [ask], add)
                except ClientError as error:
                    raise TargetError("lost", str(error)) from error

    def _adding(self, role: Role, advance: Callable[[str], None]) -> Add:
        def add(sample: Sample) -> None:
            self.journal.add(encode(sample))
            advance(role)

        return add


def _is(sample: Sample, role: Role, name: str) -> bool:
    if isinstance(sample, Answered):
        return name == "answer" and sample.role is role
    return role is Role.LITTLE and name == _asked(sample)


def _asked(sample: Probed | Rated | Stated) -> str:
    if isinstance(sample, Probed):
        return sample.probe
    return STATE if isinstance(sample, Stated) else "rating"


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    multiple=True,
    required=True,
    help="Multiple-choice questions, one JSON object a line. Repeatable; each id counts once.",
)
@click.option("--little", required=True, metavar="NAME|PATH", help="The node's own model.")
@click.option("--big", required=True, metavar="NAME|PATH", help="The upstream's model.")
@click.option("--max-chars", type=click.IntRange(min=1), help="Only questions of at most so many characters.")
@click.option(
    "--signal",
    "signals",
    type=click.Choice([*SIGNALS, STATE]),
    multiple=True,
    help="What the little model is asked on its own. Repeatable. Default: all.",
)
@click.option(
    "--classifier",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the trained classifier here, for `[upstream] classifier`.",
)
@click.option(
    "--probe",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the trained probe of the hidden state here, for `[upstream] probe`.",
)
@shared_options.limit_option("questions, drawn at random")
@shared_options.seed_option
@shared_options.out_option
@shared_options.json_option
def routing(  # noqa: PLR0917  one for each option
    data: tuple[Path, ...],
    little: str,
    big: str,
    max_chars: int | None,
    signals: tuple[str, ...],
    classifier: Path | None,
    probe: Path | None,
    limit: int | None,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Compare signals that say which questions a little model should leave to a big one.

    Both models answer multiple-choice questions by likelihood. Figures are of questions that no threshold,
    no classifier and no probe was trained on: APGR over random, CPT, error rate and share sent. Beside the
    result file come the curves as SVG and as CSV.
    """
    questions = _questions(data, max_chars, limit, seed)
    found = local_models([little, big])
    models = {Role.LITTLE: found[0], Role.BIG: found[1]}
    path = result_path(Mode.ROUTING, f"{found[0].name}-{found[1].name}", out)
    options = {"data": _files(data), "max_chars": max_chars, "limit": limit, "seed": seed}
    fingerprint = {
        "mode": Mode.ROUTING,
        "models": {role: each.digest for role, each in models.items()},
        "options": options,
    }
    chosen = signals or (*SIGNALS, STATE)
    little_asks = {
        "answer": ANSWERS[Role.LITTLE],
        **{name: ask for name, ask in SIGNALS.items() if name in chosen},
    }
    asks = {Role.BIG: {"answer": ANSWERS[Role.BIG]}, Role.LITTLE: little_asks}
    with shared_options.resumable(path), Journal.open(path, fingerprint=fingerprint) as journal:
        result, compared = _run(Plan(questions, models, asks, STATE in chosen, journal), options)
        _write_beside(path, compared)
        _write_trained(classifier, compared.classifier)
        _write_trained(probe, compared.probe)
        deliver(result, path, as_json=as_json)


def _questions(data: Sequence[Path], max_chars: int | None, limit: int | None, seed: int) -> list[Question]:
    try:
        questions = read_questions(data)
    except DataError as error:
        raise click.ClickException(str(error)) from error
    fitting = [each for each in questions if max_chars is None or len(each.prompt) <= max_chars]
    random.Random(seed).shuffle(fitting)
    return fitting[:limit]


def _files(data: Sequence[Path]) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in data}


def _run(plan: Plan, options: dict[str, Any]) -> tuple[Result, Comparison]:
    machine, began, noise = describe(ROOT), time.monotonic(), NoiseMeter()
    total = len(plan.questions) * (plan.asks_states + sum(map(len, plan.asks.values())))
    done = len(plan.samples)
    with shared_options.progress(shared_options.console(), max(total, done), "samples", done=done) as advance:
        asyncio.run(plan.run(advance))
    prompts = {question.id: question.prompt for question in plan.questions}
    items = [item for item in items_of(plan.samples) if item.id in prompts]
    compared = compare(items, prompts, plan.models[Role.LITTLE].digest)
    if not compared.held_out:
        raise click.ClickException("no question is held out: ask more of them")
    summary = figures(compared.held_out, compared.signals)
    result = Result(
        mode=Mode.ROUTING,
        node=platform.node(),
        machine=machine,
        targets=[
            Target("genai-xapp", "grpc", role, each.name, each.digest) for role, each in plan.models.items()
        ],
        options=options,
        seeds={"questions": options["seed"]},
        started_at=machine.started_at,
        duration_s=time.monotonic() - began,
        status=Status.COMPLETE,
        summary=summary,
        samples=[encode(sample) for sample in plan.samples],
        noise=[noise.read()],
        notes=[NOTE, _choice(compared)],
    )
    return result, compared


def _choice(compared: Comparison) -> str:
    chosen = best(compared.training)
    return (
        "too few training questions to choose a signal"
        if chosen is None
        else (f"best on the training questions: {chosen.name}, threshold {chosen.threshold:.3g}")
    )


def _write_beside(path: Path, compared: Comparison) -> None:
    drawn = routing_picture.draw(compared.signals)
    write_text(path.with_suffix(".svg"), drawn.svg.decode())
    write_text(path.with_suffix(".csv"), routing_picture.as_csv(compared.signals))


def _write_trained(path: Path | None, trained: Classifier | LinearProbe | None) -> None:
    """Writes what was trained, where that is asked for."""
    if path is not None:
        if trained is None:
            raise click.ClickException(f"{path}: the answers are too few, or all alike, to train from")
        write_text(path, msgspec.json.format(msgspec.json.encode(trained)).decode())
