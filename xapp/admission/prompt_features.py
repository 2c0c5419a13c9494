"""Features of a prompt that are cheap to count: what length and difficulty are predicted from."""

import math
import re

from xapp.domain.requests import Prompt

MAX_CHARS = 20_000
"""So much of a prompt's end is looked at."""
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_HARD = re.compile(
    r"\b(?:why|prove|derive|calculate|compute|explain|compare|not|except|most|best|likely|following)\b",
    re.IGNORECASE,
)
_CODE = re.compile(r"[{}()\[\];=<>]")
NAMES = (
    "log_chars", "log_words", "log_lines", "mean_word", "long_words", "numbers", "formula", "hard_words",
    "capitals", "questions",
)  # fmt: skip
"""The features, in order."""


def text_of(prompt: Prompt) -> str:
    """The end of the prompt: its last turn, or the text."""
    if isinstance(prompt, str):
        return prompt[-MAX_CHARS:]
    return prompt[-1].content[-MAX_CHARS:] if prompt else ""


def features(prompt: Prompt) -> list[float]:
    """One value for each of NAMES."""
    text = text_of(prompt)
    words = _WORD.findall(text)
    count = max(1, len(words))
    return [
        math.log1p(len(text)),
        math.log1p(len(words)),
        math.log1p(text.count("\n")),
        sum(map(len, words)) / count,
        sum(len(word) > 9 for word in words) / count,
        len(_NUMBER.findall(text)) / count,
        len(_CODE.findall(text)) / max(1, len(text)),
        len(_HARD.findall(text)) / count,
        sum(word[0].isupper() for word in words) / count,
        float(text.count("?")),
    ]
