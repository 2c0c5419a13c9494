import os
import re

import pytest

from xapp.models.catalogue import (
    DEFAULT_MODEL,
    Entry,
    Kind,
    KvType,
    catalogue,
    entries_by_file,
    memory_needed,
)
from xapp.models.digest import hash_file
from xapp.models.info import read_gguf
from xapp.models.paths import models_dir

ENTRIES = list(catalogue().values())
FAMILIES = {"Yi", "Phi", "Llama 3", "Gemma", "Zephyr", "Mistral", "InternLM", "Llama 2"}


def test_the_papers_families_are_there() -> None:
    assert {entry.family for entry in ENTRIES if entry.family} == FAMILIES


def test_the_default_is_first_and_pinned() -> None:
    default = ENTRIES[0]
    assert default.name == DEFAULT_MODEL
    assert default.package is not None
    assert re.fullmatch(r"[\w-]+==[\d.]+", default.package.requirement)
    assert re.fullmatch("[0-9a-f]{64}", default.package.sha256)


def test_files_in_the_flat_folder_do_not_collide() -> None:
    assert len(entries_by_file()) == len(ENTRIES)
    assert not any("/" in entry.local_file for entry in ENTRIES)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_facts_are_plausible(entry: Entry) -> None:
    assert entry.file.endswith(".gguf")
    assert bool(entry.repo) != bool(entry.package)
    assert not entry.repo or re.fullmatch(r"[\w.-]+/[\w.-]+", entry.repo)
    assert not entry.sha256 or re.fullmatch("[0-9a-f]{64}", entry.sha256)
    assert not (entry.size_bytes and entry.size_rounded)
    assert not (entry.num_params and entry.params)
    assert (entry.kv_layers is None) == (entry.n_head_kv is None) == (entry.head_dim is None)


def test_memory_is_weights_and_kv() -> None:
    entry = catalogue()["llama-3-8b"]
    assert entry.geometry is not None
    assert entry.geometry.bytes_per_token(KvType.F16) == 131_072
    assert entry.geometry.bytes_per_token(KvType.Q8_0) == 131_072 * 34 // 64
    assert memory_needed(entry, 8192) == 4_920_733_888 + 8192 * 131_072
    assert memory_needed(entry, 8192, "q8_0") == 4_920_733_888 + 8192 * 69_632


@pytest.mark.parametrize("name", ["yi-1.5-6b-chat", "granite-4.0-350m", "gemma-2b"])
def test_memory_is_unknown_where_a_fact_is(name: str) -> None:
    assert memory_needed(catalogue()[name], 4096) is None


@pytest.mark.slow
def test_the_default_file_is_as_stated() -> None:
    entry = catalogue()[DEFAULT_MODEL]
    path = models_dir(os.environ) / entry.local_file
    if not path.exists():
        pytest.skip(f"{path} is not there")
    info = read_gguf(path)
    assert hash_file(path) == f"sha256:{entry.sha256}"
    assert (info.file_size, info.context_length) == (entry.size_bytes, entry.context_length)
    assert info.geometry == entry.geometry
    assert info.has_chat_template


def test_every_kind_can_be_served() -> None:
    assert {entry.kind for entry in ENTRIES} >= {Kind.CHAT, Kind.EMBEDDING, Kind.RERANKER}
    assert all(entry.kind.servable for entry in ENTRIES)


def test_only_embedding_models_have_prefixes_and_shorter_vectors() -> None:
    for entry in ENTRIES:
        facts = (entry.query_prefix, entry.passage_prefix, entry.min_dimensions)
        assert entry.kind is Kind.EMBEDDING or not any(facts)
