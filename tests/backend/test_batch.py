"""Parts of a batch: the same tokens with the same outputs, at other places."""

from xapp.backend.batch import Batch, Probe


def mixed() -> Batch:
    """An answer with a draft, a hidden state, and a prompt with a probe and a branch."""
    batch = Batch()
    batch.add(1, 10, 0)
    batch.want_output()
    batch.add_draft(2, 11, 0)
    batch.num_decode = 2
    batch.add(3, 5, 1)
    batch.want_hidden_state()
    batch.extend([4, 5], 0, 2)
    batch.shared[3] = [9]
    batch.want_log_probabilities([7])
    return batch


def test_a_batch_without_a_token_has_all_else() -> None:
    batch = mixed()
    assert batch.hidden == [2]
    rest = batch.without(batch.hidden)
    assert (rest.tokens, rest.positions, rest.seq_ids) == ([1, 2, 4, 5], [10, 11, 0, 1], [0, 0, 2, 2])
    assert (rest.outputs, rest.drafts, rest.num_decode) == ([0, 1], {1}, 2)
    assert rest.shared == {2: [9]}
    assert rest.probes == [Probe(3, [7])]
    assert not rest.hidden
    assert len(batch) == 5, "the batch itself stays as it is"


def test_a_single_token_has_an_output() -> None:
    single = mixed().only(2)
    assert (single.tokens, single.positions, single.seq_ids, single.outputs) == ([3], [5], [1], [0])
