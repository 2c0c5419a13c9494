import pytest

from xapp.models.formats import FORMATS, USUAL, format_name


def test_every_format_has_a_number_of_its_own() -> None:
    assert len({each.file_type for each in FORMATS.values()}) == len(FORMATS)


def test_the_usual_ones_are_offered() -> None:
    assert set(USUAL) <= set(FORMATS)


@pytest.mark.parametrize(
    ("number", "name"),
    [(3, "Q4_1"), (7, "Q8_0"), (15, "Q4_K_M"), (0, "F32"), (None, "other"), (9999, "other")],
)
def test_names(number: int | None, name: str) -> None:
    assert format_name(number) == name
