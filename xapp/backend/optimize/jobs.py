"""The jobs of a child process and their answers: one JSON line each."""

import msgspec


class Size(msgspec.Struct, frozen=True, tag=True):
    """Asks for the size of `source` in this format. The answer is Bytes. Nothing is written."""

    source: str
    file_type: int


class Quantize(msgspec.Struct, frozen=True, tag=True):
    """Asks to write `source` in this format to `target`. The answer is Bytes, the size of the file.

    `origin` is stored in the file, as `genai_xapp.origin`.
    """

    source: str
    file_type: int
    target: str
    threads: int
    origin: str


class Speed(msgspec.Struct, frozen=True, tag=True):
    """Asks for the speed with so many answers at once. The answer is Speeds. `text` is the prompt."""

    path: str
    threads: int
    streams: tuple[int, ...]
    text: str


class Guess(msgspec.Struct, frozen=True, tag=True):
    """Asks for the probability of each token of `text`. The answer is Guesses."""

    path: str
    threads: int
    text: str


class Blank(msgspec.Struct, frozen=True):
    """A sentence with a blank: its beginning with either option, and its rest.

    `right` is the index of the correct beginning.
    """

    beginnings: tuple[str, str]
    rest: str
    right: int


class Choose(msgspec.Struct, frozen=True, tag=True):
    """Asks which option is more likely in each sentence. The answer is Choices."""

    path: str
    threads: int
    blanks: tuple[Blank, ...]


Job = Size | Quantize | Speed | Guess | Choose


class Bytes(msgspec.Struct, frozen=True, tag=True):
    """A file's size."""

    count: int


class Speeds(msgspec.Struct, frozen=True, tag=True):
    """Tokens a second: of a prompt, and for each number of streams that decode together, of all of them.

    `peak_bytes` is the most memory of the process: weights, a small cache, buffers.
    """

    prefill: float
    decode: dict[int, float]
    peak_bytes: int


class Guesses(msgspec.Struct, frozen=True, tag=True):
    """For each token but the first of each chunk: `nats` is its surprise, minus the logarithm of its
    probability; `favourites` is the token that the model considered the most likely.
    """

    nats: list[float]
    favourites: list[int]


class Choices(msgspec.Struct, frozen=True, tag=True):
    """Whether each choice was correct."""

    right: list[bool]


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A ModelError of the child."""

    message: str
    reason: str


Answer = Bytes | Speeds | Guesses | Choices | Failed
