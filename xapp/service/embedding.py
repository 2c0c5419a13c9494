"""Embed: texts to vectors, from the check of a request to its result."""

from xapp.domain.embedding import EmbeddedText, EmbedRequest, EmbedResult
from xapp.domain.kinds import Capability
from xapp.domain.messages import Embed
from xapp.domain.states import ModelState
from xapp.errors import FailedPrecondition, InvalidArgument, Unavailable
from xapp.served.registry import ModelRegistry
from xapp.served.served_model import ServedModel
from xapp.served.vector_facts import least_dimensions, prefix_of
from xapp.service.call import Call, Calls
from xapp.service.fitting import Fitted, check_texts, check_tokens, fit
from xapp.service.vectors import compute, resolved


class Embedding:
    """The RPC that turns texts into vectors."""

    def __init__(self, calls: Calls, registry: ModelRegistry) -> None:
        self._calls = calls
        self._registry = registry

    async def embed(self, request: EmbedRequest) -> EmbedResult:
        """See `domain.embedding.Embedding`."""
        check_texts("texts", request.texts)
        resolve = resolved(self._model_for(request.model), request.caller, request.texts)
        async with self._calls.enter(resolve, needed=Capability.EMBED) as call:
            model, serving = call.target.model, call.target.serving
            dimensions = _dimensions(request.dimensions, model, serving.info.dimensions)
            fitted = await self._fit(call, request)
            texts = [serving.codec.frames.single.around(each.tokens) for each in fitted]
            embed = Embed(texts, dimensions, request.normalized)
            computed = await compute(self._calls, call, embed, check_tokens("texts", texts))
            return EmbedResult(
                model.name,
                serving.digest,
                dimensions,
                tuple(
                    EmbeddedText(vector, len(text), each.num_lost)
                    for vector, text, each in zip(computed.vectors, texts, fitted, strict=True)
                ),
                computed.queue_s,
                computed.compute_s,
            )

    def _model_for(self, name: str) -> str:
        """Raises FailedPrecondition, reason NO_EMBEDDING_MODEL; Unavailable while that is not known."""
        found = name or self._registry.name_for(Capability.EMBED)
        if not found:
            if any(each.state is ModelState.LOADING for each in self._registry.models):
                text = "the node's models are being loaded"
                raise Unavailable(text, reason="MODEL_LOADING", retry_after_s=1.0)
            text = "this node has no model of kind embedding: add one to [node] models"
            raise FailedPrecondition(text, reason="NO_EMBEDDING_MODEL")
        return found

    @staticmethod
    async def _fit(call: Call, request: EmbedRequest) -> list[Fitted]:
        """The tokens of each text behind the model's prefix, cut as asked."""
        serving = call.target.serving
        prefix = prefix_of(call.target.model, request.role)
        wanted = [prefix + text for text in request.texts]
        # The prefix itself is read as well: where a text loses its start, the prefix stays.
        room = serving.limit - serving.codec.frames.single.num_tokens
        first, *others = await serving.prompts.read_texts([prefix, *wanted], room, request.caller.client)
        return [
            fit(f"texts[{index}]", text, room, request.truncation, len(first))
            for index, text in enumerate(others)
        ]


def _dimensions(asked: int | None, model: ServedModel, own: int) -> int:
    """Numbers of a vector. Raises InvalidArgument for a number that the model was not trained for."""
    least = least_dimensions(model) or own
    if asked is None or asked == own:
        return own
    if least <= asked < own:
        return asked
    text = f"is {asked}: the vectors of {model.name} have {own} numbers"
    hint = f", and may be cut to {least} or more" if least < own else ", and it was not trained to be cut"
    raise InvalidArgument("dimensions", text + hint)
