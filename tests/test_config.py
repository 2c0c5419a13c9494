"""Settings: what is read from where, in which order, and what is refused."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from xapp.config import OTHER_KEYS, EngineSettings, Settings, load_settings, unknown_keys
from xapp.errors import ConfigError
from xapp.folders import default_models_dir
from xapp.ric.descriptor import PATH_KEY


def settings_file(folder: Path, text: str | bytes) -> dict[str, str]:
    """The environment that names a file with this content."""
    path = folder / "settings.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return {"XAPP_CONFIG_FILE": str(path)}


def refused(environ: dict[str, str], overrides: dict[str, Any] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ, overrides)
    return caught.value


# ---- what is read


def test_nothing_set_is_the_defaults() -> None:
    assert load_settings({}) == Settings()
    assert Settings().models_dir == default_models_dir() == str(Path.home() / ".cache/genai-xapp/models")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("model", "other", "other"),
        ("slots", "4", 4),
        ("gpu_layers", "-1", -1),
        ("grpc_port", "0", 0),
        ("step_budget_ms", "12.5", 12.5),
        ("grace_period_s", "3", 3.0),
        ("prefix_cache", "false", False),
        ("prefix_cache", "0", False),
        ("log_prompts", "true", True),
        ("kv_type", "q8_0", "q8_0"),
        ("log_level", "debug", "debug"),
    ],
)
def test_text_of_the_environment_becomes_a_value(key: str, text: str, value: object) -> None:
    assert getattr(load_settings({f"XAPP_{key.upper()}": text}), key) == value


def test_the_file_has_typed_values(tmp_path: Path) -> None:
    loaded = load_settings(settings_file(tmp_path, 'slots = 4\nprefix_cache = false\nhost = "::1"\n'))
    assert (loaded.slots, loaded.prefix_cache, loaded.host) == (4, False, "::1")


def test_file_then_environment_then_command_line(tmp_path: Path) -> None:
    environ = settings_file(tmp_path, "slots = 1\nthreads = 1\nmax_queue = 1\n")
    environ |= {"XAPP_THREADS": "2", "XAPP_MAX_QUEUE": "2"}
    loaded = load_settings(environ, {"max_queue": 3})
    assert (loaded.slots, loaded.threads, loaded.max_queue) == (1, 2, 3)


def test_empty_and_none_set_nothing(tmp_path: Path) -> None:
    environ = settings_file(tmp_path, "slots = 1\n") | {"XAPP_SLOTS": "", "XAPP_MODEL": ""}
    assert load_settings(environ, {"slots": None}) == Settings(slots=1)
    assert load_settings({"XAPP_CONFIG_FILE": ""}) == Settings()


def test_other_variables_are_not_read() -> None:
    assert load_settings({"SLOTS": "7", "MY_XAPP_SLOTS": "7", "XAPP_SLOTZ": "7"}) == Settings()


def test_a_worker_gets_its_part() -> None:
    engine = load_settings({"XAPP_SLOTS": "3", "XAPP_BACKEND": "fake", "XAPP_HOST": "::1"}).engine
    assert engine == EngineSettings(slots=3, backend="fake")
    assert type(engine) is EngineSettings


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Settings().slots = 4  # type: ignore[misc]


# ---- what is refused


def bad_values() -> list[tuple[str, str]]:
    """A value that does not parse for every field that has such, and values out of range."""
    wrong_type = [
        (field.name, "no-such-thing") for field in msgspec.structs.fields(Settings) if field.type is not str
    ]
    out_of_range = [
        ("slots", "0"),
        ("slots", "129"),
        ("slots", "1.5"),
        ("grpc_port", "65536"),
        ("http_port", "-1"),
        ("context_length", "63"),
        ("gpu_layers", "-2"),
        ("grace_period_s", "0"),
        ("step_budget_ms", "nan"),
        ("max_message_bytes", "1"),
        ("kv_type", "F16"),
    ]
    return wrong_type + out_of_range


@pytest.mark.parametrize(("name", "text"), bad_values())
def test_a_bad_value_names_its_key_and_the_value(name: str, text: str) -> None:
    error = refused({f"XAPP_{name.upper()}": text})
    assert error.key == f"XAPP_{name.upper()}"
    assert error.message.startswith(f"XAPP_{name.upper()}: {text!r}: ")


def test_a_bad_value_of_the_file_or_the_command_line_names_its_key(tmp_path: Path) -> None:
    assert refused(settings_file(tmp_path, 'slots = "many"\n')).key == "XAPP_SLOTS"
    assert refused(settings_file(tmp_path, "host = 1\n")).key == "XAPP_HOST"
    assert refused({}, {"threads": 0}).key == "XAPP_THREADS"


def test_an_unknown_key_of_the_file_is_refused(tmp_path: Path) -> None:
    environ = settings_file(tmp_path, "slotz = 4\n")
    error = refused(environ)
    assert error.key == "slotz"
    assert error.message == f"slotz: no such setting (in {environ['XAPP_CONFIG_FILE']}); did you mean slots?"
    assert "did you mean" not in refused(settings_file(tmp_path, "[server]\nslots = 4\n")).message


@pytest.mark.parametrize("content", ["slots: 4\n", "slots = \n", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: str | bytes) -> None:
    environ = settings_file(tmp_path, content)
    error = refused(environ)
    assert error.message.startswith(f"XAPP_CONFIG_FILE: {environ['XAPP_CONFIG_FILE']} is not TOML: ")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    message = f"XAPP_CONFIG_FILE: cannot read {missing}: No such file or directory"
    assert refused({"XAPP_CONFIG_FILE": str(missing)}).message == message
    assert "Is a directory" in refused({"XAPP_CONFIG_FILE": str(tmp_path)}).message


# ---- unknown keys of the environment


def test_unknown_keys_come_with_the_nearest() -> None:
    environ = {
        "XAPP_SLOTZ": "1",
        "XAPP_GPRC_PORT": "50052",
        "XAPP_ZZZZZZZZ": "1",
        "SLOTZ": "1",
        "XAPP_EMPTY": "",
    }
    nearest = {"XAPP_SLOTZ": "XAPP_SLOTS", "XAPP_GPRC_PORT": "XAPP_GRPC_PORT", "XAPP_ZZZZZZZZ": ""}
    assert unknown_keys(environ) == nearest


def test_settings_and_keys_read_elsewhere_are_known() -> None:
    assert PATH_KEY in OTHER_KEYS
    names = {f"XAPP_{name.upper()}" for name in Settings.__struct_fields__} | OTHER_KEYS | {"XAPP_slots"}
    assert unknown_keys(dict.fromkeys(names, "1")) == {}


def test_what_kubernetes_sets_for_a_service_is_ignored() -> None:
    address = "10.0.0.1"
    environ: dict[str, str] = {}
    for service in ("XAPP", "XAPP_GENAI_HTTP"):
        environ |= {
            f"{service}_SERVICE_HOST": address,
            f"{service}_SERVICE_PORT": "50051",
            f"{service}_SERVICE_PORT_GRPC": "50051",
            f"{service}_PORT": f"tcp://{address}:50051",
            f"{service}_PORT_50051_TCP": f"tcp://{address}:50051",
            f"{service}_PORT_50051_TCP_PROTO": "tcp",
            f"{service}_PORT_50051_TCP_PORT": "50051",
            f"{service}_PORT_50051_TCP_ADDR": address,
        }
    assert unknown_keys(environ) == {}
    assert load_settings(environ) == Settings()


def test_what_kubernetes_sets_for_a_service_is_no_port_of_ours() -> None:
    settings = load_settings({"XAPP_GRPC_PORT": "tcp://10.43.0.7:50051"})
    assert settings.grpc_port == 50051
