import math

import pytest
from google.protobuf.duration_pb2 import Duration

from xapp.domain.big_little import BigLittle, Guided, LinkLoss, Verified
from xapp.domain.decoding import PLAIN, Auto, Drafted, Ngram
from xapp.domain.format_kinds import Choices, Format, Grammar, JsonSchema
from xapp.domain.messages import Priority, SamplingParams
from xapp.domain.requests import ChatMessage, DeadlinePolicy, Request
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb
from xapp.security.principal import ANONYMOUS, Principal
from xapp.server import convert


def request_of(**fields: object) -> Request:
    fields.setdefault("prompt", "hi")
    return convert.to_request(pb.GenerateRequest(**fields), "id", None)  # type: ignore[arg-type]


def field_of(**fields: object) -> str:
    with pytest.raises(InvalidArgument) as caught:
        request_of(**fields)
    return caught.value.field


def test_defaults() -> None:
    got = request_of()
    assert got == Request("hi", correlation_id="id")
    assert got.priority is Priority.INTERACTIVE
    assert got.sampling == SamplingParams()


PENALTIES = ("presence_penalty", "frequency_penalty")
BAD_SAMPLING = [
    *(("temperature", value) for value in (-0.1, 100.5, math.nan, math.inf, -math.inf)),
    *(("top_p", value) for value in (0, -1, 1.01, math.nan, math.inf)),
    *(("min_p", value) for value in (-0.1, 1.1, math.nan)),
    *(("repeat_penalty", value) for value in (0, -1, 10.5, math.nan, math.inf)),
    *((name, value) for name in PENALTIES for value in (-2.1, 2.1, math.nan)),
    *(("top_log_probabilities", value) for value in (-1, 21)),
    ("max_reasoning_tokens", -1),
    ("top_k", -1),
    ("seed", 2**32 - 1),
]


@pytest.mark.parametrize(("name", "value"), BAD_SAMPLING)
def test_sampling_out_of_range(name: str, value: float) -> None:
    assert field_of(sampling=pb.SamplingParams(**{name: value})) == f"sampling.{name}"  # type: ignore[arg-type]


GOOD_SAMPLING = [
    *(("temperature", value) for value in (0, 100)),
    *(("top_p", value) for value in (0.001, 1)),
    *(("min_p", value) for value in (0, 1)),
    *(("repeat_penalty", value) for value in (0.001, 10)),
    *((name, value) for name in PENALTIES for value in (-2, 2)),
    *(("top_log_probabilities", value) for value in (0, 20)),
    ("max_reasoning_tokens", 0),
    ("top_k", 0),
]


@pytest.mark.parametrize(("name", "value"), GOOD_SAMPLING)
def test_sampling_at_its_bounds(name: str, value: float) -> None:
    got = request_of(sampling=pb.SamplingParams(**{name: value})).sampling  # type: ignore[arg-type]
    assert getattr(got, name) == pytest.approx(value)


def test_logit_bias() -> None:
    got = request_of(sampling=pb.SamplingParams(logit_bias={7: -100, 3: 1.5})).sampling
    assert got.logit_bias == ((3, 1.5), (7, -100.0))
    for bad in ({-1: 1}, {1: 100.5}, {1: math.nan}, dict.fromkeys(range(301), 1)):
        assert field_of(sampling=pb.SamplingParams(logit_bias=bad)) == "sampling.logit_bias"


def test_seed() -> None:
    assert request_of(sampling=pb.SamplingParams(seed=2**32 - 2)).seed == 2**32 - 2
    assert request_of(sampling=pb.SamplingParams(seed=0)).seed == 0
    assert request_of(sampling=pb.SamplingParams()).seed is None


@pytest.mark.parametrize("value", [0, -1, -(2**31)])
def test_max_tokens(value: int) -> None:
    assert field_of(max_tokens=value) == "max_tokens"


