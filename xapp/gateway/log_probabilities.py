"""The dialect's objects of log-probabilities: one for chats, one for plain completions."""

from collections.abc import Sequence
from typing import Any

from xapp.domain.answers import DrawnToken, TokenScore


def of_chat(drawn: Sequence[DrawnToken]) -> dict[str, Any] | None:
    """None without tokens. A token is a run of bytes; `token` shows what is no character as U+FFFD."""
    if not drawn:
        return None
    content = [_entry(each.score) | {"top_logprobs": list(map(_entry, each.top))} for each in drawn]
    return {"content": content, "refusal": None}


def _entry(score: TokenScore) -> dict[str, Any]:
    return {"token": _text(score), "logprob": score.log_probability, "bytes": list(score.text)}


def _text(score: TokenScore) -> str:
    return score.text.decode("utf-8", "replace")


def of_completion(drawn: Sequence[DrawnToken], offset: int = 0) -> dict[str, Any] | None:
    """None without tokens. `offset` is the place of the first token in the text, in characters."""
    if not drawn:
        return None
    tokens = [_text(each.score) for each in drawn]
    offsets = [offset]
    for token in tokens[:-1]:
        offsets.append(offsets[-1] + len(token))
    return {
        "tokens": tokens,
        "token_logprobs": [each.score.log_probability for each in drawn],
        "top_logprobs": [{_text(top): top.log_probability for top in each.top} for each in drawn],
        "text_offset": offsets,
    }
