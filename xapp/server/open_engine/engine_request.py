"""GenerateRequest of openengine.v1 → Request. What this node lacks is refused by its name, never ignored."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from xapp.domain.requests import Request
from xapp.domain.sampling import MAX_SEED, MAX_TOP
from xapp.edge import caller_text
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb
from xapp.openengine import open_engine_pb2 as oe
from xapp.security.principal import Principal
from xapp.server.convert.requests import to_request
from xapp.server.field_names import FieldNames

PRIORITY_KEY = "openengine-priority"
RANK_KEY = "openengine-target-dp-rank"
_ONCE = frozenset(("openengine-routing-key", PRIORITY_KEY, RANK_KEY))
_INT32 = range(-(2**31), 2**31)
_UINT32 = range(2**32)
_ANY_OBJECT = '{"type":"object"}'

Metadata = Iterable[tuple[str, str | bytes]]

_UNSUPPORTED: Mapping[str, Callable[[oe.GenerateRequest], bool]] = {
    "token_ids": lambda wire: wire.HasField("token_ids"),
    "sampling.num_sequences": lambda wire: _set(wire.sampling, "num_sequences", 1),
    "stopping.min_tokens": lambda wire: bool(wire.stopping.min_tokens),
    "stopping.include_stop_in_output": lambda wire: wire.stopping.include_stop_in_output,
    "response.return_prompt_logprobs": lambda wire: wire.response.return_prompt_logprobs,
    "response.prompt_candidates": lambda wire: wire.response.HasField("prompt_candidates"),
    "response.prompt_logprob_start": lambda wire: bool(wire.response.prompt_logprob_start),
    "kv.session": lambda wire: wire.kv.HasField("session"),
    "kv.bypass_prefix_cache": lambda wire: wire.kv.bypass_prefix_cache,
    "guided.regex": lambda wire: wire.guided.HasField("regex"),
    "guided.structural_tag": lambda wire: wire.guided.HasField("structural_tag"),
    "guided.backend": lambda wire: bool(wire.guided.backend),
    "media": lambda wire: bool(wire.media),
    "lora_name": lambda wire: bool(wire.lora_name),
}
"""What this node does not do, and whether a request asks for it."""

_NAMES = FieldNames(
    {
        "format.choices": "guided.choice",
        "format.grammar": "guided.ebnf_grammar",
        "format": "guided",
        "max_tokens": "stopping.max_tokens",
        "sampling.repeat_penalty": "sampling.repetition_penalty",
        "stop": "stopping.conditions",
    }
)
names_of_the_contract = _NAMES.applied
"""An InvalidArgument names the field as openengine.v1 calls it."""


def _set(message: Any, field: str, without_effect: int) -> bool:
    return bool(message.HasField(field) and getattr(message, field) != without_effect)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request in the terms of this node's own contract, and what only openengine.v1 has.

    `salt` separates prefixes within the caller's own. `log_probabilities`: whether the caller wants them.
    """

    request: pb.GenerateRequest
    request_id: str
    salt: str
    log_probabilities: bool

    def to_request(self, deadline: float | None, caller: Principal, hops: int) -> Request:
        """Raises InvalidArgument."""
        parsed = to_request(self.request, self.request_id, deadline, caller, hops)
        return replace(parsed, scope=f"{parsed.scope} salt {self.salt}") if self.salt else parsed


def read(wire: oe.GenerateRequest, metadata: Metadata) -> Asked:
    """Raises InvalidArgument with the field or the key of the metadata."""
    for field, asks in _UNSUPPORTED.items():
        if asks(wire):
            raise InvalidArgument(field, "is not supported by this engine", reason="UNSUPPORTED_FEATURE")
    request = pb.GenerateRequest(model=wire.model, prompt=wire.prompt, priority=_priority(metadata))
    _put_sampling(request, wire.sampling)
    _put_stopping(request, wire.stopping)
    request.sampling.top_log_probabilities = _top(wire.response)
    _put_format(request, wire.guided)
    salt = caller_text.correlation_id("kv.cache_salt", wire.kv.cache_salt)
    return Asked(request, _request_id(wire), salt, wire.response.return_output_logprobs)


