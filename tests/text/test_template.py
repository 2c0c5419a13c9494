import datetime

import pytest

from xapp.domain.requests import ChatMessage
from xapp.errors import InvalidArgument, ModelError
from xapp.text.template import ChatTemplate

HELLO = (ChatMessage("system", "Be brief."), ChatMessage("user", "What is a RIC?"))
LONG = (ChatMessage("user", "hi" * 1000),)


def template(source: str) -> ChatTemplate:
    return ChatTemplate(source, name="model.gguf", bos="<s>", eos="</s>")


def render(source: str, messages: tuple[ChatMessage, ...] = HELLO) -> str:
    return template(source).render(messages)


CHATML = """{% for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message['content'] | trim + '<|im_end|>\\n' -}}
{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""


def test_chatml() -> None:
    assert render(CHATML) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is a RIC?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


ORDINARY = {
    "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}": "<s>Be brief.</s>",
    "{% if tools %}T{% endif %}{% if tools is not none %}N{% endif %}{% if x is defined %}D{% endif %}": "",
    "{% for m in messages[1:] %}{{ loop.index0 }}{{ m['role'] }}{{ loop.last }}{% endfor %}": "0userTrue",
    "{% for m in messages %}{{ loop.length }}{{ loop.first }}{% break %}{% endfor %}": "2True",
    "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ m.role }}{% endfor %}": "user",
    "{% set x = namespace(n=0) %}{% for m in messages %}{% set x.n = x.n + 1 %}{% endfor %}{{ x.n }}": "2",
    "{{ messages | map(attribute='role') | join(', ') }}": "system, user",
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}": "1",
    "{{ messages | tojson }}": '[{"role": "system", "content": "Be brief."}, '
    '{"role": "user", "content": "What is a RIC?"}]',
    "{{ {'a': '<é>'} | tojson(indent=1) }}": '{\n "a": "<é>"\n}',
    "{% macro say(x) %}[{{ x }}]{% endmacro %}{{ say('a') }}{{ say(messages | length) }}": "[a][2]",
    "{% set x %}a{{ 1 }}{% endset %}{{ x ~ '-' ~ 2 }}": "a1-2",
    "{{ 'a</think>b'.split('</think>')[-1].lstrip('\\n') }}{{ 'x-y'.replace('-', '+') }}": "bx+y",
    "{{ (messages | length) % 2 == 0 }}{{ 7 // 2 }}{{ '-' * 3 }}{{ '%s=%d' % ('a', 1) }}": "True3---a=1",
    "{{ messages[::-1][0].role }}{{ 'abc'[1:] }}{{ none }}": "userbcNone",
    "{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}{{ 'b' in ['a', 'b'] }}": "a1True",
    "{% generation %}{{ 'x' }}{% endgeneration %}": "x",
    "{{ '<&>' | string }}{{ '<&>' | safe }}": "<&><&>",
    "{{ range(3) | list }}{{ [1, 2] + [3] }}": "[0, 1, 2][1, 2, 3]",
    "{{ '<{}>{}{{}}'.format(messages[1].role, 2) }}": "<user>2{}",
    "{{ '{1}{0}{name}'.format('a', 'b', name='c') }}": "bac",
    "{% set t = '<{}>' %}{% for m in messages %}{{ t.format(m.role) }}{% endfor %}": "<system><user>",
    "{{ 3 in range(5) }}{{ 1.5 in range(5) }}": "TrueFalse",
}


@pytest.mark.parametrize("source", ORDINARY)
def test_what_chat_templates_use_works(source: str) -> None:
    assert render(source) == ORDINARY[source]


def test_the_date_is_there() -> None:
    assert render("{{ strftime_now('%Y') }}") == str(datetime.datetime.now().astimezone().year)


def test_a_refusal_of_the_template_is_the_callers_fault() -> None:
    with pytest.raises(InvalidArgument, match="roles must alternate") as caught:
        render("{{ raise_exception('roles must alternate') }}")
    assert caught.value.field == "chat"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ",
        "{% for %}",
        "{{ foo.bar.baz }}",
        "{% include 'x' %}",
        "{{ 1 / 0 }}",
        # What Jinja compiles to Python that does not run.
        "{{ 1e400 }}",
        "{{ -1e400 | int }}",
        "{% if 1e400 > 1 %}{% endif %}",
        "{% set x = [1e999] %}",
        "{{ super() }}",
        "{% call x() %}{% endcall %}",
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{{ " + "9" * 5000 + " }}",
    ],
)
def test_a_broken_template_is_the_files_fault(source: str) -> None:
    with pytest.raises(ModelError, match=r"model\.gguf: chat template") as caught:
        render(source)
    assert caught.value.reason == "BAD_CHAT_TEMPLATE"


ESCAPES = [
    "{{ ''.__class__.__mro__ }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ self.__init__.__globals__ }}",
    "{{ raise_exception.__globals__ }}",
    "{{ ''|attr('__class__') }}",
    "{{ ''['__class__'] }}",
    "{{ messages|map(attribute='__class__')|list }}",
    "{{ '{0.__class__}'.format('') }}",
    "{{ '{0[a]}'.format({'a': 1}) }}",
    "{{ '{!r}'.format('') }}",
    "{{ '{:>9}'.format('') }}",
    "{{ '{:{}}'.format(1, 9) }}",
    "{{ '{}'.format(range) }}",
    "{{ '{}'.format_map({}) }}",
    "{{ messages.append(1) }}",
    "{{ dict.mro() }}",
    "{% import '/etc/passwd' as x %}",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_no_way_out(source: str) -> None:
    with pytest.raises(ModelError):
        render(source)


DOUBLING = (
    "{%% set ns = namespace(a=%s) %%}{%% for i in range(100) %%}{%% set ns.a = %s %%}{%% endfor %%}{{ ns.a }}"
)
HOGS = [
    "{% for i in range(1000000000) %}x{% endfor %}",
    "{{ 1.5 in range(10**12) }}",
    "{{ 1.5 in range(1000000000000) }}",
    "{{ 1.5 is in range(1000000000000) }}",
    "{{ [range(1000000000000)] | map('list') | list }}",
    "{{ range(0, 9000000000000000000, 3) | list }}",
    DOUBLING % ("'ab'", "'{}{}'.format(ns.a, ns.a)"),
    "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
    "{% for i in range(300) %}" * 3 + "{% endfor %}" * 3,
    "{% for i in range(99999) %}" + "x" * 10_000 + "{% endfor %}",
    "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(100) }}",
    DOUBLING % ("'ab'", "ns.a + ns.a"),
    DOUBLING % ("'ab'", "ns.a ~ ns.a"),
    DOUBLING % ("'ab'", "ns.a | replace('a', 'aa')"),
    DOUBLING % ("'ab'", "ns.a.replace('a', 'aa')"),
    DOUBLING % ("'ab'", "ns.a.join([ns.a, ns.a, ns.a])"),
    DOUBLING % ("'ab'", "'%s%s' % (ns.a, ns.a)"),
    DOUBLING % ("[1]", "[ns.a, ns.a]"),
    DOUBLING % ("[1]", "(ns.a, ns.a)"),
    DOUBLING % ("[1]", "ns.a + ns.a"),
    DOUBLING % ("[1]", "dict(a=ns.a, b=ns.a)"),
    DOUBLING % ("9", "ns.a * ns.a"),
    "{% set x = namespace(a='ab') %}{% for i in range(99) %}{% set x.a %}{{ x.a }}{{ x.a }}{% endset %}"
    "{% endfor %}",
    "{{ 'a' * 1000000000 }}",
    "{{ [1] * 1000000000 }}",
    "{{ 10 ** 10 ** 10 }}",
    "{{ 'a' | center(1000000000) }}",
    "{{ 'a'.center(1000000000) }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%1000000000d' | format(1) }}",
    "{{ messages | tojson(indent=1000000000) }}",
    "{{ strftime_now('%1000000000Y') }}",
    "{{ lipsum(n=1000000) }}",
    "{% set c = messages[0].content * 4000 %}{% for i in range(9999) %}{{ 'zz' in c }}{% endfor %}",
    "{% set c = messages[0].content * 4000 %}" + "{{ 'zz' in c }}" * 9999,
    "{% set c = ' ' * 8000000 %}" + "{{ c | trim }}{{ c.strip() }}{{ c is eq 'a' }}" * 3000,
    "{{" + "(" * 3000 + "1" + ")" * 3000 + "}}",
    "{% if 1 %}" * 200 + "{% endif %}" * 200,
    "x" * 300_000,
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("source", HOGS, ids=[source[:60] for source in HOGS])
def test_no_hog(source: str) -> None:
    with pytest.raises(ModelError):
        render(source, LONG)


def test_long_conversations_and_long_messages_are_no_hogs() -> None:
    turns = (ChatMessage("user", "a"), ChatMessage("assistant", "b")) * 1000
    assert len(render(CHATML, turns)) > 10_000
    assert len(render(CHATML, (ChatMessage("user", "a" * 4_000_000),))) > 4_000_000


def test_messages_are_checked() -> None:
    with pytest.raises(InvalidArgument, match=r"chat\.messages: at least one"):
        render("x", ())
    with pytest.raises(InvalidArgument, match=r"chat\.messages\[1\]\.role: 'root'"):
        render("x", (HELLO[0], ChatMessage("root", "x")))
