"""`python -m perf.accuracy.crosscheck`: are a node's scores those of llama.cpp itself?

Starts a server, scores questions through it as `bench accuracy` does, stops it, scores the same texts
with llama.cpp directly (same KV type and flash attention), and prints where they differ most. Exit
status 1 when a sum differs by more than the bound, or when the two pick differently.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from perf.accuracy.accuracy_run import IN_FLIGHT, Examiner
from perf.accuracy.accuracy_samples import Item, Sample
from perf.accuracy.paired_accuracy import item, requests
from perf.accuracy.question_tasks import By, Question, Task, candidates, read
from perf.accuracy.reference_scorer import Reference
from perf.accuracy.scoring_node import STEP_TOKENS, serving
from perf.cli.given_models import local_models
from perf.data.read_rows import spread
from xapp.client import Client
from xapp.config import load_settings
from xapp.inference.v1 import models_pb2
from xapp.models.store import resolve

BOUND = 1e-3


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest of one item: of what is compared, and of the whole texts."""

    id: str
    compared: float
    whole: float
    same_pick: bool


async def from_node(
    given: str, task: Task, by: By, questions: Sequence[Question], in_flight: int
) -> tuple[models_pb2.Model, list[Item]]:
    """The model as the node sized it, and its items in the questions' order."""
    samples: list[Sample] = []
    async with serving(None, given, "node") as node:
        examiner = Examiner("node", task, by, node.scorer, samples.append, lambda: None)
        await examiner.run(questions, in_flight)
        async with Client(node.target.address) as client:
            model = next(each for each in await client.list_models() if each.is_default)
    found = {sample.id: sample for sample in samples if isinstance(sample, Item)}
    return model, [found[question.id] for question in questions if question.id in found]


def from_reference(reference: Reference, task: Task, by: By, questions: Sequence[Question]) -> list[Item]:
    """The same items from llama.cpp directly."""
    return [_item(reference, question, task, by) for question in questions]


def _item(reference: Reference, question: Question, task: Task, by: By) -> Item:
    texts = candidates(question, task, by)
    scores = {prompt: reference.score(prompt, each) for prompt, each in requests(texts).items()}
    return item(question, texts, scores, model="reference", seconds=0.0)


def differences(node: Sequence[Item], reference: Sequence[Item]) -> list[Difference]:
    """Pairwise, the largest first. Raises ValueError when token counts differ: other texts were scored."""
    found = [_difference(one, other) for one, other in zip(node, reference, strict=True)]
    return sorted(found, key=lambda each: each.compared, reverse=True)


def _difference(one: Item, other: Item) -> Difference:
    if one.num_compared_tokens != other.num_compared_tokens:
        counts = f"{one.num_compared_tokens} and {other.num_compared_tokens}"
        raise ValueError(f"{one.id}: {counts} tokens were compared")
    return Difference(
        one.id,
        _largest(one.compared, other.compared),
        _largest(one.log_probabilities, other.log_probabilities),
        one.picked == other.picked,
    )


def _largest(one: Sequence[float], other: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


@click.command()
@click.option(
    "--task",
    type=click.Choice([each.value for each in Task]),
    default=Task.WINOGRANDE.value,
    show_default=True,
)
@click.option("--data", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True)
@click.option("--model", default="", help="A name or a path. Default: the node's.")
@click.option(
    "--by", type=click.Choice([each.value for each in By]), default=By.LETTER.value, show_default=True
)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--in-flight", type=click.IntRange(1, 64), default=IN_FLIGHT, show_default=True)
@click.option("--bound", type=float, default=BOUND, show_default=True, help="Largest difference of a sum.")
def main(task: str, data: Path, model: str, by: str, limit: int, in_flight: int, bound: float) -> None:  # noqa: PLR0917  one for each option
    """Compares a node's log-probabilities with llama.cpp's own."""
    (given,) = local_models([model] if model else [])
    questions = spread(list(read(Task(task), data)), limit)
    sized, scored = asyncio.run(from_node(given.given, Task(task), By(by), questions, in_flight))
    known = {each.id for each in scored}
    questions = [question for question in questions if question.id in known]
    with Reference(
        resolve(given.given, Path(load_settings(os.environ).node.models_dir)).path,
        kv_type=sized.kv_type,
        flash_attention=sized.flash_attention,
        threads=sized.num_threads,
        step_tokens=STEP_TOKENS,
    ) as reference:
        found = differences(scored, from_reference(reference, Task(task), By(by), questions))
    _show(found, sized)
    sys.exit(any(each.compared > bound or not each.same_pick for each in found))


def _show(found: Sequence[Difference], model: models_pb2.Model) -> None:
    click.echo(f"{len(found)} items, {model.kv_type} KV, flash attention {model.flash_attention}")
    click.echo(f"largest difference of what is compared: {found[0].compared:.2e} ({found[0].id})")
    click.echo(f"largest difference of a whole text:     {max(each.whole for each in found):.2e}")
    click.echo(f"items with another pick:                {sum(not each.same_pick for each in found)}")


if __name__ == "__main__":
    main()
