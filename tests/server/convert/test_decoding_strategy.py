import pytest

from tests.server.convert.asking import field_of, request_of
from xapp.domain.decoding import PLAIN, Auto, Drafted, Ngram
from xapp.inference.v1 import inference_pb2 as pb
from xapp.security.principal import ANONYMOUS
from xapp.server.convert.requests import to_estimated


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
    assert to_estimated(wire, None, ANONYMOUS).strategy == Ngram(4)


def draft(most: int | None = None) -> pb.DecodingStrategy:
    return pb.DecodingStrategy(draft=pb.DraftSpeculation(max_draft_tokens=most))


def ngram(most: int | None = None) -> pb.DecodingStrategy:
    return pb.DecodingStrategy(ngram=pb.NgramSpeculation(max_draft_tokens=most))
