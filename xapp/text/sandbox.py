"""Sandbox: Jinja for templates from a stranger's model file, confined, with bounded time and memory.

Jinja's own sandbox keeps a template from reaching Python's internals. This sandbox adds a budget to each
render: turns of loops, calls, and characters read or made are charged. Operations that make large values from
small ones are charged first (text times number, replace, join) or refused (padding, `**`). A chat template
needs a few dozen units a message.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from jinja2 import TemplateError, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from xapp.text.budget import concat, current, join, measured, metered, read, replace, text
from xapp.text.formatting import format_text, formatted_by

FAULTS = (
    TemplateError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    NameError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""Errors of compiling or rendering that are faults of the template or of its values."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STR_METHODS = _words(
    "capitalize count endswith find index isalnum isalpha isascii isdigit islower isnumeric isspace isupper "
    "lower lstrip partition removeprefix removesuffix replace rfind rindex rpartition rsplit rstrip split "
    "splitlines startswith strip title upper join"
)
_METHODS: Mapping[type, frozenset[str]] = {
    str: _STR_METHODS,
    dict: frozenset({"get", "items", "keys", "values", "copy"}),
    list: frozenset({"index", "count", "copy"}),
    tuple: frozenset({"index", "count"}),
    LoopContext: frozenset({"cycle"}),
}
_FILTERS = _words(
    "abs capitalize count d default dictsort first float int items last length list lower map max min "
    "reject rejectattr reverse select selectattr sort string title trim unique upper"
)
_COMPARING_TESTS = _words("in == eq equalto != ne > gt greaterthan ge >= < lt lessthan <= le")


def _range(*args: int) -> range:
    """A search in a range may look at each number, so all of them are charged."""
    numbers = range(*args)
    current().charge(len(numbers))
    return numbers


def _call_method(receiver: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    kind = next((kind for kind in _METHODS if isinstance(receiver, kind)), None)
    if kind is None or name not in _METHODS[kind]:
        raise SecurityError(f"{type(receiver).__name__}.{name} is not supported")
    if kind is str and name == "replace":
        return replace(receiver, *args, **kwargs)
    if kind is str and name == "join":
        return join(args[0], receiver)
    return measured(getattr(read(receiver), name)(*args, **kwargs))


def _refusing(name: str) -> Callable[..., Any]:
    def refuse(*_args: Any, **_kwargs: Any) -> Any:
        raise SecurityError(f"the filter {name} is not supported")

    return refuse


def _measuring(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose input and result are charged. Lazy results are computed completely."""

    def filter_(*args: Any, **kwargs: Any) -> Any:
        return measured(function(*map(read, args), **kwargs))

    # Jinja reads from this attribute whether to pass the context or the environment.
    if hasattr(function, "jinja_pass_arg"):
        filter_.jinja_pass_arg = function.jinja_pass_arg  # type: ignore[attr-defined]
    return filter_


def _reading(test: Callable[..., Any]) -> Callable[..., Any]:
    """A test such as `in`, whose input is charged."""

    def test_(*args: Any) -> Any:
        return test(*map(measured, args))

    return test_


class _Metering(NodeTransformer):
    """Adds the budget where Jinja has no hook: loops, `~`, comparisons, slices, list and dict literals."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802  Jinja's names
        if node.recursive:
            raise SecurityError("recursive loops are not supported")
        weight = 1 + sum(1 for _ in node.find_all(nodes.Node)) // 8
        self.generic_visit(node)
        node.iter = _filter(node.iter, "_metered", nodes.Const(weight, lineno=node.lineno))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return _filter(nodes.List(node.nodes, lineno=node.lineno), "_concat")

    def visit_Compare(self, node: nodes.Compare) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        node.expr = _filter(node.expr, "_measured")
        for operand in node.ops:
            operand.expr = _filter(operand.expr, "_measured")
        return node

    def visit_List(self, node: nodes.List) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return _filter(node, "_measured")

    def visit_Dict(self, node: nodes.Dict) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return _filter(node, "_measured")

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return _filter(node, "_measured") if node.ctx == "load" else node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return _filter(node, "_measured") if isinstance(node.arg, nodes.Slice) else node


def _filter(node: nodes.Node, name: str, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(cast(nodes.Expr, node), name, list(args), [], None, None, lineno=node.lineno)


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}` marks the model's turns in training. It has no effect here."""

    tags = {"generation"}  # noqa: RUF012  declared so by Jinja

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment. A render must be inside `spending`. Raises jinja2.TemplateError."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})

    def __init__(
        self, filters: Mapping[str, Callable[..., Any]], functions: Mapping[str, Callable[..., Any]]
    ):
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,
            finalize=text,
            cache_size=0,
            extensions=["jinja2.ext.loopcontrols", _Generation],
        )
        self._functions = {*functions.values(), _range, dict, Namespace}
        self.globals = {"range": _range, "dict": dict, "namespace": Namespace, **functions}
        self.filters = {
            name: _measuring(function) if name in _FILTERS else _refusing(name)
            for name, function in self.filters.items()
        }
        self.filters |= {"replace": replace, "join": join, "safe": text, "string": text, **filters}
        self.filters |= {"_metered": metered, "_measured": measured, "_concat": concat}
        tests: dict[str, Any] = self.tests
        self.tests |= {name: _reading(tests[name]) for name in _COMPARING_TESTS}
        # Set blocks and macros are joined with this function.
        self.concat = concat  # type: ignore[method-assign]

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        template = super()._parse(source, name, filename)
        _Metering().visit(template)
        return template

    def call(self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Allows functions of this module, macros, and harmless methods of text and containers."""
        current().charge(8)
        if isinstance(__obj, Macro) or (callable(__obj) and __obj in self._functions):
            return _checked(super().call(__context, __obj, *args, **kwargs))
        if isinstance(__obj, Undefined):
            return super().call(__context, __obj)
        # In a loop Jinja passes its own variables as well.
        kwargs = {key: value for key, value in kwargs.items() if key not in {"_loop_vars", "_block_vars"}}
        # Jinja replaces str.format by a function of its own.
        if (template := formatted_by(__obj)) is not None:
            return format_text(template, args, kwargs)
        return _call_method(getattr(__obj, "__self__", None), getattr(__obj, "__name__", ""), args, kwargs)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        """Raises for a forbidden attribute, where Jinja would return an empty text."""
        raise SecurityError(f"access to {attribute!r} of a {type(obj).__name__} is not allowed")

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic on numbers, `+` on text and lists, `*` within the budget."""
        if operator == "+" or (_number(left) and _number(right) and operator != "**"):
            return measured(super().call_binop(context, operator, left, right))
        if operator == "*" and isinstance(left, str | list) and isinstance(right, int):
            current().charge_chars(len(left) * max(0, right) * (1 if isinstance(left, str) else 64))
            return measured(left * right)
        if operator == "%" and isinstance(left, str) and not re.search(r"%[^%sd]", left):
            args = right if isinstance(right, tuple) else (right,)
            return measured(left % tuple(a if _number(a) else text(a) for a in args))
        raise SecurityError(f"{type(left).__name__} {operator} {type(right).__name__} is not supported")


def _number(value: Any) -> bool:
    return isinstance(value, int | float)


def _checked(value: Any) -> Any:
    return value if isinstance(value, range | Namespace) else measured(value)
