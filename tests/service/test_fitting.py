"""What is cut off a text is counted, wherever it is cut. Scores are probabilities, whatever their size."""

from array import array

from hypothesis import given
from hypothesis import strategies as st

from xapp.domain.embedding import Truncation
from xapp.domain.text_frames import TextTokens
from xapp.errors import InvalidArgument
from xapp.service.fitting import fit
from xapp.service.rerank import logistic
from xapp.text.answer import _cut


@given(
    st.lists(st.integers(), max_size=60),
    st.integers(1, 40),
    st.sampled_from(Truncation),
    st.integers(0, 5),
)
def test_what_is_cut_is_counted(tokens: list[int], room: int, truncation: Truncation, prefix: int) -> None:
    try:
        fitted = fit("texts[0]", TextTokens(tokens), room, truncation, prefix)
    except InvalidArgument:
        assert len(tokens) > room
        assert truncation is Truncation.NONE or room <= prefix
        return
    assert len(fitted.tokens) == min(room, len(tokens))
    assert len(fitted.tokens) + fitted.num_lost == len(tokens)
    if fitted.num_lost and truncation is Truncation.END:
        assert fitted.tokens == tokens[:room]
    if fitted.num_lost and truncation is Truncation.START:
        assert fitted.tokens[:prefix] == tokens[:prefix]
        assert fitted.tokens[prefix:] == tokens[len(tokens) - room + prefix :]


@given(st.integers(1, 8), st.integers(0, 30), st.sampled_from(Truncation), st.integers(0, 3))
def test_a_text_without_its_middle_is_cut_alike(
    room: int, count: int, truncation: Truncation, prefix: int
) -> None:
    """The text process leaves out what the model cannot read: the result is the same."""
    tokens = list(range(count))
    data, num_dropped = _cut(tokens, room)
    short = TextTokens(array("i", data).tolist(), num_dropped)
    assert len(short) == count
    outcomes = []
    for text in (TextTokens(tokens), short):
        try:
            outcomes.append(str(fit("t", text, room, truncation, prefix)))
        except InvalidArgument as error:
            outcomes.append(error.message)
    assert outcomes[0] == outcomes[1]


@given(st.floats(allow_nan=False))
def test_a_logit_of_any_size_is_a_probability(logit: float) -> None:
    assert 0 <= logistic(logit) <= 1
