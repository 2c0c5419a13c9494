"""What the fake backend answers: a function of the prompt alone."""

from xapp.backend.byte_vocab import BOS, ByteVocab
from xapp.backend.fake_rule import END_TOKEN, next_token


def answer_of(prompt: str, max_tokens: int, *, ignore_eos: bool = False) -> tuple[str, int]:
    """The text, and its number of tokens."""
    tokens = ByteVocab().tokenize(prompt, add_special=True, parse_special=False)
    begin, drawn = len(tokens), bytearray()
    while len(tokens) - begin < max_tokens:
        token = next_token(tokens)
        if token == END_TOKEN and not ignore_eos:
            break
        tokens.append(token)
        if token < BOS:
            drawn.append(token)
    return drawn.decode(errors="replace"), len(tokens) - begin
