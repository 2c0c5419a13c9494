"""Clients of a genai-xapp node: `Client` for asyncio, `SyncClient` without. They need the base package only.

    async with Client("127.0.0.1:50051") as client:
        async for text in client.stream_text("What is O-RAN?", max_tokens=64, deadline_s=30):
            print(text, end="")

`AsyncClient` is another name of `Client`.

Every method raises ClientError. UNAVAILABLE is tried again, after as long as the server says, as
long as no text has come and the deadline allows.

A target may name several nodes: `dns:///NAME:PORT` of a headless Service, `ipv4:A:PORT,B:PORT`. Then calls
go to nodes in proportion to what they can take, and what one node refuses because it is not serving or
full is asked of another at once (`xapp.pool`).
"""

from xapp.client.client import Client
from xapp.client.errors import ClientError, decode_error
from xapp.client.formats import choices, grammar, json_schema
from xapp.client.inputs import duration, input_fields, system, task, user
from xapp.client.retry import Retry
from xapp.client.sync import SyncClient
from xapp.domain.task_call import TaskCall

AsyncClient = Client

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "Retry",
    "SyncClient",
    "TaskCall",
    "choices",
    "decode_error",
    "duration",
    "grammar",
    "input_fields",
    "json_schema",
    "system",
    "task",
    "user",
]
