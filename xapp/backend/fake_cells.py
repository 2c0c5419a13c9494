"""The KV cache of the fake model."""


class FakeCells:
    """Keeps each sequence's cells. A shared prefix shares cells."""

    def __init__(self, num_sequences: int) -> None:
        self._cells: list[list[int]] = [[] for _ in range(num_sequences)]
        self._tokens: dict[int, int] = {}
        self._owners: dict[int, int] = {}
        self._next_cell = 0

    @property
    def used(self) -> int:
        """Cells that belong to at least one sequence."""
        return len(self._owners)

    def length(self, seq_id: int) -> int:
        """The number of a sequence's cells."""
        return len(self._cells[seq_id])

    def content(self, seq_id: int) -> list[int]:
        """The tokens in a sequence's cells."""
        return [self._tokens[cell] for cell in self._cells[seq_id]]

    def append(self, seq_id: int, token: int) -> None:
        """A new cell for the sequence."""
        cell = self._next_cell
        self._next_cell += 1
        self._tokens[cell] = token
        self._owners[cell] = 1
        self._cells[seq_id].append(cell)

    def share_last(self, source: int, target: int) -> None:
        """The last cell of `source` becomes one of `target` as well."""
        cell = self._cells[source][-1]
        self._owners[cell] += 1
        self._cells[target].append(cell)

    def copy_prefix(self, source: int, target: int, length: int) -> None:
        """The first cells of `source` become those of `target`, which has none."""
        assert not self._cells[target]
        shared = self._cells[source][:length]
        assert len(shared) == length
        for cell in shared:
            self._owners[cell] += 1
        self._cells[target] = shared

    def remove(self, seq_id: int, start: int = 0) -> None:
        """The sequence loses its cells from `start` on."""
        for cell in self._cells[seq_id][start:]:
            self._owners[cell] -= 1
            if not self._owners[cell]:
                del self._owners[cell], self._tokens[cell]
        del self._cells[seq_id][start:]
