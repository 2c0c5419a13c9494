"""The bodies of POST /v1/embeddings (OpenAI, NIM), /v1/rerank (Cohere, Jina) and /v1/ranking (NIM)."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from xapp import hops
from xapp.domain.embedding import (
    Caller,
    EmbedRequest,
    RerankRequest,
    TextRole,
    Truncation,
)
from xapp.domain.priority import Priority
from xapp.gateway import extensions
from xapp.gateway.extensions import Waiting
from xapp.gateway.fields import Unsupported, read_fields
from xapp.gateway.sampling_fields import MAX_MODEL_CHARS
from xapp.gateway.to_request import Asker, client_of

Truncate: TypeAlias = Literal["NONE", "START", "END"]
_ROLES = {None: TextRole.PLAIN, "query": TextRole.QUERY, "passage": TextRole.PASSAGE}
_ONE = Annotated[int, Meta(ge=1, le=2**31 - 1)]

OF_EMBEDDINGS = {
    "modality": Unsupported(("text",), "texts alone are embedded"),
    "embedding_type": Unsupported(("float",), "use encoding_format"),
}
OF_RERANK = {
    "rank_fields": Unsupported(([], ["text"])),
    "max_chunks_per_doc": Unsupported((1,)),
    "max_tokens_per_doc": Unsupported((), "use truncate"),
}


class VectorFields(Waiting, frozen=True, kw_only=True):
    """The common fields."""

    model: Annotated[str, Meta(max_length=MAX_MODEL_CHARS)] = ""
    user: str | None = None
    truncate: Truncate | None = None


class EmbeddingsFields(VectorFields, frozen=True, kw_only=True):
    """Tokens as input are refused: they say nothing about the vocabulary that they are of."""

    input: str | list[str]
    input_type: Literal["query", "passage"] | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: _ONE | None = None
    normalize: bool = True


class Text(msgspec.Struct, frozen=True):
    """A text in an object."""

    text: str


class RerankFields(VectorFields, frozen=True, kw_only=True):
    """A document is a text, or an object with one."""

    query: str
    documents: list[str | Text]
    top_n: _ONE | None = None
    return_documents: bool = False


class RankingFields(VectorFields, frozen=True, kw_only=True):
    """NIM's spelling."""

    query: Text
    passages: list[Text]


def read_embeddings(body: bytes, asker: Asker) -> tuple[EmbeddingsFields, EmbedRequest]:
    """Raises InvalidArgument with the field."""
    fields = read_fields(body, EmbeddingsFields, OF_EMBEDDINGS)
    texts = (fields.input,) if isinstance(fields.input, str) else tuple(fields.input)
    return fields, EmbedRequest(
        texts=texts,
        model=fields.model,
        role=_ROLES[fields.input_type],
        truncation=Truncation[fields.truncate or "NONE"],
        normalized=fields.normalize,
        dimensions=fields.dimensions,
        caller=caller_of(fields, asker),
    )


def read_rerank(body: bytes, asker: Asker) -> tuple[RerankFields, RerankRequest]:
    """Raises InvalidArgument with the field."""
    fields = read_fields(body, RerankFields, OF_RERANK)
    documents = tuple(each if isinstance(each, str) else each.text for each in fields.documents)
    return fields, _rerank(fields, fields.query, documents, asker, fields.top_n)


def read_ranking(body: bytes, asker: Asker) -> RerankRequest:
    """Raises InvalidArgument with the field."""
    fields = read_fields(body, RankingFields, {})
    return _rerank(fields, fields.query.text, tuple(each.text for each in fields.passages), asker)


def _rerank(
    fields: VectorFields, query: str, documents: tuple[str, ...], asker: Asker, top_n: int | None = None
) -> RerankRequest:
    return RerankRequest(
        query=query,
        documents=documents,
        model=fields.model,
        top_n=top_n,
        truncation=Truncation[fields.truncate or "END"],
        caller=caller_of(fields, asker),
    )


def caller_of(fields: VectorFields, asker: Asker) -> Caller:
    """Who asks, how urgently, and until when."""
    client, scope = client_of(asker.caller, fields.user)
    priority = extensions.priority(fields, asker.headers)
    return Caller(
        client=client,
        scope=scope,
        priority=Priority.INTERACTIVE if priority is None else priority,
        deadline=extensions.deadline(fields, asker.headers),
        correlation_id=extensions.correlation_id(fields, asker.correlation_id),
        hops=hops.parse(asker.headers.get(hops.KEY, "0")),
    )
