"""Converts requests from the wire to domain types, with every check that needs no model.

Raises InvalidArgument with the path of the field in the proto. `respond` converts answers.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from google.protobuf.duration_pb2 import Duration

from xapp.domain.chat import NO_PARAMETERS, Tool, ToolCall, with_tools
from xapp.domain.decoding import MAX_DRAFTS, PLAIN, Auto, Drafted, Ngram
from xapp.domain.format_kinds import Choices, Format, Grammar, JsonSchema, ToolCalls
from xapp.domain.messages import MAX_SEED, Priority, SamplingParams
from xapp.domain.requests import ChatMessage, DeadlinePolicy, Prompt, Request, Strategy
from xapp.domain.retrieval import Grounding
from xapp.domain.sampling import MAX_BIAS, MAX_BIASES, MAX_PENALTY, MAX_TOP
from xapp.edge.tool_use import check_messages, check_number, check_tools, chosen
from xapp.errors import InvalidArgument
from xapp.formats.prepare import MAX_CHOICES
from xapp.inference.v1 import inference_pb2 as pb
from xapp.security.principal import ANONYMOUS, Principal
from xapp.server.paired import to_paired
from xapp.server.retrieval_wire import to_retrieval
from xapp.server.routing import to_routing
from xapp.server.tasks import to_call

MAX_MESSAGES = 1000
MAX_STOPS = 16
MAX_STOP_BYTES = 256
MIN_INTERVAL_S = 0.1
MAX_INTERVAL_S = 3600.0
DEFAULT_INTERVAL_S = 1.0

_ROLES = frozenset(("system", "user", "assistant", "tool"))
_MAX_TEMPERATURE = 100.0
_MAX_REPEAT_PENALTY = 10.0
_MAX_NANOS = 999_999_999
_MAX_DURATION_S = 315_576_000_000  # protobuf's own bound: 10,000 years

_DEADLINE_POLICIES = {
    pb.DEADLINE_POLICY_UNSPECIFIED: DeadlinePolicy.REJECT,
    pb.DEADLINE_POLICY_REJECT: DeadlinePolicy.REJECT,
    pb.DEADLINE_POLICY_BEST_EFFORT: DeadlinePolicy.BEST_EFFORT,
}
_PRIORITIES = {
    pb.PRIORITY_UNSPECIFIED: Priority.INTERACTIVE,
    pb.PRIORITY_CRITICAL: Priority.CRITICAL,
    pb.PRIORITY_INTERACTIVE: Priority.INTERACTIVE,
    pb.PRIORITY_BATCH: Priority.BATCH,
}


def to_request(
    wire: pb.GenerateRequest,
    correlation_id: str,
    deadline: float | None,
    caller: Principal = ANONYMOUS,
    hops: int = 0,
) -> Request:
    """A GenerateRequest; `deadline` is on CLOCK_MONOTONIC, None where the caller set none.

    `hops` nodes sent it on.
    """
    sampling, priority = wire.sampling, to_priority(wire.priority)
    task = to_call(wire, priority)
    if task is not None and wire.HasField("format"):
        raise InvalidArgument("format", "cannot be set beside task, which has its own")
    calls = to_tool_calls(wire)
    return Request(
        prompt=_with_tools(wire, calls) if task is None else (),
        model=wire.model,
        sampling=to_sampling(sampling),
        seed=to_seed(sampling),
        max_tokens=_max_tokens(wire.max_tokens) if wire.HasField("max_tokens") else None,
        stop=to_stop(wire.stop),
        ignore_eos=wire.ignore_eos,
        priority=priority,
        correlation_id=correlation_id,
        deadline=deadline,
        deadline_policy=to_deadline_policy(wire.deadline_policy),
        max_gap_s=_max_gap_s(wire),
        deterministic=wire.deterministic,
        strategy=to_strategy(wire),
        client=caller.name,
        scope=caller.scope,
        format=to_format(wire.format) if wire.HasField("format") else calls,
        task=task,
        routing=to_routing(wire) if wire.HasField("routing") else None,
        hops=hops,
        retrieval=_retrieval(wire, caller),
    )


def to_tool_calls(wire: pb.GenerateRequest) -> ToolCalls | None:
    """The calls that the answer may have; None for none."""
    tools, choice = to_tools(wire.tools), wire.tool_choice
    if choice.mode not in pb.ToolMode.values():
        raise InvalidArgument("tool_choice.mode", f"{choice.mode} is no mode")
    if not tools:
        if wire.HasField("tool_choice"):
            raise InvalidArgument("tool_choice", "is set, but there are no tools")
        return None
    if wire.HasField("format") or wire.task:
        raise InvalidArgument("tools", f"cannot be set beside {'task' if wire.task else 'format'}")
    if wire.WhichOneof("input") == "prompt":
        raise InvalidArgument("tools", "need a chat: a prompt is continued as it is")
    if choice.mode == pb.TOOL_MODE_NONE:
        return None
    parallel = wire.parallel_tool_calls if wire.HasField("parallel_tool_calls") else True
    required = choice.mode == pb.TOOL_MODE_REQUIRED
    return chosen("tool_choice.name", tools, choice.name, required=required, parallel=parallel)


def to_tools(wire: Sequence[pb.Tool]) -> tuple[Tool, ...]:
    """The declared tools, checked."""
    check_number("tools", len(wire))
    tools = tuple(Tool(each.name, each.description, each.parameters or NO_PARAMETERS) for each in wire)
    check_tools("tools", tools)
    return tools


def _with_tools(wire: pb.GenerateRequest, calls: ToolCalls | None) -> Prompt:
    prompt = to_prompt(wire)
    if calls is None or isinstance(prompt, str):
        return prompt
    return with_tools(prompt, to_tools(wire.tools))


def to_format(wire: pb.OutputFormat) -> Format:
    """The format of the answer. The service decides whether it is supported."""
    match wire.WhichOneof("format"):
        case "json_schema":
            return JsonSchema(_not_empty("format.json_schema", wire.json_schema))
        case "grammar":
            return Grammar(_not_empty("format.grammar", wire.grammar))
        case "choices":
            if (count := len(wire.choices.choices)) > MAX_CHOICES:
                raise InvalidArgument("format.choices", f"has {count} texts, at most {MAX_CHOICES} are taken")
            return Choices(tuple(wire.choices.choices))
        case _:
            raise InvalidArgument("format", "set json_schema, grammar or choices")


def _not_empty(field: str, text: str) -> str:
    if not text.strip():
        raise InvalidArgument(field, "is empty")
    return text


def to_strategy(wire: pb.GenerateRequest | pb.EstimateRequest) -> Strategy | None:
    """The decoding strategy; None is the model's default."""
    kind = wire.strategy.WhichOneof("kind")
    match kind:
        case None:
            return None
        case "plain":
            return PLAIN
        case "auto":
            return Auto()
        case "verified" | "big_little" | "guided":
            return to_paired(wire, kind)
    if wire.deterministic:
        raise InvalidArgument(f"strategy.{kind}", "cannot be set beside deterministic")
    if kind == "ngram":
        return Ngram(_max_drafts(wire.strategy.ngram, f"strategy.{kind}", Ngram().max_drafts))
    return Drafted(_max_drafts(wire.strategy.draft, f"strategy.{kind}", Drafted().max_drafts))


