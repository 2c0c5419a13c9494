import pytest

from tests.server.convert.asking import field_of, request_of
from xapp.domain.format_kinds import Choices, Format, Grammar, JsonSchema
from xapp.inference.v1 import inference_pb2 as pb


@pytest.mark.parametrize(
    ("wire", "wanted"),
    [
        (pb.OutputFormat(json_schema="{}"), JsonSchema("{}")),
        (pb.OutputFormat(grammar="root ::= [a]"), Grammar("root ::= [a]")),
        (pb.OutputFormat(choices=pb.Choices(choices=["a", "b"])), Choices(("a", "b"))),
    ],
)
def test_format(wire: pb.OutputFormat, wanted: Format) -> None:
    assert request_of(format=wire).format == wanted
    assert request_of().format is None


def test_format_that_is_none() -> None:
    assert field_of(format=pb.OutputFormat()) == "format"
    assert field_of(format=pb.OutputFormat(json_schema="")) == "format.json_schema"
    assert field_of(format=pb.OutputFormat(grammar=" ")) == "format.grammar"
