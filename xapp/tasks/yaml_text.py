"""A safe subset of YAML: no aliases, no key twice, no object but mappings, lists and scalars.

Its depth, its number of values and the digits of its numbers are bounded before anything is built. PyYAML's
own scanner takes time that grows with the square of open brackets, so libyaml's scanner is used.
"""

from typing import Any

import yaml

from xapp.errors import ConfigError

MAX_DEPTH = 32
MAX_VALUES = 20_000
MAX_NUMBER_CHARS = 64

_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"


class _Loader(yaml.CSafeLoader):
    """Refuses what YAML accepts: of two equal keys YAML silently takes the last, and a number may be as long
    as the file.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            # A key may be a list of keys, whose value has no order.
            name = key.value if isinstance(key, yaml.ScalarNode) else repr(key.value)
            if name in seen:
                raise _error(f"the key {name!r} is there twice", key.start_mark)
            seen.add(name)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _number(loader: _Loader, node: yaml.ScalarNode) -> Any:
    if len(node.value) > MAX_NUMBER_CHARS:
        raise _error(f"a number of {len(node.value)} characters", node.start_mark)
    if node.tag == _INT:
        return loader.construct_yaml_int(node)
    return loader.construct_yaml_float(node)


_Loader.add_constructor(_INT, _number)
_Loader.add_constructor(_FLOAT, _number)


def _error(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, mark)


def read_mapping(text: str, source: str) -> dict[str, Any]:
    """The document's mapping. Raises ConfigError naming `source` and the line."""
    try:
        _check_events(text)
        value = yaml.load(text, Loader=_Loader)  # noqa: S506  a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f"line {mark.line + 1}" if mark is not None else "somewhere"
        raise ConfigError(source, f"{line}: {error.problem}"[:300]) from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(source, f"is no YAML: {error}"[:300]) from error
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigError(source, "is no mapping of names to values")
    return value


def _check_events(text: str) -> None:
    """Refuses aliases, which expand a small text, deep nesting, and too many values."""
    depth = num_values = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _error("aliases are not supported", event.start_mark)
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.NodeEvent):
            num_values += 1
            depth += isinstance(event, yaml.CollectionStartEvent)
        if depth > MAX_DEPTH:
            raise _error(f"nests deeper than {MAX_DEPTH}", event.start_mark)
        if num_values > MAX_VALUES:
            raise _error(f"has more than {MAX_VALUES} values", event.start_mark)
