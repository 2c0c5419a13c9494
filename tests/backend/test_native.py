"""What is done to llama.cpp before the first model."""

import ctypes
from pathlib import Path

import pytest

from xapp.backend.native import llama, load_variants


class Library:
    """Knows devices or none, and notes where it was told to look for them."""

    def __init__(self, known: int) -> None:
        self.looked: list[bytes | None] = []
        self.ggml_backend_reg_count = lambda: known
        self.ggml_backend_load_all_from_path = self._load

    def _load(self, folder: ctypes.c_char_p) -> None:
        self.looked.append(folder.value)


@pytest.mark.parametrize(("known", "looked"), [(0, [b"/lib/of/llama"]), (1, [])])
def test_variants_are_loaded_where_the_build_has_no_device(known: int, looked: list[bytes]) -> None:
    library = Library(known)
    load_variants(library, Path("/lib/of/llama"))
    assert library.looked == looked


def test_this_build_knows_a_device() -> None:
    """Otherwise no model could be loaded."""
    assert llama._lib.ggml_backend_reg_count() > 0
