"""What a child process is asked to do, and what it answers: one JSON line each."""

import msgspec


class Size(msgspec.Struct, frozen=True, tag=True):
    """How large would `source` be in this format? Answered with Bytes; nothing is written."""

    source: str
    file_type: int


class Quantize(msgspec.Struct, frozen=True, tag=True):
    """Write `source` in this format to `target`. Answered with Bytes: the size of what was written.

    `origin` is kept in the file, as `genai_xapp.origin`.
    """

    source: str
    file_type: int
    target: str
    threads: int
    origin: str


class Speed(msgspec.Struct, frozen=True, tag=True):
    """How fast is the model, with so many answers at once? Answered with Speeds. `text` is the prompt."""

    path: str
    threads: int
    streams: tuple[int, ...]
    text: str


class Guess(msgspec.Struct, frozen=True, tag=True):
    """What does the model expect at each token of `text`? Answered with Guesses."""

    path: str
    threads: int
    text: str


class Blank(msgspec.Struct, frozen=True):
    """A sentence with a blank: how it begins when either option fills the blank, and how it goes on.

    `right` is the index of the right beginning.
    """

    beginnings: tuple[str, str]
    rest: str
    right: int


class Choose(msgspec.Struct, frozen=True, tag=True):
    """Which option does the model hold for the likelier one, in each sentence? Answered with Choices."""

    path: str
    threads: int
    blanks: tuple[Blank, ...]


Job = Size | Quantize | Speed | Guess | Choose


class Bytes(msgspec.Struct, frozen=True, tag=True):
    """A file's size."""

    count: int


class Speeds(msgspec.Struct, frozen=True, tag=True):
    """Tokens a second: of a prompt, and for each number of streams decoding together of all of them.

    `peak_bytes` is the most memory that the process held: weights, a small cache, buffers.
    """

    prefill: float
    decode: dict[int, float]
    peak_bytes: int


class Guesses(msgspec.Struct, frozen=True, tag=True):
    """For each token but the first of each chunk: `nats` is its surprise, minus the logarithm of its
    probability; `favourites` is the token that the model held for the likeliest.
    """

    nats: list[float]
    favourites: list[int]


class Choices(msgspec.Struct, frozen=True, tag=True):
    """Whether each was right."""

    right: list[bool]


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A ModelError of the child."""

    message: str
    reason: str


Answer = Bytes | Speeds | Guesses | Choices | Failed
