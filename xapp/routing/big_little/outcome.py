"""What a verdict means for the answer: which drafts stay, and which token follows them.

Exact: the big model's own token follows the accepted drafts. Big Little Decoder (arXiv 2302.07863): at the
earliest draft with -ln p above the rollback threshold the answer is cut, and the big model's likeliest token
takes its place. Where that is the draft itself, nothing is cut.
"""

from dataclasses import dataclass
from math import isfinite

from xapp.domain.big_little import BigLittle, Verified
from xapp.domain.messages import END_OF_ANSWER
from xapp.domain.verification import Verdict
from xapp.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Outcome:
    """The first `num_kept` drafts stay, and `token` follows: END_OF_ANSWER is the end."""

    num_kept: int
    token: int
    rolled_back: bool = False


def outcome(strategy: Verified | BigLittle, drafts: tuple[int, ...], verdict: Verdict, vocab: int) -> Outcome:
    """Raises Unavailable, reason BIG_MODEL_LIES, for a verdict that cannot be true. `vocab`: its size."""
    _check_tokens(verdict, vocab)
    if isinstance(strategy, Verified):
        return _exact(drafts, verdict)
    return _big_little(strategy.rollback, drafts, verdict)


def _exact(drafts: tuple[int, ...], verdict: Verdict) -> Outcome:
    kept = verdict.num_accepted
    if len(verdict.tokens) != 1 or not 0 <= kept <= len(drafts):
        raise _lie(f"{kept} of {len(drafts)} drafts accepted, {len(verdict.tokens)} tokens")
    if kept < len(drafts) and verdict.tokens[0] == drafts[kept]:
        raise _lie("a draft was refused for the same token")
    return Outcome(kept, verdict.tokens[0])


def _big_little(rollback: float, drafts: tuple[int, ...], verdict: Verdict) -> Outcome:
    tokens, surprisals = verdict.tokens, verdict.surprisals
    if len(tokens) != len(drafts) + 1 or len(surprisals) != len(drafts):
        raise _lie(f"{len(surprisals)} surprisals and {len(tokens)} tokens for {len(drafts)} drafts")
    if not all(isfinite(each) and each >= 0 for each in surprisals):
        raise _lie("a surprisal is no number, or below 0")
    for place, (draft, token, surprisal) in enumerate(zip(drafts, tokens, surprisals, strict=False)):
        if surprisal > rollback and token != draft:
            return Outcome(place, token, rolled_back=True)
    return Outcome(len(drafts), tokens[-1])


def _check_tokens(verdict: Verdict, vocab: int) -> None:
    wrong = next((each for each in verdict.tokens if not END_OF_ANSWER <= each < vocab), None)
    if wrong is not None:
        raise _lie(f"token {wrong} is outside the vocabulary of {vocab}")


def _lie(what: str) -> Unavailable:
    return Unavailable(f"the big model's node sent an impossible verdict: {what}", reason="BIG_MODEL_LIES")
