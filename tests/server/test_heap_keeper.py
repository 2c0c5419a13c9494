"""What a burst leaves free goes back to the system, once."""

from xapp.server.heap_keeper import LARGE_BYTES, HeapKeeper, resident

BASE = 100 * 2**20


class Memory:
    """A process of which `kept` bytes stay whatever is given back."""

    def __init__(self) -> None:
        self.in_use, self.resident, self.kept, self.returns = BASE, BASE, 0, 0

    def give_back(self) -> None:
        self.returns += 1
        self.resident = min(self.resident, self.in_use + self.kept)

    def keeper(self) -> HeapKeeper:
        return HeapKeeper(lambda: self.in_use, lambda: self.resident, self.give_back)


async def test_memory_in_use_is_left_alone() -> None:
    memory = Memory()
    keeper = memory.keeper()
    memory.in_use = memory.resident = BASE + 5 * LARGE_BYTES
    await keeper.look()
    assert memory.returns == 0


async def test_freed_memory_goes_back_after_each_burst() -> None:
    memory = Memory()
    keeper = memory.keeper()
    for burst in (1, 2, 3):
        memory.in_use = memory.resident = BASE + 5 * LARGE_BYTES
        await keeper.look()
        memory.in_use = BASE
        await keeper.look()
        assert (memory.returns, memory.resident) == (burst, BASE)


async def test_what_cannot_go_back_is_tried_once() -> None:
    memory = Memory()
    keeper = memory.keeper()
    memory.resident, memory.kept = BASE + 2 * LARGE_BYTES, 2 * LARGE_BYTES
    for _ in range(3):
        await keeper.look()
    assert memory.returns == 1


async def test_a_library_that_does_not_say_ends_the_watch() -> None:
    await HeapKeeper(lambda: None).run()


def test_the_process_has_a_size() -> None:
    assert resident() > 2**20