def _max_drafts(wire: pb.NgramSpeculation | pb.DraftSpeculation, field: str, default: int) -> int:
    if not wire.HasField("max_draft_tokens"):
        return default
    if not 1 <= wire.max_draft_tokens <= MAX_DRAFTS:
        raise InvalidArgument(
            f"{field}.max_draft_tokens",
            f"{wire.max_draft_tokens} is out of range: it must be from 1 to {MAX_DRAFTS}",
        )
    return wire.max_draft_tokens


def to_estimated(
    wire: pb.EstimateRequest, deadline: float | None, caller: Principal, now: float | None = None
) -> Request:
    """The request in an EstimateRequest. `deadline` is the call's own, `now` is monotonic."""
    if wire.HasField("deadline"):
        deadline = (monotonic() if now is None else now) + _seconds(wire.deadline, "deadline")
    priority = to_priority(wire.priority)
    task = to_call(wire, priority)
    prompt = to_prompt(wire) if task is None else ()
    if not isinstance(prompt, str):
        prompt = with_tools(prompt, to_tools(wire.tools))
    return Request(
        prompt=prompt,
        model=wire.model,
        max_tokens=_max_tokens(wire.max_tokens) if wire.HasField("max_tokens") else None,
        priority=priority,
        deadline=deadline,
        max_gap_s=_max_gap_s(wire),
        deterministic=wire.deterministic,
        strategy=to_strategy(wire),
        client=caller.name,
        scope=caller.scope,
        task=task,
        retrieval=_retrieval(wire, caller),
    )


def _retrieval(wire: pb.GenerateRequest | pb.EstimateRequest, caller: Principal) -> Grounding | None:
    return to_retrieval(wire.retrieval, caller.scope) if wire.HasField("retrieval") else None


def _max_gap_s(wire: pb.GenerateRequest | pb.EstimateRequest) -> float | None:
    if not wire.HasField("max_token_gap"):
        return None
    seconds = _seconds(wire.max_token_gap, "max_token_gap")
    if seconds <= 0:
        raise InvalidArgument("max_token_gap", f"must be more than 0, is {seconds} s")
    return seconds


def _seconds(wire: Duration, field: str) -> float:
    nanos_fit = abs(wire.nanos) <= _MAX_NANOS and wire.seconds * wire.nanos >= 0
    if not nanos_fit or abs(wire.seconds) > _MAX_DURATION_S:
        raise InvalidArgument(field, "is no valid Duration")
    return wire.seconds + wire.nanos * 1e-9


