"""Questions of our own, and a scorer that goes by what it is told to like."""

from collections.abc import Sequence

from perf.accuracy.scorer import Scored, Scores, Token
from perf.data.questions import MultipleChoice, Winogrande
from perf.targets.target import TargetError

SENTENCE = Winogrande(
    "w1", 1, "The antenna beat the mast because the _ was taller.", ("antenna", "mast"), right=0
)
CHOICE = MultipleChoice("c1", 2, "Which is a band?", ("n78", "cat", "n77 or so"), right=2, category="radio")


def winogrande(number: int) -> Winogrande:
    return Winogrande(f"w{number}", number, f"{number} beats the other, so _ wins.", ("it", "that"), right=0)


class Words:
    """A word with its space is a token. A word it likes costs 1 nat, any other 2.

    `lost_at` is the prompt at which it is gone; `refused` a prompt that is too long.
    """

    def __init__(self, *liked: str, lost_at: str = "", refused: str = "") -> None:
        self.asked: list[tuple[str, list[str]]] = []
        self.most_at_once = 0
        self._liked = liked
        self._lost_at = lost_at
        self._refused = refused

    async def score(self, prompt: str, texts: Sequence[str]) -> Scores:
        self.asked.append((prompt, list(texts)))
        if self._lost_at and prompt.startswith(self._lost_at):
            raise TargetError("lost", "the node is gone")
        if self._refused and prompt.startswith(self._refused):
            raise TargetError("invalid", "the prompt is too long")
        return Scores(len(prompt.split()), tuple(map(self._scored, texts)))

    def _scored(self, text: str) -> Scored:
        tokens = tuple(self._token(word) for word in text.split(" ")[1:])
        return Scored(text, sum(token.log_probability for token in tokens), tokens)

    def _token(self, word: str) -> Token:
        return Token(f" {word}".encode(), -1.0 if word in self._liked else -2.0)
