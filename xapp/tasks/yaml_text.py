"""YAML with nothing that surprises: no aliases, no key twice, no object but mappings, lists and scalars."""

from typing import Any

import yaml

from xapp.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """Aliases make much of little, and of a key that is there twice YAML takes the last in silence."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # the stubs miss it
            raise yaml.composer.ComposerError(None, None, "aliases are not supported", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                message = f"the key {key.value!r} is there twice"
                raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_mapping(text: str, source: str) -> dict[str, Any]:
    """The document's mapping. Raises ConfigError naming `source` and the line."""
    try:
        value = yaml.load(text, Loader=_Loader)  # noqa: S506  a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f"line {mark.line + 1}" if mark is not None else "somewhere"
        raise ConfigError(source, f"{line}: {error.problem}") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(source, f"is no YAML: {error}"[:300]) from error
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigError(source, "is no mapping of names to values")
    return value
