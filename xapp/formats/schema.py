"""Converts a JSON schema (a part of draft 2020-12) to the grammar of conforming answers.

Every answer that the grammar allows conforms, with one exception, `oneOf`: an answer may fit several of its
schemas, and is validated afterwards. The grammar does not allow every conforming text: objects have only
the keys of `properties`, in that order; see docs/formats.md.
"""

from typing import Any
from urllib.parse import unquote

from xapp.domain.format_kinds import FormatError, pointer
from xapp.formats import json_text
from xapp.formats.keywords import (
    OF_TYPE,
    check_apply,
    check_keywords,
    counts,
    only,
    types_of,
)
from xapp.formats.scalars import SCALARS, encodable, is_of_type
from xapp.grammar.compile import compile_rules
from xapp.grammar.expr import NEVER, Expr, GrammarError, Ref, Text, alt, optional, seq
from xapp.grammar.program import Program

MAX_SCHEMAS = 2000
"""Limit of converted subschemas. A subschema behind `$ref` counts each time it is reached anew."""
MAX_PROPERTIES = 128
MAX_OPTIONS = 256
MAX_REFS = 8
"""Limit of `$ref` on a path into the schema. Deeper parts are left out, or nothing conforms."""
_ONE_OF = ("anyOf", "oneOf")


def schema_program(schema: Any) -> Program:
    """Raises FormatError with the place."""
    rules = SchemaRules()
    root = rules.add(schema)
    try:
        return compile_rules({"root": root, **rules.rules()})
    except GrammarError as error:
        raise FormatError("", str(error)) from None


class SchemaRules:
    """The rules of several schemas in one grammar. The bound of subschemas holds for all of them together."""

    def __init__(self) -> None:
        self._converter = _Converter()

    def add(self, schema: Any, place: str = "") -> Expr:
        """The values that conform to the schema, which is at `place`. Raises FormatError."""
        self._converter.begin(schema, place)
        return self._converter.convert(schema, place, 0)

    def behind_references(self, schema: Any, place: str) -> Any:
        """The schema that a document's own `$ref` leads to; itself without one. Raises FormatError."""
        self._converter.begin(schema, place)
        return self._converter.behind_references(schema, place)

    def rules(self) -> dict[str, Expr]:
        """All rules that the expressions need."""
        return {**self._converter.rules, **json_text.rules()}