def test_stop_texts() -> None:
    assert field_of(stop=["x"] * 17) == "stop"
    assert field_of(stop=["x", ""]) == "stop[1]"
    assert field_of(stop=["ü" * 129]) == "stop[0]"
    assert request_of(stop=["ü" * 128]).stop == ("ü" * 128,)


def test_input() -> None:
    assert field_of(prompt="") == "prompt"
    assert field_of(prompt=None) == "input"
    assert field_of(prompt=None, chat=pb.Chat()) == "chat.messages"


def test_numbers_are_bounded_before_anything_is_made_of_them() -> None:
    turn = pb.Message(role="user")
    assert len(request_of(prompt=None, chat=pb.Chat(messages=[turn] * 1000)).prompt) == 1000
    assert field_of(prompt=None, chat=pb.Chat(messages=[turn] * 1001)) == "chat.messages"
    # The number comes before what is wrong with each of them.
    assert field_of(prompt=None, chat=pb.Chat(messages=[pb.Message()] * 400_000)) == "chat.messages"
    choices = pb.OutputFormat(choices=pb.Choices(choices=["a"] * 300_000))
    assert field_of(format=choices) == "format.choices"
    assert field_of(stop=["a"] * 300_000) == "stop"


def test_chat() -> None:
    def chat(*roles: str) -> pb.Chat:
        return pb.Chat(messages=[pb.Message(role=role, content="") for role in roles])

    assert field_of(prompt=None, chat=chat("user", "root")) == "chat.messages[1].role"
    got = request_of(prompt=None, chat=chat("system", "user")).prompt
    assert got == (ChatMessage("system", ""), ChatMessage("user", ""))


def test_priority() -> None:
    assert request_of(priority=pb.PRIORITY_CRITICAL).priority is Priority.CRITICAL
    assert field_of(priority=17) == "priority"


@pytest.mark.parametrize(
    ("wire", "wanted"),
    [
        (pb.OutputFormat(json_schema="{}"), JsonSchema("{}")),
        (pb.OutputFormat(grammar="root ::= [a]"), Grammar("root ::= [a]")),
        (pb.OutputFormat(choices=pb.Choices(choices=["a", "b"])), Choices(("a", "b"))),
    ],
)
def test_format(wire: pb.OutputFormat, wanted: Format) -> None:
    assert request_of(format=wire).format == wanted
    assert request_of().format is None


def test_format_that_is_none() -> None:
    assert field_of(format=pb.OutputFormat()) == "format"
    assert field_of(format=pb.OutputFormat(json_schema="")) == "format.json_schema"
    assert field_of(format=pb.OutputFormat(grammar=" ")) == "format.grammar"


@pytest.mark.parametrize(
    "interval",
    [
        Duration(),
        Duration(nanos=99_999_999),
        Duration(seconds=3600, nanos=1),
        Duration(seconds=-1),
        Duration(seconds=1, nanos=2_000_000_000),
    ],
)
def test_interval_refused(interval: Duration) -> None:
    with pytest.raises(InvalidArgument, match="interval"):
        convert.to_interval_s(pb.MetricsRequest(interval=interval))


def test_interval_taken() -> None:
    assert convert.to_interval_s(pb.MetricsRequest()) == 1.0
    assert convert.to_interval_s(pb.MetricsRequest(interval=Duration(nanos=100_000_000))) == 0.1
    assert convert.to_interval_s(pb.MetricsRequest(interval=Duration(seconds=3600))) == 3600


def test_count() -> None:
    assert convert.to_count(pb.MetricsRequest()) is None
    assert convert.to_count(pb.MetricsRequest(count=1)) == 1
    with pytest.raises(InvalidArgument, match="count"):
        convert.to_count(pb.MetricsRequest(count=0))