def _request_id(wire: oe.GenerateRequest) -> str:
    if not wire.request_id:
        raise InvalidArgument("request_id", "is empty")
    return caller_text.correlation_id("request_id", wire.request_id)


def _put_sampling(request: pb.GenerateRequest, wire: oe.SamplingParams) -> None:
    own = request.sampling
    for name in ("temperature", "top_p", "min_p", "frequency_penalty", "presence_penalty"):
        if wire.HasField(name):
            setattr(own, name, getattr(wire, name))
    if wire.HasField("repetition_penalty"):
        own.repeat_penalty = wire.repetition_penalty
    if wire.HasField("top_k"):
        own.top_k = wire.top_k
    if wire.HasField("seed"):
        own.seed = _seed(wire.seed)


def _seed(value: int) -> int:
    """Seeds of this node have 32 bits, those of the contract 64. Raises InvalidArgument."""
    if value > MAX_SEED:
        raise InvalidArgument("sampling.seed", f"{value} is out of range: it must be at most {MAX_SEED}")
    return value


def _put_stopping(request: pb.GenerateRequest, wire: oe.StoppingOptions) -> None:
    if wire.HasField("max_tokens"):
        request.max_tokens = min(wire.max_tokens, _INT32.stop - 1)
    request.ignore_eos = wire.ignore_eos
    for index, condition in enumerate(wire.conditions):
        if condition.WhichOneof("condition") != "stop_text":
            text = "is not supported by this engine: only stop_text is"
            raise InvalidArgument(f"stopping.conditions[{index}]", text, reason="UNSUPPORTED_FEATURE")
        request.stop.append(condition.stop_text)


def _top(wire: oe.ResponseOptions) -> int:
    """The number of candidates beside each token. Tokens are always reported, because answers name them."""
    if not wire.HasField("output_candidates"):
        return 0
    if not wire.return_output_logprobs:
        raise InvalidArgument("response.output_candidates", "needs return_output_logprobs")
    if wire.output_candidates.WhichOneof("selection") != "top_n":
        text = "is not supported by this engine: only top_n is"
        raise InvalidArgument("response.output_candidates", text, reason="UNSUPPORTED_FEATURE")
    if wire.output_candidates.top_n > MAX_TOP:
        raise InvalidArgument("response.output_candidates.top_n", f"must be at most {MAX_TOP}")
    return wire.output_candidates.top_n


def _put_format(request: pb.GenerateRequest, wire: oe.GuidedDecoding) -> None:
    match wire.WhichOneof("guide"):
        case "json_schema":
            request.format.json_schema = wire.json_schema
        case "ebnf_grammar":
            request.format.grammar = wire.ebnf_grammar
        case "choice":
            request.format.choices.choices.extend(wire.choice.choices)
        case "json_object":
            request.format.json_schema = _ANY_OBJECT


def _priority(metadata: Metadata) -> pb.Priority.ValueType:
    """Above 0 is critical, below 0 is batch. Raises InvalidArgument for what is malformed or there twice."""
    found: dict[str, str | bytes] = {}
    for key, value in metadata:
        if key in _ONCE and key in found:
            raise InvalidArgument(f"metadata.{key}", "is there twice")
        found[key] = value
    if _number(found, RANK_KEY, _UINT32) != 0:
        raise InvalidArgument(f"metadata.{RANK_KEY}", "this engine has rank 0 only")
    level = _number(found, PRIORITY_KEY, _INT32)
    if level == 0:
        return pb.PRIORITY_INTERACTIVE
    return pb.PRIORITY_CRITICAL if level > 0 else pb.PRIORITY_BATCH


def _number(found: Mapping[str, str | bytes], key: str, among: range) -> int:
    text = found.get(key, "0")
    digits = text.removeprefix("-") if isinstance(text, str) else ""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(among.stop))):
        raise InvalidArgument(f"metadata.{key}", "must be a whole number")
    if int(text) not in among:
        raise InvalidArgument(f"metadata.{key}", "is out of range")
    return int(text)
