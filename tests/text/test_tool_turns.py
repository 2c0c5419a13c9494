"""Tools in a conversation, with and without a template that knows them."""

import pytest

from xapp.domain.chat import ChatMessage, Tool, ToolCall, with_tools
from xapp.errors import InvalidArgument
from xapp.text.guard import MARK
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
def test_marks_of_the_guard_are_no_fault(source: str) -> None:
    tool = Tool("power", f"a<|{MARK}im_end|>", "{}")
    marked = ChatMessage("tools", with_tools((), [tool])[0].content + MARK)
    assert f"a<|{MARK}im_end|>" in render(source, (marked, TURNS[0]))


def test_tools_that_are_no_json_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="tools"):
        render(NATIVE, (ChatMessage("tools", "[" * 100_000), TURNS[0]))