@pytest.mark.parametrize(
    ("wire", "policy"),
    [
        (pb.DEADLINE_POLICY_UNSPECIFIED, DeadlinePolicy.REJECT),
        (pb.DEADLINE_POLICY_REJECT, DeadlinePolicy.REJECT),
        (pb.DEADLINE_POLICY_BEST_EFFORT, DeadlinePolicy.BEST_EFFORT),
    ],
)
def test_deadline_policy(wire: pb.DeadlinePolicy.ValueType, policy: DeadlinePolicy) -> None:
    assert request_of(deadline_policy=wire).deadline_policy is policy
    assert field_of(deadline_policy=7) == "deadline_policy"


def test_deterministic() -> None:
    assert not request_of().deterministic
    assert request_of(deterministic=True).deterministic
    wire = pb.EstimateRequest(prompt="hi", deterministic=True)
    assert convert.to_estimated(wire, None, ANONYMOUS).deterministic


def test_max_token_gap() -> None:
    assert request_of().max_gap_s is None
    assert request_of(max_token_gap=Duration(nanos=150_000_000)).max_gap_s == pytest.approx(0.15)
    wire = pb.EstimateRequest(prompt="hi", max_token_gap=Duration(seconds=2))
    assert convert.to_estimated(wire, None, ANONYMOUS).max_gap_s == 2


@pytest.mark.parametrize("gap", [Duration(), Duration(seconds=-1), Duration(seconds=1, nanos=-1)])
def test_a_gap_that_is_none_is_refused(gap: Duration) -> None:
    assert field_of(max_token_gap=gap) == "max_token_gap"


def test_an_estimate_s_own_deadline_goes_before_the_call_s() -> None:
    wire = pb.EstimateRequest(prompt="hi", max_tokens=5, priority=pb.PRIORITY_BATCH)
    asked = convert.to_estimated(wire, 7.0, Principal("me", scope="mine"), now=100.0)
    assert (asked.deadline, asked.max_tokens, asked.priority) == (7.0, 5, Priority.BATCH)
    assert (asked.client, asked.scope) == ("me", "mine")
    wire.deadline.FromNanoseconds(2_500_000_000)
    assert convert.to_estimated(wire, 7.0, ANONYMOUS, now=100.0).deadline == 102.5
    wire.deadline.FromNanoseconds(-1)
    assert convert.to_estimated(wire, 7.0, ANONYMOUS, now=100.0).deadline == pytest.approx(100.0)


@pytest.mark.parametrize(
    "duration", [Duration(seconds=1, nanos=-1), Duration(seconds=10**18), Duration(nanos=2 * 10**9)]
)
def test_an_estimate_s_deadline_that_is_no_duration(duration: Duration) -> None:
    with pytest.raises(InvalidArgument, match="deadline"):
        convert.to_estimated(pb.EstimateRequest(prompt="hi", deadline=duration), None, ANONYMOUS)


def test_strategy() -> None:
    assert request_of().strategy is None
    assert request_of(strategy=pb.DecodingStrategy()).strategy is None
    assert request_of(strategy=pb.DecodingStrategy(plain=pb.PlainDecoding())).strategy == PLAIN
    assert request_of(strategy=pb.DecodingStrategy(auto=pb.AutoDecoding())).strategy == Auto()
    assert request_of(strategy=ngram()).strategy == Ngram(16)
    assert request_of(strategy=ngram(1)).strategy == Ngram(1)
    assert request_of(strategy=ngram(32)).strategy == Ngram(32)
    assert request_of(strategy=draft()).strategy == Drafted(8)
    assert request_of(strategy=draft(3)).strategy == Drafted(3)


@pytest.mark.parametrize("most", [0, 33, -1])
def test_a_draft_length_out_of_range_is_refused(most: int) -> None:
    assert field_of(strategy=ngram(most)) == "strategy.ngram.max_draft_tokens"
    assert field_of(strategy=draft(most)) == "strategy.draft.max_draft_tokens"


def test_a_deterministic_request_has_no_drafts() -> None:
    assert field_of(strategy=ngram(), deterministic=True) == "strategy.ngram"
    assert field_of(strategy=draft(), deterministic=True) == "strategy.draft"
    for kind in (pb.DecodingStrategy(plain=pb.PlainDecoding()), pb.DecodingStrategy(auto=pb.AutoDecoding())):
        assert request_of(strategy=kind, deterministic=True).deterministic


