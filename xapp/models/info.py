"""The facts of a model in a GGUF file, from its header alone."""

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from xapp.domain.kinds import EMBEDDING, GENERATE, RERANKER, ModelKind
from xapp.models.catalogue import KvGeometry
from xapp.models.gguf import GgufHeader, Value, read_gguf_header
from xapp.models.mark import FileMark, mark_of_file

_POOLING_RANK = 4
"""llama.cpp's number of the pooling type of rerankers."""
ORIGIN_KEY = "genai_xapp.origin"
_KEPT = 16
"""Files whose facts are kept: reading the header of a large vocabulary takes half a second."""
_reading = threading.Lock()


@dataclass(frozen=True, slots=True)
class GgufInfo:
    """None or "": the file does not say. `heads_kv` is the sum over the layers that keep KV. `file_type` is
    llama.cpp's number for the format of most weights.
    """

    path: Path
    file_size: int
    architecture: str
    name: str
    license: str
    context_length: int | None
    block_count: int | None
    heads_kv: int | None
    key_length: int | None
    value_length: int | None
    has_chat_template: bool
    metadata_bytes: int
    """The bytes of the metadata, mostly the vocabulary."""
    kind: ModelKind = GENERATE
    file_type: int | None = None
    pooling: int | None = None
    """llama.cpp's number of the way in which the vectors of a text's tokens become one."""
    dimensions: int | None = None
    """Numbers of the vector of a token."""
    causal: bool = True
    """Whether a token reads only the tokens before it. Otherwise the model keeps no KV cache."""
    origin: str = ""
    """For a file that was written here in another format: the digest of its source."""

    @property
    def geometry(self) -> KvGeometry | None:
        """The KV cache of one token."""
        if self.heads_kv is None or self.key_length is None or self.value_length is None:
            return None
        return KvGeometry(self.heads_kv, self.key_length + self.value_length)

    @property
    def head_dim(self) -> int | None:
        """Width of one K row."""
        return self.key_length

    @property
    def n_head_kv(self) -> int | None:
        """KV heads of a layer, if all layers have the same number."""
        if not self.heads_kv or not self.block_count or self.heads_kv % self.block_count:
            return None
        return self.heads_kv // self.block_count


def read_gguf(path: Path) -> GgufInfo:
    """Checks the structure and reads the facts. Raises ModelError with the file and the fault."""
    facts = _Facts(read_gguf_header(path))
    head_dim = facts.head_dim
    return GgufInfo(
        path=path,
        file_size=facts.header.file_size,
        architecture=facts.architecture,
        name=facts.text("general.name"),
        license=facts.text("general.license"),
        context_length=facts.number("context_length"),
        block_count=facts.number("block_count"),
        heads_kv=facts.heads_kv,
        key_length=facts.number("attention.key_length") or head_dim,
        value_length=facts.number("attention.value_length") or head_dim,
        has_chat_template="tokenizer.chat_template" in facts.header.values,
        metadata_bytes=facts.header.metadata_bytes,
        kind=facts.kind,
        file_type=facts.file_type,
        pooling=facts.number("pooling_type"),
        dimensions=facts.number("embedding_length"),
        causal=facts.value("attention.causal") is not False,
        origin=facts.text(ORIGIN_KEY),
    )


def known_gguf(path: Path) -> GgufInfo:
    """The same as `read_gguf`. A file that has not changed since the last call is not read again."""
    with _reading:
        return _known(path, mark_of_file(path))


@lru_cache(maxsize=_KEPT)
def _known(path: Path, _: FileMark) -> GgufInfo:
    return read_gguf(path)


class _Facts:
    """The metadata, with the architecture's prefix put before the keys that have one."""

    def __init__(self, header: GgufHeader) -> None:
        self.header = header
        self.architecture = self.text("general.architecture")

    def text(self, key: str) -> str:
        value = self.header.values.get(key)
        return value if isinstance(value, str) else ""

    def value(self, key: str) -> Value:
        return self.header.values.get(f"{self.architecture}.{key}")

    def number(self, key: str) -> int | None:
        return _positive(self.value(key))

    @property
    def kind(self) -> ModelKind:
        """The kind of the model. A pooling_type other than 0 (none), or attention that is not causal, means
        vectors or a score.
        """
        pooling = self.number("pooling_type")
        if pooling == _POOLING_RANK:
            return RERANKER
        return EMBEDDING if pooling or self.value("attention.causal") is False else GENERATE

    @property
    def file_type(self) -> int | None:
        """llama.cpp's number for the format of most weights; 0 is a valid number."""
        value = self.header.values.get("general.file_type")
        return value if isinstance(value, int) else None

    @property
    def heads_kv(self) -> int | None:
        """KV heads over all layers. The file has one number for all layers, or a number for each: hybrid
        models have layers without KV heads.
        """
        heads = self.value("attention.head_count_kv") or self.value("attention.head_count")
        if isinstance(heads, tuple):
            return sum(_positive(head) or 0 for head in heads) or None
        each, layers = _positive(heads), self.number("block_count")
        return each * layers if each and layers else None

    @property
    def head_dim(self) -> int | None:
        """The head_dim. Without a key_length in the file, it is the width divided by the number of query
        heads.
        """
        heads, width = self.value("attention.head_count"), self.number("embedding_length")
        most = max((_positive(head) or 0 for head in heads), default=0) if isinstance(heads, tuple) else heads
        count = _positive(most)
        return width // count if width and count else None


def _positive(value: Value) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
