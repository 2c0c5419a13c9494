"""Counts KV cells exactly as a unified llama.cpp cache does: a shared cell is one cell.

The pool knows neither requests nor tokens. It must agree with llama.cpp at all times, so that a decode
never fails for want of a cell.
"""


class CellPool:
    """`total` cells, lent to `num_sequences` sequences. A cell may belong to several sequences.

    `reserved` of the free cells are set aside; the KV cache updates the figure.
    """

    def __init__(self, total: int, num_sequences: int) -> None:
        self.total = total
        self.reserved = 0
        self.peak = 0
        """Most cells in use since the cache was last empty: about the position of the highest cell."""
        self._free = list(range(total - 1, -1, -1))
        self._owners = [0] * total
        self._cells: list[list[int]] = [[] for _ in range(num_sequences)]

    @property
    def free(self) -> int:
        """Cells that belong to no sequence."""
        return len(self._free)

    @property
    def available(self) -> int:
        """Free cells that are not reserved."""
        return len(self._free) - self.reserved

    @property
    def used(self) -> int:
        """Cells that belong to at least one sequence."""
        return self.total - len(self._free)

    def length(self, seq_id: int) -> int:
        """Cells of one sequence, shared ones included."""
        return len(self._cells[seq_id])

    def extend(self, seq_id: int, count: int) -> None:
        """Lends `count` free cells to a sequence."""
        free, owners, cells = self._free, self._owners, self._cells[seq_id]
        assert count <= len(free), "the scheduler reserved too few cells"
        for _ in range(count):
            cell = free.pop()
            owners[cell] = 1
            cells.append(cell)
        used = self.total - len(free)
        self.peak = max(self.peak, used)

    def share(self, source: int, target: int, length: int) -> None:
        """Shares the first `length` cells of `source` with `target`, which is empty."""
        assert not self._cells[target], "the target of a copy must be empty"
        shared = self._cells[source][:length]
        assert len(shared) == length, "the source is shorter than the prefix"
        for cell in shared:
            self._owners[cell] += 1
        self._cells[target] = shared

    def truncate(self, seq_id: int, length: int = 0) -> int:
        """Removes a sequence's cells from position `length` on. Returns how many cells became free."""
        free, owners, cells = self._free, self._owners, self._cells[seq_id]
        before = len(free)
        for cell in cells[length:]:
            owners[cell] -= 1
            if owners[cell] == 0:
                free.append(cell)
        del cells[length:]
        if self.used == 0:
            self.peak = 0
        return len(free) - before
