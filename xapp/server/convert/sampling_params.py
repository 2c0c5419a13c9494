"""Converts the parameters of sampling, and the seed."""

import math
from collections.abc import Callable, Mapping

from xapp.domain.messages import MAX_SEED, SamplingParams
from xapp.domain.sampling import MAX_BIAS, MAX_BIASES, MAX_PENALTY, MAX_TOP
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb

_MAX_TEMPERATURE = 100.0
_MAX_REPEAT_PENALTY = 10.0

_Check = tuple[Callable[[float], bool], str]


def to_sampling(wire: pb.SamplingParams) -> SamplingParams:
    """The set parameters, checked, over the defaults. The seed is separate: None asks for a random seed."""
    default = SamplingParams()
    return SamplingParams(
        temperature=_number(wire, "temperature", default.temperature, _within(0, _MAX_TEMPERATURE)),
        top_k=_top_k(wire.top_k),
        top_p=_number(wire, "top_p", default.top_p, _above(0, 1)),
        min_p=_number(wire, "min_p", default.min_p, _within(0, 1)),
        repeat_penalty=_number(
            wire, "repeat_penalty", default.repeat_penalty, _above(0, _MAX_REPEAT_PENALTY)
        ),
        presence_penalty=_number(wire, "presence_penalty", 0.0, _within(-MAX_PENALTY, MAX_PENALTY)),
        frequency_penalty=_number(wire, "frequency_penalty", 0.0, _within(-MAX_PENALTY, MAX_PENALTY)),
        logit_bias=_logit_bias(wire.logit_bias),
        top_log_probabilities=_top(wire),
        max_reasoning_tokens=_max_reasoning(wire),
    )


def to_seed(wire: pb.SamplingParams) -> int | None:
    """The seed; None asks for a random seed."""
    if not wire.HasField("seed"):
        return None
    if wire.seed > MAX_SEED:
        raise InvalidArgument("sampling.seed", f"{wire.seed} is out of range: it must be at most {MAX_SEED}")
    return wire.seed


def _number(wire: pb.SamplingParams, name: str, default: float, check: _Check) -> float:
    if not wire.HasField(name):  # type: ignore[arg-type]  # one of the optional fields, by name
        return default
    value: float = getattr(wire, name)
    fits, text = check
    if not math.isfinite(value) or not fits(value):
        raise InvalidArgument(f"sampling.{name}", f"{value:g} is out of range: it must be {text}")
    return value


def _within(low: float, high: float) -> _Check:
    return lambda value: low <= value <= high, f"from {low:g} to {high:g}"


def _above(low: float, high: float) -> _Check:
    return lambda value: low < value <= high, f"above {low:g} and at most {high:g}"


def _logit_bias(wire: Mapping[int, float]) -> tuple[tuple[int, float], ...]:
    if len(wire) > MAX_BIASES:
        text = f"has {len(wire)} tokens, at most {MAX_BIASES} are taken"
        raise InvalidArgument("sampling.logit_bias", text)
    for token, bias in wire.items():
        if token < 0 or not abs(bias) <= MAX_BIAS:
            text = f"{token}: {bias:g} is out of range: it must be a token and -{MAX_BIAS:g} to {MAX_BIAS:g}"
            raise InvalidArgument("sampling.logit_bias", text)
    return tuple(sorted(wire.items()))


def _max_reasoning(wire: pb.SamplingParams) -> int | None:
    if not wire.HasField("max_reasoning_tokens"):
        return None
    if wire.max_reasoning_tokens < 0:
        text = f"{wire.max_reasoning_tokens} is out of range: it must be 0 or more"
        raise InvalidArgument("sampling.max_reasoning_tokens", text)
    return wire.max_reasoning_tokens


def _top(wire: pb.SamplingParams) -> int | None:
    if not wire.HasField("top_log_probabilities"):
        return None
    if not 0 <= wire.top_log_probabilities <= MAX_TOP:
        text = f"{wire.top_log_probabilities} is out of range: it must be 0 to {MAX_TOP}"
        raise InvalidArgument("sampling.top_log_probabilities", text)
    return wire.top_log_probabilities


def _top_k(value: int) -> int:
    if value < 0:
        raise InvalidArgument("sampling.top_k", f"{value} is out of range: it must be 0 or more")
    return value
