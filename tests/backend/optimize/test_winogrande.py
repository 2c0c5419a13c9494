from xapp.backend.optimize.winogrande import Option, Step

FIRST = Option([1, 10, 11, 20, 30, 31], 4)
SECOND = Option([1, 10, 11, 21, 22, 30, 31], 5)


def test_what_both_options_have_in_common_is_computed_once() -> None:
    batch = Step(FIRST, SECOND).batch
    assert batch.tokens == [1, 10, 11, 20, 30, 31, 21, 22, 30, 31]
    assert batch.positions == [0, 1, 2, 3, 4, 5, 3, 4, 5, 6]
    assert batch.seq_ids == [0] * 6 + [1] * 4
    assert batch.shared == {0: [1], 1: [1], 2: [1]}


def test_only_the_rest_of_the_sentence_counts() -> None:
    step = Step(FIRST, SECOND)
    (rows, tokens), (other_rows, other_tokens) = step.rests()
    assert (tokens, other_tokens) == ([30, 31], [30, 31])
    assert [step.batch.tokens[row] for row in rows] == [20, 30]
    assert [step.batch.tokens[row] for row in other_rows] == [22, 30]
    assert step.batch.outputs == [3, 4, 7, 8]


def test_options_that_differ_in_the_rest_only_share_an_output() -> None:
    step = Step(Option([1, 2, 3], 2), Option([1, 2, 4], 2))
    assert [rows for rows, _ in step.rests()] == [[1], [1]]
    assert step.batch.outputs == [1]


def test_an_option_may_be_the_beginning_of_the_other() -> None:
    step = Step(Option([1, 2], 1), Option([1, 2, 3], 2))
    assert step.batch.tokens == [1, 2, 3]
    assert [rows for rows, _ in step.rests()] == [[0], [1]]
