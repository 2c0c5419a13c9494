"""The special tokens that a vocabulary puts around texts, read from its GGUF file.

llama.cpp has a function for it, which ends the process where the file lacks one of the tokens.
"""

from collections.abc import Callable
from typing import Any

from xapp.backend.native import llama
from xapp.domain.text_frames import Frame, TextFrames

_QUERY, _DOCUMENT = "{query}", "{document}"
_WPM = 3
"""BERT's kind of vocabulary: a text always ends with the separator."""

Tokenize = Callable[[str], list[int]]


def frames_of(vocab: Any, tokenize: Tokenize, template: str | None) -> TextFrames:
    """`vocab` is native. `template` is the file's own for rerankers; `tokenize` reads its marks as tokens."""
    single = _single(vocab)
    from_template = _from_template(tokenize, template) if template else None
    return TextFrames(single, from_template or _pair(vocab, single))


def _single(vocab: Any) -> Frame:
    is_wpm = llama.llama_vocab_type(vocab) == _WPM
    bos = llama.llama_vocab_bos(vocab) if is_wpm or llama.llama_vocab_get_add_bos(vocab) else -1
    end = -1
    if is_wpm:
        end = llama.llama_vocab_sep(vocab)
    elif llama.llama_vocab_get_add_eos(vocab):
        end = llama.llama_vocab_eos(vocab)
    return Frame(_known(bos), (), _known(end))


def _pair(vocab: Any, single: Frame) -> Frame:
    """As models are trained: a query ends as a text does, and a separator follows if they have one."""
    ends = single.end if llama.llama_vocab_get_add_eos(vocab) else ()
    separator = _known(llama.llama_vocab_sep(vocab)) if llama.llama_vocab_get_add_sep(vocab) else ()
    return Frame(single.begin, (*ends, *separator) or single.end, single.end)


def _known(token: int) -> tuple[int, ...]:
    return (token,) if token >= 0 else ()


def _from_template(tokenize: Tokenize, template: str) -> Frame | None:
    """The tokens of the template around its two places. None for a template with other places."""
    begin, found_query, rest = template.partition(_QUERY)
    between, found_document, end = rest.partition(_DOCUMENT)
    if not (found_query and found_document):
        return None
    return Frame(*(tuple(tokenize(part)) for part in (begin, between, end)))
