"""From scores to an answer: what is summed, and which choice it picks."""

from collections.abc import Sequence

from perf.accuracy.accuracy_samples import Item
from perf.accuracy.question_tasks import Candidate, Question
from perf.accuracy.scorer import Scored, Scores
from perf.targets.target import TargetError


def requests(candidates: Sequence[Candidate]) -> dict[str, list[str]]:
    """Texts by prompt, each once: a node refuses two that are the same."""
    found: dict[str, list[str]] = {}
    for candidate in candidates:
        texts = found.setdefault(candidate.prompt, [])
        if candidate.text not in texts:
            texts.append(candidate.text)
    return found


def item(
    question: Question,
    candidates: Sequence[Candidate],
    scores: dict[str, Scores],
    *,
    model: str,
    seconds: float,
) -> Item:
    """The sample of a question from its prompts' scores. Raises TargetError for scores that do not fit."""
    found = [_find(scores, candidate) for candidate in candidates]
    sums = [compared(scored, candidate) for scored, candidate in zip(found, candidates, strict=True)]
    values = [value for value, _ in sums]
    return Item(
        model=model,
        id=question.id,
        line=question.line,
        category=question.category,
        right=question.right,
        picked=values.index(max(values)),
        compared=values,
        num_compared_tokens=[count for _, count in sums],
        log_probabilities=[scored.log_probability for scored in found],
        num_compared_bytes=[candidate.num_bytes for candidate in candidates],
        num_prompt_tokens=max(each.num_prompt_tokens for each in scores.values()),
        seconds=seconds,
    )


def _find(scores: dict[str, Scores], candidate: Candidate) -> Scored:
    for scored in scores[candidate.prompt].texts:
        if scored.text == candidate.text:
            return scored
    raise TargetError("protocol", f"the node did not score {candidate.text!r}")


def compared(scored: Scored, candidate: Candidate) -> tuple[float, int]:
    """The log-probability that is compared, and its number of tokens.

    Of a part it is the sum over the tokens that begin at the part or later, counted in bytes from the
    end: a token over the part's beginning is told by what the choices differ in, so it stays out.
    Raises TargetError when the tokens do not cover the part.
    """
    if candidate.compared_bytes is None:
        return scored.log_probability, len(scored.tokens)
    left, total, count = candidate.compared_bytes, 0.0, 0
    for token in reversed(scored.tokens):
        if len(token.text) > left:
            break
        left -= len(token.text)
        total += token.log_probability
        count += 1
    if left and sum(len(token.text) for token in scored.tokens) < candidate.compared_bytes:
        raise TargetError("protocol", f"the tokens of {candidate.text!r} do not cover it")
    return total, count
