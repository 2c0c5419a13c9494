"""The tables of docs/services.md are those that the plan computes."""

import pytest

from scripts.services_table import BOARDS_GB, PAGE, Combination, board, main, plan, updated
from xapp.node_plan.planned import Room


def test_the_page_is_up_to_date() -> None:
    text = PAGE.read_text()
    assert text == updated(text), "run 'python -m scripts.services_table'"
    assert main(["--check"]) == 0


def test_another_table_is_noticed() -> None:
    text = PAGE.read_text()
    assert updated(text.replace("| qwen2.5-1.5b |", "| qwen2.5-9b |", 1)) == text


@pytest.mark.parametrize("everything", [True, False])
def test_what_fits_on_a_board_fits_on_a_larger_board(everything: bool) -> None:
    rooms = [
        plan(Combination(("mistral-7b-v0.3",), everything), board(size)).room is not Room.NONE
        for size in BOARDS_GB
    ]
    assert rooms == sorted(rooms)


def test_more_services_take_more() -> None:
    alone, beside = (plan(Combination(("qwen2.5-0.5b",), each), board(16)) for each in (False, True))
    assert alone.least_bytes < beside.least_bytes
    assert alone.sized_bytes < beside.sized_bytes
