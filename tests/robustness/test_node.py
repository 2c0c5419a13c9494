"""What the harness reads out of the log of a node."""

import pytest

from tests.robustness.history import Fault
from tests.robustness.node import told_fault


def test_a_failpoint_tells_its_fault_and_when_it_was() -> None:
    assert told_fault("failpoint decode: kill at 1385.508123") == Fault(
        1385.508123, 1385.508123, "failpoint decode: kill"
    )


@pytest.mark.parametrize(
    "line",
    [
        "",
        '    raise error() if error is not None else OSError(f"failpoint {name}")',
        "the worker ended: OSError: failpoint event_socket",
        "failpoint decode: kill",
    ],
)
def test_other_lines_that_name_a_failpoint_tell_no_fault(line: str) -> None:
    assert told_fault(line) is None