def to_deadline_policy(wire: pb.DeadlinePolicy.ValueType) -> DeadlinePolicy:
    """The action for a deadline that will be missed. Unknown numbers are refused."""
    if (policy := _DEADLINE_POLICIES.get(wire)) is None:
        raise InvalidArgument("deadline_policy", f"{wire} is no deadline policy")
    return policy


def to_prompt(
    wire: pb.GenerateRequest | pb.TokenizeRequest | pb.EstimateRequest | pb.ScoreRequest,
) -> Prompt:
    """The input: a prompt or a chat."""
    match wire.WhichOneof("input"):
        case "prompt":
            return _text(wire.prompt)
        case "chat":
            return _chat(wire.chat)
        case _:
            raise InvalidArgument("input", "set prompt or chat")


def _text(prompt: str) -> str:
    if not prompt:
        raise InvalidArgument("prompt", "is empty")
    return prompt


def _chat(chat: pb.Chat) -> tuple[ChatMessage, ...]:
    if not chat.messages:
        raise InvalidArgument("chat.messages", "has no message")
    if (count := len(chat.messages)) > MAX_MESSAGES:
        raise InvalidArgument("chat.messages", f"has {count} messages, at most {MAX_MESSAGES} are taken")
    messages = tuple(_message(index, message) for index, message in enumerate(chat.messages))
    check_messages("chat.messages", messages)
    return messages


def _message(index: int, message: pb.Message) -> ChatMessage:
    if message.role not in _ROLES:
        raise InvalidArgument(
            f"chat.messages[{index}].role", f"{message.role[:32]!r} is none of system, user, assistant, tool"
        )
    calls = tuple(ToolCall(each.id, each.name, each.arguments) for each in message.tool_calls)
    return ChatMessage(message.role, message.content, calls, message.tool_call_id)


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


_Check = tuple[Callable[[float], bool], str]


def _within(low: float, high: float) -> _Check:
    return lambda value: low <= value <= high, f"from {low:g} to {high:g}"


def _above(low: float, high: float) -> _Check:
    return lambda value: low < value <= high, f"above {low:g} and at most {high:g}"


def _number(wire: pb.SamplingParams, name: str, default: float, check: _Check) -> float:
    if not wire.HasField(name):  # type: ignore[arg-type]  # one of the optional fields, by name
        return default
    value: float = getattr(wire, name)
    fits, text = check
    if not math.isfinite(value) or not fits(value):
        raise InvalidArgument(f"sampling.{name}", f"{value:g} is out of range: it must be {text}")
    return value


def _top_k(value: int) -> int:
    if value < 0:
        raise InvalidArgument("sampling.top_k", f"{value} is out of range: it must be 0 or more")
    return value


def to_seed(wire: pb.SamplingParams) -> int | None:
    """The seed; None asks for a random seed."""
    if not wire.HasField("seed"):
        return None
    if wire.seed > MAX_SEED:
        raise InvalidArgument("sampling.seed", f"{wire.seed} is out of range: it must be at most {MAX_SEED}")
    return wire.seed


def _max_tokens(value: int) -> int:
    if value < 1:
        raise InvalidArgument("max_tokens", f"{value} is out of range: it must be at least 1")
    return value


def to_stop(wire: Sequence[str]) -> tuple[str, ...]:
    """The stop texts."""
    if len(wire) > MAX_STOPS:
        raise InvalidArgument("stop", f"has {len(wire)} texts, at most {MAX_STOPS} are allowed")
    for index, text in enumerate(wire):
        if not 1 <= len(text.encode()) <= MAX_STOP_BYTES:
            raise InvalidArgument(f"stop[{index}]", f"must be 1 to {MAX_STOP_BYTES} bytes of UTF-8")
    return tuple(wire)


def to_priority(wire: pb.Priority.ValueType) -> Priority:
    """The class. proto3 accepts unknown numbers, this function does not."""
    if (priority := _PRIORITIES.get(wire)) is None:
        raise InvalidArgument("priority", f"{wire} is no priority")
    return priority


def to_interval_s(wire: pb.MetricsRequest) -> float:
    """Seconds between samples."""
    if not wire.HasField("interval"):
        return DEFAULT_INTERVAL_S
    interval = wire.interval
    seconds = interval.seconds + interval.nanos * 1e-9
    if abs(interval.nanos) > _MAX_NANOS or not MIN_INTERVAL_S <= seconds <= MAX_INTERVAL_S:
        raise InvalidArgument("interval", f"{seconds:g} s is out of range: it must be 100 ms to 1 h")
    return seconds


def to_count(wire: pb.MetricsRequest) -> int | None:
    """Number of samples; None: until the call is cancelled."""
    if not wire.HasField("count"):
        return None
    if wire.count < 1:
        raise InvalidArgument("count", f"{wire.count} is out of range: it must be at least 1")
    return wire.count
