import pytest

from tests.server.convert.asking import field_of, request_of
from xapp.domain.big_little import BigLittle, Guided, LinkLoss, Verified
from xapp.inference.v1 import inference_pb2 as pb


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
