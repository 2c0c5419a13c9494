"""A corpus of real documents, and questions to it whose passages are known.

Two kinds of questions: a sentence that was taken out of its passage has to find that passage, which needs no
labels (inverse cloze task, arXiv 1906.00300); and multiple-choice questions with an answer in a passage.
"""

import random
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from perf.data.questions import MultipleChoice
from xapp.cli.index.files import find
from xapp.domain.documents import Passage
from xapp.retrieval.documents.parsed import Unread
from xapp.retrieval.documents.read import read
from xapp.retrieval.words import words_of

PASSAGE_CHARS, OVERLAP_CHARS = 1000, 0
MIN_REST_CHARS = 120
ANSWER_SHARE, QUESTION_SHARE = 0.8, 0.4
"""A passage has the answer if it has so many of the words of the right choice, and of the question."""
_NEGATIVE = re.compile(r"\b(?:NOT|EXCEPT)\b")
_OF_THE_OTHERS = re.compile(r"\b(?:above|both|neither)\b", re.IGNORECASE)
_SENTENCE = re.compile(r"[A-Z][^.!?\n|`]{38,300}[.!?](?=\s|$)")


@dataclass(frozen=True, slots=True)
class Place:
    """A passage of the corpus, by its document and its place."""

    document: str
    start: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and the passages that have its answer."""

    query: str
    relevant: frozenset[Place]


@dataclass(frozen=True, slots=True)
class Text:
    """A document of the corpus, cut."""

    id: str
    passages: tuple[Passage, ...]


def read_corpus(places: Sequence[Path]) -> list[Text]:
    """Every document that can be read."""
    texts = []
    for file in find(places):
        if file.skipped:
            continue
        try:
            _, passages = read(file.id, "", file.path.read_bytes(), PASSAGE_CHARS, OVERLAP_CHARS)
        except Unread:
            continue
        texts.append(Text(file.id, tuple(passages)))
    return texts


def take_sentences(texts: Sequence[Text], seed: int, most: int) -> tuple[list[Text], list[Asked]]:
    """The corpus without some of its sentences, and a question for each."""
    chance = random.Random(seed)
    questions: list[Asked] = []
    without = [Text(text.id, tuple(_taken(text, chance, questions))) for text in texts]
    chance.shuffle(questions)
    return without, questions[:most]


def _taken(text: Text, chance: random.Random, questions: list[Asked]) -> Iterator[Passage]:
    for passage in text.passages:
        sentences = _SENTENCE.finditer(passage.text)
        pairs = [(each[0], _rest(passage.text, each)) for each in sentences]
        taken = [pair for pair in pairs if len(pair[1].strip()) >= MIN_REST_CHARS]
        if not taken:
            yield passage
            continue
        sentence, rest = chance.choice(taken)
        questions.append(Asked(sentence, frozenset({Place(text.id, passage.start)})))
        yield replace(passage, text=rest)


def _rest(text: str, sentence: re.Match[str]) -> str:
    return text[: sentence.start()] + text[sentence.end() :]


def answerable(
    texts: Iterable[Text], questions: Iterable[MultipleChoice]
) -> list[tuple[MultipleChoice, Asked]]:
    """The questions whose right answer some passages have, by their words.

    No passage has the answer to "Which is NOT ...?", nor the answer "All of the above".
    """
    words = [
        (Place(text.id, passage.start), _words(f"{passage.title} {passage.text}"))
        for text in texts
        for passage in text.passages
    ]
    found = []
    for question in filter(_has_words, questions):
        relevant = frozenset(place for place, known in words if _has_answer(known, question))
        if relevant:
            found.append((question, Asked(question.question, relevant)))
    return found


def _has_words(question: MultipleChoice) -> bool:
    right = question.choices[question.right]
    return not (_NEGATIVE.search(question.question) or _OF_THE_OTHERS.search(right))


def _has_answer(known: Collection[str], question: MultipleChoice) -> bool:
    wanted = _share(known, question.choices[question.right])
    others = (choice for index, choice in enumerate(question.choices) if index != question.right)
    if wanted < ANSWER_SHARE or any(_share(known, other) >= wanted for other in others):
        return False
    return _share(known, question.question) >= QUESTION_SHARE


def _share(known: Collection[str], text: str) -> float:
    words = _words(text)
    return len(words & set(known)) / len(words) if words else 0.0


def _words(text: str) -> set[str]:
    return {word.rstrip("s") for word in words_of_all(text)}


def words_of_all(text: str) -> list[str]:
    """As `words_of`, for a text of any length."""
    found: list[str] = []
    for line in text.splitlines():
        found += words_of(line)
    return found
