import math

import pytest

from tests.server.convert.asking import field_of, request_of
from xapp.inference.v1 import inference_pb2 as pb

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