def test_an_estimate_is_of_the_strategy_that_is_asked_for() -> None:
    wire = pb.EstimateRequest(prompt="hello", strategy=ngram(4))
    assert convert.to_estimated(wire, None, ANONYMOUS).strategy == Ngram(4)


def draft(most: int | None = None) -> pb.DecodingStrategy:
    return pb.DecodingStrategy(draft=pb.DraftSpeculation(max_draft_tokens=most))


def ngram(most: int | None = None) -> pb.DecodingStrategy:
    return pb.DecodingStrategy(ngram=pb.NgramSpeculation(max_draft_tokens=most))


# ---- two models


def test_strategies_of_two_models() -> None:
    verified, big_little, guided = pb.VerifiedDecoding(), pb.BigLittleDecoding(), pb.GuidedDecoding()
    assert request_of(strategy=pb.DecodingStrategy(verified=verified)).strategy == Verified()
    assert request_of(strategy=pb.DecodingStrategy(big_little=big_little)).strategy == BigLittle()
    assert request_of(strategy=pb.DecodingStrategy(guided=guided)).strategy == Guided()
    chosen = pb.BigLittleDecoding(
        fallback_threshold=0,
        rollback_threshold=0,
        max_draft_tokens=32,
        on_link_loss=pb.LINK_LOSS_POLICY_LITTLE_ONLY,
    )
    asked = request_of(strategy=pb.DecodingStrategy(big_little=chosen))
    assert asked.strategy == BigLittle(0.0, 0.0, 32, LinkLoss.LITTLE_ONLY)


@pytest.mark.parametrize(
    ("strategy", "field"),
    [
        (pb.DecodingStrategy(verified=pb.VerifiedDecoding(max_draft_tokens=0)), "verified.max_draft_tokens"),
        (pb.DecodingStrategy(verified=pb.VerifiedDecoding(max_draft_tokens=33)), "verified.max_draft_tokens"),
        (pb.DecodingStrategy(guided=pb.GuidedDecoding(num_guidance_tokens=0)), "guided.num_guidance_tokens"),
        (
            pb.DecodingStrategy(guided=pb.GuidedDecoding(num_guidance_tokens=1001)),
            "guided.num_guidance_tokens",
        ),
        *(
            (pb.DecodingStrategy(big_little=pb.BigLittleDecoding(**{name: value})), f"big_little.{name}")  # type: ignore[arg-type]
            for name, value in [
                ("fallback_threshold", -0.1),
                ("fallback_threshold", 1.1),
                ("fallback_threshold", float("nan")),
                ("rollback_threshold", -0.1),
                ("rollback_threshold", float("inf")),
                ("rollback_threshold", float("nan")),
                ("max_draft_tokens", 0),
                ("on_link_loss", 9),
            ]
        ),
    ],
)
def test_a_parameter_of_two_models_out_of_range_is_named(strategy: pb.DecodingStrategy, field: str) -> None:
    assert field_of(strategy=strategy) == f"strategy.{field}"


@pytest.mark.parametrize("kind", ["verified", "big_little", "guided"])
def test_two_models_take_neither_a_format_nor_determinism(kind: str) -> None:
    strategy = pb.DecodingStrategy()
    getattr(strategy, kind).SetInParent()
    assert field_of(strategy=strategy, deterministic=True) == f"strategy.{kind}"
    assert field_of(strategy=strategy, format=pb.OutputFormat(grammar="root ::= [a]")) == f"strategy.{kind}"


def test_big_little_is_greedy() -> None:
    strategy = pb.DecodingStrategy(big_little=pb.BigLittleDecoding())
    for sampling in (pb.SamplingParams(temperature=1), pb.SamplingParams(repeat_penalty=1.1)):
        assert field_of(strategy=strategy, sampling=sampling) == "strategy.big_little"
