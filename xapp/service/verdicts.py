"""The parts of a verification that need no session: checks against the model, and the verdict."""

from xapp.domain.messages import FinishReason, SequenceFinished, Submit
from xapp.domain.verification import Drafted, Opening, Verdict
from xapp.errors import FailedPrecondition, InvalidArgument
from xapp.service import one_result, report
from xapp.service.call import Call, Target
from xapp.workers.token_stream import TokenStream


def check_vocabulary(opening: Opening, target: Target) -> None:
    """Raises FailedPrecondition, reason VOCABULARY_DIFFERS, with both digests."""
    ours = target.serving.codec.vocabulary
    if opening.vocabulary != ours:
        theirs = opening.vocabulary or "none"
        raise FailedPrecondition(
            f"{target.model.name} has another vocabulary: {ours}, the drafts have {theirs}",
            reason="VOCABULARY_DIFFERS",
            metadata={"vocabulary": ours, "asked": opening.vocabulary},
        )


def check_tokens(field: str, tokens: tuple[int, ...], target: Target, *, at_least: int = 0) -> None:
    """Raises InvalidArgument for a token outside the vocabulary, and for too many."""
    size, limit = target.serving.info.vocab_size, target.serving.limit
    if not at_least <= len(tokens) <= limit:
        raise InvalidArgument(field, f"has {len(tokens)} tokens, {at_least} to {limit} are allowed")
    wrong = next((token for token in tokens if not 0 <= token < size), None)
    if wrong is not None:
        raise InvalidArgument(field, f"{wrong} is outside the vocabulary of {size} tokens")


async def final_event(stream: TokenStream) -> SequenceFinished:
    """Raises DeadlineExceeded, the error of the stream, or InvalidArgument for drafts that do not fit."""
    end = await one_result.final_event(stream, "drafts were verified")
    if end.reason is FinishReason.LENGTH:
        raise InvalidArgument("verify.drafts", "do not fit the KV cache", reason="PROMPT_TOO_LONG")
    return end


def finish(call: Call, submit: Submit, end: SequenceFinished) -> None:
    """Notes the end, for later predictions."""
    started = report.opening(call.target, submit, submit.prompt)
    call.admitted.finished = one_result.final(started, submit, end)


def verdict(drafted: Drafted, stream: TokenStream, end: SequenceFinished, *, exact: bool) -> Verdict:
    """The verdict from what the worker drew and read."""
    drawn, drafts = stream.record.drawn, drafted.drafts
    pairs = zip(drafts, drawn, strict=False)
    right = next((place for place, (draft, token) in enumerate(pairs) if draft != token), len(drafts))
    if exact:
        return Verdict(right, (drawn[right],), (), end.num_cached_tokens)
    surprisals = tuple(max(0.0, -value) for value in stream.log_probabilities[0])
    return Verdict(right, tuple(drawn), surprisals, end.num_cached_tokens)
