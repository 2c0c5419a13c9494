"""`[models.NAME]`: what a model's own table changes, and what it may not say."""

from pathlib import Path

import pytest

from tests.config.files import refused, settings_file
from xapp.config import EngineSettings, ModelSettings, load_settings

TABLES = """
models_dir = "/models"
[engine]
slots = 8
threads = 4
[models.little]
slots = 2
[models."big-1.5b"]
kind = "generate"
kv_type = "q8_0"
step_budget_ms = 50
"""


def test_a_table_changes_what_it_names_and_leaves_the_rest(tmp_path: Path) -> None:
    settings = load_settings(settings_file(tmp_path, TABLES))
    big = EngineSettings(slots=8, threads=4, kv_type="q8_0", step_budget_ms=50)
    assert settings.of_model("big-1.5b") == ModelSettings(kind="generate", engine=big)
    assert settings.of_model("little") == ModelSettings(engine=EngineSettings(slots=2, threads=4))
    assert settings.of_model("another") == ModelSettings(engine=EngineSettings(slots=8, threads=4))
    assert settings.engine == EngineSettings(slots=8, threads=4)


def test_a_models_own_table_counts_before_what_holds_for_all(tmp_path: Path) -> None:
    environ = settings_file(tmp_path, TABLES) | {"XAPP_SLOTS": "3"}
    settings = load_settings(environ, {"threads": 1})
    assert (settings.of_model("little").engine.slots, settings.of_model("another").engine.slots) == (2, 3)
    assert settings.of_model("little").engine.threads == 1


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[models.a]\nslotz = 1", "models.a.slotz: no such setting of a model; did you mean models.a.slots?"),
        ("[models.a]\nmax_queue = 1", "models.a.max_queue: no such setting of a model"),
        (
            "[models.a]\nbackend = 'fake'",
            "models.a.backend: it is the same for all models: set it in [engine]",
        ),
        ("[models.a]\nslots = 0", "models.a.slots: 0: Expected `int` >= 1"),
        ("[models.a]\nkv_type = 'q1'", "models.a.kv_type: 'q1': Invalid enum value 'q1'"),
        (
            "[models.a]\nkind = 'embeding'",
            "models.a.kind: 'embeding': no such kind, there are generate, embedding, reranker;"
            " did you mean embedding?",
        ),
        ("[models.a]\nkind = []", "models.a.kind: []: no such kind, there are generate, embedding, reranker"),
        ("[models.a]\nquery_prefix = 1", "models.a.query_prefix: 1: Expected `str | null`, got `int`"),
        ("[models.a]\nmin_dimensions = 0", "models.a.min_dimensions: 0: Expected `int` >= 1"),
        (
            "[models.a]\nquery_prefx = 'q'",
            "models.a.query_prefx: no such setting of a model; did you mean models.a.query_prefix?",
        ),
        ("[models]\na = 1", "models.a: a table is wanted, [models.a] (in FILE)"),
        (
            "[models.qwen2.5-0.5b]\nslots = 1",
            'models.qwen2.5-0.5b: a name with dots needs quotes: [models."qwen2.5-0.5b"] (in FILE)',
        ),
    ],
)
def test_a_bad_table_names_model_and_key(tmp_path: Path, table: str, message: str) -> None:
    environ = settings_file(tmp_path, table)
    assert refused(environ).message.replace(environ["XAPP_CONFIG_FILE"], "FILE") == message


def test_a_model_of_vectors_has_keys_of_its_own(tmp_path: Path) -> None:
    vectors = "query_prefix = 'q: '\npassage_prefix = ''\nmin_dimensions = 64"
    table = f"[models.a]\nkind = 'embedding'\nslots = 2\n{vectors}"
    own = load_settings(settings_file(tmp_path, table)).of_model("a")
    assert (own.kind, own.query_prefix, own.passage_prefix, own.min_dimensions) == (
        "embedding",
        "q: ",
        "",
        64,
    )
    assert own.engine.slots == 2


def test_models_without_a_table_are_the_names_to_load(tmp_path: Path) -> None:
    assert load_settings(settings_file(tmp_path, 'models = "a, b"')).node.models == "a, b"
    both = settings_file(tmp_path, '[node]\nmodels = "a"\n[models.a]\nslots = 1')
    assert load_settings(both).node.models == "a"
