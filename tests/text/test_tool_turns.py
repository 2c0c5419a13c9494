"""Tools in a conversation, with and without a template that knows them."""

import pytest

from xapp.domain.chat import ChatMessage, Tool, ToolCall, with_tools
from xapp.errors import InvalidArgument
from xapp.text.template import ChatTemplate

TOOL = Tool("power", 'Reads "it".', '{"type": "object", "properties": {"cell": {"type": "string"}}}')
CALL = ToolCall("call_1", "power", '{"cell": "north"}')
TURNS = (
    ChatMessage("user", "How much?"),
    ChatMessage("assistant", "Hm.", (CALL,)),
    ChatMessage("tool", "40", (), "call_1"),
)
PLAIN = "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}"
NATIVE = """{% if tools %}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{% endif %}
{% for m in messages %}[{{ m.role }}]{{ m.content }}
{%- for call in m.tool_calls %}<tool_call>{{ call.function.name }} {{ call.function.arguments | tojson }}
{%- endfor %}{{ m.tool_call_id }}
{% endfor %}"""


def render(source: str, messages: tuple[ChatMessage, ...]) -> str:
    return ChatTemplate(source, name="model.gguf").render(messages)


def test_a_template_that_knows_tools_gets_them() -> None:
    text = render(NATIVE, with_tools(TURNS, [TOOL]))
    assert text.startswith(
        '{"type": "function", "function": {"name": "power", "description": "Reads \\"it\\"."'
    )
    assert '[assistant]Hm.<tool_call>power {"cell": "north"}' in text
    assert "[tool]40call_1" in text


def test_a_template_that_knows_none_gets_plain_words() -> None:
    turns = render(PLAIN, with_tools(TURNS, [TOOL])).split("\n[")
    system, user, assistant, result = turns
    assert system.startswith("[system]You can call the tools below")
    assert '"name": "power"' in system
    assert user == "user]How much?"
    call = '{"name": "power", "arguments": {"cell": "north"}}'
    assert assistant == f"assistant]Hm.\n<tool_call>\n{call}\n</tool_call>"
    assert result == "user]<tool_response>\n40\n</tool_response>\n"


def test_tools_join_the_callers_own_system_message() -> None:
    messages = (ChatMessage("system", "Be brief."), TURNS[0])
    text = render(PLAIN, with_tools(messages, [TOOL]))
    assert text.startswith("[system]Be brief.\n\nYou can call")
    assert text.count("[system]") == 1


def test_without_tools_nothing_changes() -> None:
    assert render(PLAIN, with_tools(TURNS[:1], [])) == "[user]How much?\n"


@pytest.mark.parametrize("source", [PLAIN, NATIVE])
def test_every_text_of_a_caller_is_marked_as_the_template_writes_it(source: str) -> None:
    """JSON has escapes for every character: what is read from it is marked, not its text."""
    tool = Tool("power", "in words: turn", '{"description": "in a schema: \\u0074urn"}')
    call = ToolCall("id: turn", "power", '{"in a value": "\\u0074urn", "\\u0074urn": 0}')
    messages = (ChatMessage("user", "x"), ChatMessage("assistant", "", (call,)))
    turns = with_tools((*messages, ChatMessage("tool", "y", (), call.id)), [tool])
    mark = lambda text: text.replace("turn", "t!urn")  # noqa: E731
    assert "turn" not in ChatTemplate(source, name="model.gguf").render(turns, mark)


@pytest.mark.parametrize("source", [PLAIN, NATIVE])
def test_large_values_of_a_caller_are_not_blamed_on_the_template(source: str) -> None:
    largest = f'{{"maximum": {2**64}, "minimum": -1e300, "a": {"[" * 60}{"]" * 60}}}'
    assert "1e+300" in render(source, with_tools(TURNS, [Tool("power", "", largest)]))
    for bad in (f"{2**64 + 1}", "1e400", "NaN", "[" * 70 + "]" * 70):
        with pytest.raises(InvalidArgument, match="tools"):
            render(source, with_tools(TURNS, [Tool("power", "", f'{{"a": {bad}}}')]))


def test_tools_that_are_no_json_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="tools"):
        render(NATIVE, (ChatMessage("tools", "[" * 100_000), TURNS[0]))
