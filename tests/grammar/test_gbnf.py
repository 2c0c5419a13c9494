"""GBNF as it is read: what texts it stands for, and what is refused where."""

import pytest

from xapp.grammar.compile import compile_rules
from xapp.grammar.expr import GrammarError
from xapp.grammar.gbnf import MAX_BYTES, MAX_RULES, read_gbnf
from xapp.grammar.machine import Machine
from xapp.grammar.progress import matches

JSON = r"""
# llama.cpp's own example of a grammar, whitespace left out
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null")
object ::= "{" ( string ":" value ("," string ":" value)* )? "}"
array  ::= "[" (
    value
    ("," value)*
  )? "]"
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\""
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9]{1,3})?
"""


def machine(text: str) -> Machine:
    return Machine(compile_rules(read_gbnf(text)))


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        (
            JSON,
            ["{}", '{"a":[1,-2.5e+3,{"b":"é\\u00e9€"}],"c":null}'],
            ["", "[]", '{"a"}', '{"a":01}', "{}x"],
        ),
        ('root ::= "a"{2,3}', ["aa", "aaa"], ["a", "aaaa"]),
        ('root ::= "a"{2,}', ["aa", "a" * 50], ["a"]),
        ('root ::= "a"{2}', ["aa"], ["a", "aaa"]),
        ('root ::= "a"{0,0} "b"', ["b"], ["ab"]),
        ('root ::= ("a" | "b" "c")+', ["a", "bc", "abca"], ["", "b", "ab"]),
        ('root ::= "x" | ', ["x", ""], ["y"]),
        ("root ::= [a-c^-]", ["a", "b", "^", "-"], ["d", ""]),
        ("root ::= [^a-c]", ["d", "\n", "€"], ["a", "b"]),
        ("root ::= .", ["a", "\n", "€", "\U0001f600"], ["", "ab"]),
        (r'root ::= "\x41\u20ac\U0001F600\t\n\\\"" [\]\[]', ['A€\U0001f600\t\n\\"]'], ["A"]),
        ('root ::= a-1 b_2\na-1 ::= "a"\n\nb_2 ::= # b\n "b"', ["ab"], ["a"]),
        ('root ::= "a"\r\n# comment\r\n', ["a"], ["b"]),
        ('root ::= ((""*)*)* "x"', ["x"], ["", "xx"]),
        ('root ::= ("a"?){0,5}', ["", "aaa", "aaaaa"], ["aaaaaa"]),
        ('root ::= "[" root "]" | "x"', ["x", "[[x]]"], ["[x", "[]"]),
        ('root ::= even\neven ::= "" | "a" odd\nodd ::= "a" even', ["", "aa", "aaaa"], ["a", "aaa"]),
    ],
)
def test_texts(text: str, yes: list[str], no: list[str]) -> None:
    follower = machine(text)
    assert [each for each in yes if not matches(follower, each)] == []
    assert [each for each in no if matches(follower, each)] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no rule 'root'"),
        ('a ::= "a"', "there is no rule 'root'"),
        ("root ::= foo", "rule 'root': there is no rule 'foo'"),
        ('root ::= "a"\nb ::= "b\n', "line 2: this text is not closed"),
        ("root ::= [ab", "line 1: this set of characters is not closed"),
        ('root ::= ("a"', "line 1: this parenthesis is not closed"),
        ('root ::= "a")', "line 1: ')' does not belong here"),
        ('root ::= "a"\nroot ::= "b"', "line 2: rule 'root' is defined twice"),
        ('root "a"', "line 1: the name of a rule is followed by ::="),
        ('root ::= "a"\n| "b"', "line 2: a rule begins with its name"),
        ("root ::= *", "line 1: * repeats nothing"),
        ('root ::= "a"' + "*" * 5000, "line 1: * repeats nothing, or what is repeated already"),
        ('root ::= "a"{,3}', "line 1: {,3} is no repetition"),
        ('root ::= "a"{3,1}', "at least 3 and at most 1"),
        ('root ::= "a"{0,100001}', "a repetition of more than 100000"),
        ('root ::= "a"{99999999999999999999}', "is no repetition"),
        ("root ::= [z-a]", "a range from 'z' down to 'a'"),
        ("root ::= []", "an empty set of characters"),
        (r"root ::= [^\x00-\U0010FFFF]", "an empty set of characters"),
        (r'root ::= "\q"', r"unknown escape \q"),
        (r'root ::= "\uD800"', "is no character"),
        (r'root ::= "\UFFFFFFFF"', "is no character"),
        ("root ::= <think>", "'<' does not belong here"),
        ('root ::= root "a" | "b"', "rule 'root': left recursion"),
        ('root ::= a\na ::= b a "x" | "z"\nb ::= "y"?', "rule 'a': left recursion"),
        ('root ::= (root "a")* "b"', "rule 'root': left recursion"),
        ('root ::= "[" root "]"', "no text matches"),
        ('root ::= a\na ::= "x" b\nb ::= "y" a', "no text matches"),
        ('root ::= ("a"?){0,1000}', "rule 'root': repeats what may be empty 1000 times"),
        ("root ::= " + "(" * 30_000 + '"a"' + ")" * 30_000, "larger than"),
        ("root ::= " + "(" * 5000 + '"a"' + ")" * 5000, "parentheses nest more than 50 deep"),
        ("root ::= " + "x" * MAX_BYTES, "larger than"),
        (
            'root ::= "a"' + "".join(f'\nr{n} ::= "a"' for n in range(MAX_RULES)),
            f"more than {MAX_RULES} rules",
        ),
        ("root ::= " + "[a]" * 10_000, "more than 10000 symbols"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(GrammarError) as caught:
        compile_rules(read_gbnf(text))
    assert message in str(caught.value)


def test_what_cannot_end_is_left_out() -> None:
    follower = machine('root ::= "a" | "b" loop | "c" loop?\nloop ::= "x" loop')
    assert matches(follower, "a")
    assert matches(follower, "c")
    assert not matches(follower, "bx")
    assert follower.advance(follower.start, "b") is None


def test_long_chains_of_rules_need_no_recursion() -> None:
    chain = "root ::= r0\n" + "".join(f"r{n} ::= r{n + 1}\n" for n in range(1500)) + 'r1500 ::= "x"'
    assert matches(machine(chain), "x")
