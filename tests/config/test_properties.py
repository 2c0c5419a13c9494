"""Whatever is set, and however it is spelled, the Settings are the same."""

import json
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.config.files import settings_file
from xapp.config import KEYS, KEYS_OF_A_MODEL, Key, Settings, load_settings

in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
Chosen = dict[Key, Any]


def values_of(kind: Any, meta: msgspec.Meta | None = None) -> st.SearchStrategy[Any]:
    """Values that a field of this type takes, None left out: it cannot be written."""
    if get_origin(kind) is Annotated:
        inner, found = get_args(kind)
        return values_of(inner, found)
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if get_origin(kind) in {Union, UnionType}:
        return st.one_of(*(values_of(each) for each in get_args(kind) if each is not type(None)))
    return _plain(kind, meta or msgspec.Meta())


def _plain(kind: Any, meta: msgspec.Meta) -> st.SearchStrategy[Any]:
    if kind is bool:
        return st.booleans()
    if kind is int:
        return st.integers(int(meta.ge or 0), int(meta.le or 1 << 31))
    if kind is float:
        least = meta.ge if meta.ge is not None else 0.001
        return st.floats(float(least), float(meta.le or 1e6), allow_nan=False)
    assert kind is str
    return st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)


_OF_A_FORM = {"rpc_hosts": st.sampled_from(["a:1", "10.0.0.2:50052,b:2"]), "rpc_split": st.just("4,13,13")}
"""Texts that have a form."""


def some_of(keys: list[Key]) -> st.SearchStrategy[Chosen]:
    optional = {
        key: _OF_A_FORM[key.name] if key.name in _OF_A_FORM else values_of(key.field.type) for key in keys
    }
    return st.fixed_dictionaries({}, optional=optional)


def flat_file(chosen: Chosen) -> str:
    return "".join(f"{key.flat} = {json.dumps(value)}\n" for key, value in chosen.items())


def nested_file(chosen: Chosen) -> str:
    tables = sorted({key.table for key in chosen})
    return "\n".join([_table(table, chosen) for table in tables])


def _table(table: str, chosen: Chosen) -> str:
    lines = [f"{key.name} = {json.dumps(value)}\n" for key, value in chosen.items() if key.table == table]
    return f"[{table}]\n{''.join(lines)}"


def environment(chosen: Chosen) -> dict[str, str]:
    return {
        key.variable: value if isinstance(value, str) else json.dumps(value) for key, value in chosen.items()
    }


def expected(chosen: Chosen) -> Settings:
    result = Settings()
    for key, value in chosen.items():
        table = msgspec.structs.replace(getattr(result, key.table), **{key.name: value})
        result = msgspec.structs.replace(result, **{key.table: table})
    return result


@in_one_folder
@given(chosen=some_of(KEYS))
def test_tables_bare_names_and_the_environment_say_the_same(tmp_path: Path, chosen: Chosen) -> None:
    nested = load_settings(settings_file(tmp_path, nested_file(chosen)))
    assert nested == load_settings(settings_file(tmp_path, flat_file(chosen)))
    assert nested == load_settings(environment(chosen)) == expected(chosen)


@in_one_folder
@given(in_file=some_of(KEYS), in_environment=some_of(KEYS), data=st.data())
def test_the_environment_wins_over_the_file(
    tmp_path: Path, in_file: Chosen, in_environment: Chosen, data: st.DataObject
) -> None:
    flat = {key: value for key, value in in_file.items() if data.draw(st.booleans())}
    nested = {key: value for key, value in in_file.items() if key not in flat}
    environ = settings_file(tmp_path, flat_file(flat) + nested_file(nested))
    assert load_settings(environ | environment(in_environment)) == expected(in_file | in_environment)


@in_one_folder
@given(of_all=some_of(KEYS_OF_A_MODEL), own=some_of(KEYS_OF_A_MODEL))
def test_a_model_has_what_holds_for_all_but_for_its_own(tmp_path: Path, of_all: Chosen, own: Chosen) -> None:
    lines = "".join(f"{key.name} = {json.dumps(value)}\n" for key, value in own.items())
    loaded = load_settings(settings_file(tmp_path, f'{nested_file(of_all)}\n[models."a.b"]\n{lines}'))
    assert loaded.of_model("a.b").engine == expected(of_all | own).engine
    assert loaded.of_model("other").engine == loaded.engine == expected(of_all).engine


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.dotted)
def test_every_key_can_be_drawn(key: Key) -> None:
    """Else the properties above would leave it out."""
    assert not values_of(key.field.type).is_empty
