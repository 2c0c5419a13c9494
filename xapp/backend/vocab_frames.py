"""The special tokens that a vocabulary puts around texts, read from its GGUF file."""

from typing import Any

from xapp.backend.native import llama
from xapp.domain.text_frames import Frame, TextFrames

_QUERY, _DOCUMENT = "{query}", "{document}"


def frames_of(vocab: Any, tokenize: Any, template: str | None) -> TextFrames:
    """`vocab` is native. `tokenize` is Vocab's. `template` is the file's own template for rerankers."""
    single = _single(vocab, tokenize)
    from_template = _from_template(tokenize, template) if template else None
    return TextFrames(single, from_template or _pair(vocab, single))


def _single(vocab: Any, tokenize: Any) -> Frame:
    """What llama.cpp puts around an empty text."""
    around = tokenize("", add_special=True)
    begin = 1 if around and around[0] == llama.llama_vocab_bos(vocab) else 0
    return Frame(tuple(around[:begin]), (), tuple(around[begin:]))


def _pair(vocab: Any, single: Frame) -> Frame:
    """As models are trained: a query ends as a text does, and a separator follows if they have one."""
    sep = llama.llama_vocab_sep(vocab)
    ends = single.end if llama.llama_vocab_get_add_eos(vocab) else ()
    separates = llama.llama_vocab_get_add_sep(vocab) and sep >= 0
    return Frame(single.begin, (*ends, *((sep,) if separates else ())) or single.end, single.end)


def _from_template(tokenize: Any, template: str) -> Frame | None:
    """The tokens of the template around its two places. None for a template with other places."""
    begin, found_query, rest = template.partition(_QUERY)
    between, found_document, end = rest.partition(_DOCUMENT)
    if not (found_query and found_document):
        return None
    return Frame(*(tuple(tokenize(part, parse_special=True)) for part in (begin, between, end)))
