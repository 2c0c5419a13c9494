"""The log-probabilities of the tokens of an answer, from a worker's reports."""

from collections.abc import Callable

from xapp.domain.answers import DrawnToken, TokenScore
from xapp.domain.messages import TokenReport


def drawn(token: int, report: TokenReport, piece: Callable[[int], bytes]) -> DrawnToken:
    """One token of an answer. `piece` returns the bytes of a token."""
    top = tuple(TokenScore(each, piece(each), value) for each, value in report.top)
    return DrawnToken(TokenScore(token, piece(token), report.log_probability), top)
