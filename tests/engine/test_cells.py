"""The pool against a model of it: sets of owners."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scale import examples
from xapp.engine.cells import CellPool

TOTAL, IDS = 40, 4
actions = st.lists(
    st.tuples(
        st.sampled_from(["extend", "share", "truncate"]),
        st.integers(0, IDS - 1),
        st.integers(0, IDS - 1),
        st.integers(0, 12),
    ),
    max_size=60,
)


@settings(max_examples=examples(100))
@given(actions)
def test_a_cell_is_used_while_anybody_owns_it(todo: list[tuple[str, int, int, int]]) -> None:
    pool = CellPool(TOTAL, IDS)
    cells: list[list[object]] = [[] for _ in range(IDS)]
    for action, seq_id, other, count in todo:
        if action == "extend" and count <= pool.free:
            pool.extend(seq_id, count)
            cells[seq_id] += [object() for _ in range(count)]
        elif action == "share" and not cells[other] and seq_id != other:
            length = min(count, len(cells[seq_id]))
            pool.share(seq_id, other, length)
            cells[other] = cells[seq_id][:length]
        elif action == "truncate":
            pool.truncate(seq_id, count)
            del cells[seq_id][count:]
        assert pool.used == len({id(cell) for owned in cells for cell in owned})
        assert pool.free == TOTAL - pool.used
        assert [pool.length(index) for index in range(IDS)] == [len(owned) for owned in cells]
