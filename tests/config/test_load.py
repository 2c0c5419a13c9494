"""Settings: what is read from where, in which order, and what is refused."""

import os
from pathlib import Path

import msgspec
import pytest

from tests.config.files import refused, settings_file
from tests.flat_settings import flat_settings
from xapp.config import KEYS, EngineSettings, Key, LogSettings, Settings, load_settings
from xapp.folders import default_models_dir

OLD_NAMES = """
    model models models_dir max_models host grpc_port http_port tls_cert tls_key tls_client_ca
    http_tls tokens_file policy_file open node_name context_length slots kv_cells kv_type kv_layout
    flash_attention threads gpu_layers memory_limit_mb step_budget_ms prefill_share batch_tokens
    prefix_cache ageing_s backend max_queue max_output_tokens max_message_bytes default_deadline_s
    max_deadline_s deadline_margin_ms deadline_admission join_identical quotas tasks_dir pin_tasks
    keepalive_s keepalive_timeout_s write_timeout_s grace_period_s load_timeout_s hang_timeout_s
    restart_backoff_max_s log_level log_format log_prompts
"""

# ---- what is read


def test_nothing_set_is_the_defaults() -> None:
    assert load_settings({}) == Settings()
    models_dir = str(Path.home() / ".cache/genai-xapp/models")
    assert Settings().node.models_dir == default_models_dir() == models_dir


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        (Key("node", "model"), "other", "other"),
        (Key("engine", "slots"), "4", 4),
        (Key("engine", "gpu_layers"), "-1", -1),
        (Key("server", "grpc_port"), "0", 0),
        (Key("engine", "step_budget_ms"), "12.5", 12.5),
        (Key("server", "grace_period_s"), "3", 3.0),
        (Key("engine", "prefix_cache"), "false", False),
        (Key("engine", "prefix_cache"), "0", False),
        (Key("log", "prompts"), "true", True),
        (Key("engine", "kv_type"), "q8_0", "q8_0"),
        (Key("log", "level"), "debug", "debug"),
    ],
)
def test_text_of_the_environment_becomes_a_value(key: Key, text: str, value: object) -> None:
    assert getattr(getattr(load_settings({key.variable: text}), key.table), key.name) == value


def test_a_file_without_tables_has_typed_values(tmp_path: Path) -> None:
    loaded = load_settings(settings_file(tmp_path, 'slots = 4\nprefix_cache = false\nhost = "[::1]"\n'))
    assert (loaded.engine.slots, loaded.engine.prefix_cache, loaded.server.host) == (4, False, "::1")


def test_tables_and_names_without_a_table_go_together(tmp_path: Path) -> None:
    content = 'slots = 4\n[engine]\nthreads = 2\n[log]\nlevel = "debug"\n'
    expected = Settings(engine=EngineSettings(slots=4, threads=2), log=LogSettings(level="debug"))
    assert load_settings(settings_file(tmp_path, content)) == expected


@pytest.mark.parametrize(
    "content",
    ["slots = 1\nthreads = 1\nmax_queue = 1\n", "max_queue = 1\n[engine]\nslots = 1\nthreads = 1\n"],
)
def test_file_then_environment_then_command_line(tmp_path: Path, content: str) -> None:
    environ = settings_file(tmp_path, content) | {"XAPP_THREADS": "2", "XAPP_MAX_QUEUE": "2"}
    assert load_settings(environ, {"max_queue": 3}) == flat_settings(slots=1, threads=2, max_queue=3)


def test_empty_and_none_set_nothing(tmp_path: Path) -> None:
    environ = settings_file(tmp_path, "slots = 1\n") | {"XAPP_SLOTS": "", "XAPP_MODEL": ""}
    assert load_settings(environ, {"slots": None}) == flat_settings(slots=1)
    assert load_settings({"XAPP_CONFIG_FILE": ""}) == Settings()


def test_other_variables_are_not_read() -> None:
    assert load_settings({"SLOTS": "7", "MY_XAPP_SLOTS": "7", "XAPP_SLOTZ": "7"}) == Settings()


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Settings().engine.slots = 4  # type: ignore[misc]


# ---- what is refused


def bad_values() -> list[tuple[str, str]]:
    """A value that does not parse for every key that has such, and values out of range."""
    wrong_type = [(key.dotted, "no-such-thing") for key in KEYS if key.field.type is not str]
    out_of_range = [
        ("engine.slots", "0"),
        ("engine.slots", "129"),
        ("engine.slots", "1.5"),
        ("server.grpc_port", "65536"),
        ("server.http_port", "-1"),
        ("engine.context_length", "63"),
        ("engine.gpu_layers", "-2"),
        ("server.grace_period_s", "0"),
        ("engine.step_budget_ms", "nan"),
        ("server.max_message_bytes", "1"),
        ("engine.kv_type", "F16"),
    ]
    return wrong_type + out_of_range


@pytest.mark.parametrize(("dotted", "text"), bad_values())
def test_a_bad_value_names_the_value_and_its_key_in_both_spellings(dotted: str, text: str) -> None:
    key = Key(*dotted.split("."))
    error = refused({key.variable: text})
    assert error.key == key.variable
    assert error.message.startswith(f"{key.variable}: {text!r}: ")
    assert error.message.endswith(f" ([{key.table}] {key.name})")


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.variable)
def test_bytes_that_are_no_utf_8_are_a_bad_value_of_every_setting(key: Key) -> None:
    error = refused({key.variable: os.fsdecode(b"\xff")})
    assert error.message.startswith(f"{key.variable}: ")
    assert "is not UTF-8" in error.message


def test_a_bad_value_of_the_file_or_the_command_line_names_its_key(tmp_path: Path) -> None:
    for content in ('slots = "many"\n', '[engine]\nslots = "many"\n', "[engine.slots]\n"):
        error = refused(settings_file(tmp_path, content))
        assert error.key == "XAPP_SLOTS"
        assert "[engine] slots" in error.message
    assert refused(settings_file(tmp_path, "host = 1\n")).key == "XAPP_HOST"
    assert refused({}, {"threads": 0}).key == "XAPP_THREADS"


# ---- two spellings of one setting


def test_every_key_has_a_name_of_its_own() -> None:
    assert len({key.flat for key in KEYS}) == len({key.dotted for key in KEYS}) == len(KEYS)


def test_the_names_that_the_environment_always_had_are_valid() -> None:
    """Those of the first release: nobody's files or manifests stop working."""
    assert {f"XAPP_{name.upper()}" for name in OLD_NAMES.split()} <= {key.variable for key in KEYS}


def test_settings_can_be_written_as_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(Settings()), type=Settings) == Settings()
