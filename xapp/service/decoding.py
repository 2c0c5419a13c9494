"""The decoding strategy of a request: its own, or the default of its model."""

from xapp.domain.decoding import BY_NAME, PLAIN, Decoding, Drafted
from xapp.domain.model_info import ModelInfo
from xapp.domain.requests import Paired, Request
from xapp.errors import InvalidArgument


def decoding_of(request: Request, info: ModelInfo) -> Decoding:
    """PLAIN for a deterministic request, and for the little model of two models.

    Raises InvalidArgument where the request names the draft model and the model has none.
    """
    if request.deterministic or isinstance(request.strategy, Paired):
        return PLAIN
    if isinstance(request.strategy, Drafted) and not info.draft:
        raise InvalidArgument("strategy.draft", "the model has no draft model: set XAPP_DRAFT_MODEL")
    return request.strategy or BY_NAME[info.strategy]
