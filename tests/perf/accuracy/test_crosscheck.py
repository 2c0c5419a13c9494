from pathlib import Path

import msgspec
import pytest

from perf.accuracy.crosscheck import BOUND, differences, from_node, from_reference
from perf.accuracy.question_tasks import By, Task
from perf.accuracy.reference_scorer import Reference
from perf.accuracy.scoring_node import STEP_TOKENS
from perf.data.questions import MultipleChoice, Winogrande
from tests.perf.accuracy.scoring import CHOICE, SENTENCE
from tests.perf.accuracy.test_accuracy_figures import answered

LONG = MultipleChoice("c9", 1, "Which of these is a band? " * 20, ("n78", "cat"), right=0)
"""More tokens than a step has."""


def test_the_largest_difference_comes_first() -> None:
    node = [answered("a", 0), answered("b", 0, compared=(-1.0, -2.5))]
    other = [answered("a", 0), answered("b", 1, compared=(-1.25, -2.0))]
    first, second = differences(node, other)
    assert (first.id, first.compared, first.whole, first.same_pick) == ("b", 0.5, 0.5, False)
    assert (second.id, second.compared, second.same_pick) == ("a", 0.0, True)


def test_other_texts_are_no_comparison() -> None:
    with pytest.raises(ValueError, match="a: "):
        differences(
            [answered("a", 0)], [msgspec.structs.replace(answered("a", 0), num_compared_tokens=[2, 2])]
        )


@pytest.mark.slow
def test_llama_cpp_scores_the_part_after_the_blank(default_model_path: Path) -> None:
    with Reference(
        default_model_path, kv_type="f16", flash_attention=True, threads=2, step_tokens=STEP_TOKENS
    ) as reference:
        (sentence,) = from_reference(reference, Task.WINOGRANDE, By.LETTER, [SENTENCE])
        (choice,) = from_reference(reference, Task.MMLU, By.LETTER, [CHOICE])
    assert sentence.num_compared_tokens == [3, 3]
    assert all(
        part > whole for part, whole in zip(sentence.compared, sentence.log_probabilities, strict=True)
    )
    assert choice.num_compared_tokens == [1, 1, 1]
    assert all(value < 0 for value in choice.compared)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "question"), [(Task.WINOGRANDE, SENTENCE), (Task.MMLU, LONG)])
async def test_a_node_scores_as_llama_cpp_does(
    default_model_path: Path, task: Task, question: Winogrande | MultipleChoice
) -> None:
    sized, scored = await from_node(str(default_model_path), task, By.LETTER, [question], in_flight=1)
    with Reference(
        default_model_path,
        kv_type=sized.kv_type,
        flash_attention=sized.flash_attention,
        threads=sized.num_threads,
        step_tokens=STEP_TOKENS,
    ) as reference:
        (found,) = differences(scored, from_reference(reference, task, By.LETTER, [question]))
    assert found.compared <= BOUND
    assert found.whole <= BOUND
