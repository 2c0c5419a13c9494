from tests.server.convert.asking import field_of, request_of
from xapp.domain.requests import ChatMessage
from xapp.inference.v1 import inference_pb2 as pb


def test_input() -> None:
    assert field_of(prompt="") == "prompt"
    assert field_of(prompt=None) == "input"
    assert field_of(prompt=None, chat=pb.Chat()) == "chat.messages"


def test_chat() -> None:
    def chat(*roles: str) -> pb.Chat:
        return pb.Chat(messages=[pb.Message(role=role, content="") for role in roles])

    assert field_of(prompt=None, chat=chat("user", "root")) == "chat.messages[1].role"
    got = request_of(prompt=None, chat=chat("system", "user")).prompt
    assert got == (ChatMessage("system", ""), ChatMessage("user", ""))