class _Converter:
    """`rules` grows during the conversion."""

    def __init__(self) -> None:
        self._document: Any = None
        self._root = ""
        self._refs: dict[tuple[str, int], Ref] = {}
        self._scalars: dict[str, Ref] = {}
        self._num_schemas = 0
        self.rules: dict[str, Expr] = {}

    def begin(self, document: Any, root: str) -> None:
        """References are followed in this document from now on. `root` is its place."""
        self._document, self._root = document, root

    def convert(self, schema: Any, place: str, depth: int) -> Expr:
        """The values that conform to the schema at `place`, `depth` references away from the root."""
        self._num_schemas += 1
        if self._num_schemas > MAX_SCHEMAS:
            raise FormatError(place, f"is more than {MAX_SCHEMAS} schemas, references followed")
        if schema is True:
            return json_text.VALUE
        if not isinstance(schema, dict):
            raise FormatError(place, "is no schema: it must be an object or true")
        check_keywords(schema, place)
        if "$ref" in schema:
            only(schema, place, "$ref")
            return self._ref(schema["$ref"], pointer(place, "$ref"), depth)
        if "const" in schema or "enum" in schema:
            return self._literals(schema, place)
        for key in (*_ONE_OF, "allOf"):
            if key in schema:
                return self._options(schema, place, key, depth)
        return self._typed(schema, place, depth)

    # ---- one of several

    def _literals(self, schema: dict[str, Any], place: str) -> Expr:
        key = "const" if "const" in schema else "enum"
        only(schema, place, key, "type")
        values = [schema["const"]] if key == "const" else schema["enum"]
        where = pointer(place, key)
        if not isinstance(values, list) or not 1 <= len(values) <= MAX_OPTIONS:
            raise FormatError(where, f"must be a list of 1 to {MAX_OPTIONS} values")
        types = types_of(schema, place)
        for index, value in enumerate(values):
            if types and not any(is_of_type(value, name) for name in types):
                raise FormatError(
                    where if key == "const" else pointer(where, index), f"is not of type {' or '.join(types)}"
                )
        return alt(*(Text(encodable(json_text.literal(value), where)) for value in values))

    def _options(self, schema: dict[str, Any], place: str, key: str, depth: int) -> Expr:
        only(schema, place, key)
        where, options = pointer(place, key), schema[key]
        most = 1 if key == "allOf" else MAX_OPTIONS
        if not isinstance(options, list) or not 1 <= len(options) <= most:
            raise FormatError(where, f"must be a list of 1 to {most} schemas")
        return alt(*(self.convert(option, pointer(where, at), depth) for at, option in enumerate(options)))

    def _ref(self, target: Any, place: str, depth: int) -> Expr:
        if not isinstance(target, str):
            raise FormatError(place, "must be a text")
        if not target.startswith("#"):
            raise FormatError(place, f"{target[:80]!r} is not in this document: only #/... is followed")
        schema, where = self._resolve(target, place)
        if depth >= MAX_REFS:
            return NEVER
        key = (where, depth)
        if key not in self._refs:
            name = self._refs[key] = Ref(f"{where or '/'} at {depth}")
            self.rules[name.name] = self.convert(schema, where, depth + 1)
        return self._refs[key]

    def behind_references(self, schema: Any, place: str) -> Any:
        """Where references lead within MAX_REFS."""
        for _ in range(MAX_REFS):
            if not isinstance(schema, dict) or not isinstance(schema.get("$ref"), str):
                break
            schema, _where = self._resolve(schema["$ref"], pointer(place, "$ref"))
        return schema

    def _resolve(self, target: str, place: str) -> tuple[Any, str]:
        found, where = self._document, self._root
        for part in target[1:].split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and key.isdecimal() and len(key) < 6 and int(key) < len(found):
                found = found[int(key)]
            elif isinstance(found, dict) and key in found:
                found = found[key]
            else:
                raise FormatError(place, f"{target[:80]!r} is not in this document")
            where = pointer(where, key)
        if target[1:2] not in {"", "/"}:
            raise FormatError(place, f"{target[:80]!r}: anchors are not supported")
        return found, where

    # ---- by type

    def _typed(self, schema: dict[str, Any], place: str, depth: int) -> Expr:
        types = types_of(schema, place)
        if not types:
            return json_text.VALUE
        check_apply(schema, place, types)
        return alt(*(self._of_type(name, schema, place, depth) for name in types))

    def _of_type(self, name: str, schema: dict[str, Any], place: str, depth: int) -> Expr:
        if name == "array":
            return self._array(schema, place, depth)
        if name == "object":
            return self._object(schema, place, depth)
        return self._scalar(name, schema, place)

    def _scalar(self, name: str, schema: dict[str, Any], place: str) -> Expr:
        """One rule for equal schemas: ranges of numbers take many symbols."""
        key = json_text.literal([name, {key: schema[key] for key in sorted(OF_TYPE[name] & schema.keys())}])
        if key not in self._scalars:
            self._scalars[key] = self._named(SCALARS[name](schema, place), place)
        return self._scalars[key]

    def _array(self, schema: dict[str, Any], place: str, depth: int) -> Expr:
        low, high = counts(schema, place, "minItems", "maxItems")
        items = self.convert(schema.get("items", True), pointer(place, "items"), depth)
        return json_text.array(self._named(items, pointer(place, "items")), low, high)

    def _object(self, schema: dict[str, Any], place: str, depth: int) -> Expr:
        properties, required = schema.get("properties"), _required(schema, place)
        extra = schema.get("additionalProperties", properties is None)
        if not isinstance(extra, bool):
            values = self.convert(extra, pointer(place, "additionalProperties"), depth)
        else:
            values = json_text.VALUE
        if not properties:
            if properties is not None and not isinstance(properties, dict):
                raise FormatError(pointer(place, "properties"), "must be an object")
            return Text("{}") if extra is False or properties is not None else self._mapping(values, place)
        members = self._members(properties, pointer(place, "properties"), depth)
        return seq(Text("{"), self._chain(members, required, place), Text("}"))

    def _mapping(self, values: Expr, place: str) -> Expr:
        pair = seq(json_text.STRING, json_text.COLON, values)
        return json_text.mapping(self._named(pair, pointer(place, "additionalProperties")))

    def _members(self, properties: Any, place: str, depth: int) -> dict[str, Ref]:
        if not isinstance(properties, dict) or len(properties) > MAX_PROPERTIES:
            raise FormatError(place, f"must be an object of at most {MAX_PROPERTIES} properties")
        members = {}
        for key, schema in properties.items():
            value = self.convert(schema, pointer(place, key), depth)
            name = Text(encodable(json_text.literal(key), place))
            members[key] = self._named(seq(name, json_text.COLON, value), pointer(place, key))
        return members

    def _chain(self, members: dict[str, Ref], required: set[str], place: str) -> Expr:
        """The members in their order. Members that are not required may be left out, with their comma."""
        names = list(members)
        first_required = next((at for at, name in enumerate(names) if name in required), len(names))
        rest: Expr = Text("")
        ways: list[Expr] = [] if first_required < len(names) else [rest]
        for at in range(len(names) - 1, -1, -1):
            member = members[names[at]]
            if at <= first_required:
                rest = self._named(rest, f"{place}/properties after {at}")
                ways.append(seq(member, rest))
            more = seq(json_text.COMMA, member)
            rest = seq(more if names[at] in required else optional(more), rest)
        return alt(*reversed(ways))

    def _named(self, expr: Expr, place: str) -> Ref:
        if isinstance(expr, Ref):
            return expr
        ref = Ref(f"{place} #{len(self.rules)}")
        self.rules[ref.name] = expr
        return ref


def _required(schema: dict[str, Any], place: str) -> set[str]:
    names, where = schema.get("required", []), pointer(place, "required")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise FormatError(where, "must be a list of names")
    properties = schema.get("properties") or {}
    for index, name in enumerate(names):
        if name not in properties:
            raise FormatError(pointer(where, index), f"{name[:80]!r} is not in properties")
    return set(names)
