"""Which decoding strategy a request gets."""

from dataclasses import replace

import msgspec
import pytest

from xapp.backend.fake import fake_info
from xapp.config import EngineSettings
from xapp.domain.decoding import PLAIN, Auto, Decoding, Drafted, Ngram
from xapp.domain.requests import Request
from xapp.errors import InvalidArgument
from xapp.service.decoding import decoding_of

INFO = fake_info(EngineSettings())
ASKED = Request("hello")


@pytest.mark.parametrize(
    ("default", "found"), [("plain", PLAIN), ("ngram", Ngram()), ("draft", Drafted()), ("auto", Auto())]
)
def test_the_model_s_default_holds_where_the_request_says_nothing(default: str, found: Decoding) -> None:
    info = msgspec.structs.replace(INFO, strategy=default)
    assert decoding_of(ASKED, info) == found
    assert decoding_of(replace(ASKED, strategy=PLAIN), info) == PLAIN
    assert decoding_of(replace(ASKED, strategy=Ngram(3)), info) == Ngram(3)


def test_a_deterministic_request_is_decoded_plainly_whatever_the_default_is() -> None:
    assert (
        decoding_of(replace(ASKED, deterministic=True), msgspec.structs.replace(INFO, strategy="auto"))
        == PLAIN
    )


def test_a_model_without_a_draft_model_refuses_it_by_name() -> None:
    asked = replace(ASKED, strategy=Drafted())
    with pytest.raises(InvalidArgument) as caught:
        decoding_of(asked, INFO)
    assert caught.value.field == "strategy.draft"
    assert decoding_of(asked, msgspec.structs.replace(INFO, draft="little.gguf")) == Drafted()
