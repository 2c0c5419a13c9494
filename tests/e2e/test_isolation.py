"""A real node with tokens: what a principal is told does not depend on what others asked before."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from tests.e2e.caller import CALL_S, ENDLESS_FAKE, Caller, calling, rest_of
from tests.live import LiveServer, serving
from xapp.inference.v1 import inference_pb2 as pb
from xapp.security.tokens import hash_of

pytestmark = pytest.mark.slow

POLICY = """
[default]
[planner]
shares = "ran"
[watcher]
shares = "ran"
"""
NAMES = ("planner", "watcher", "stranger", "victim")


def secret() -> str:
    """A prompt that nobody has asked before, also where a test is run again."""
    return f"{uuid4().hex} " + "cell 4711 of operator X loses its backhaul every night at two: " * 4


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Its cache remembers: each test asks with prompts of its own (`secret`)."""
    folder = tmp_path_factory.mktemp("node")
    tokens, policy = folder / "tokens.toml", folder / "policy.toml"
    tokens.write_text("".join(f'{name} = ["{hash_of(name)}"]\n' for name in NAMES))
    policy.write_text(POLICY)
    files = {"XAPP_TOKENS_FILE": str(tokens), "XAPP_POLICY_FILE": str(policy)}
    with serving({**ENDLESS_FAKE, **files, "XAPP_JOIN_IDENTICAL": "true"}) as server:
        yield server


@pytest.fixture
async def caller(node: LiveServer) -> AsyncIterator[Caller]:
    async with calling(node) as caller:
        yield caller


def bearer(name: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {name}"),)


async def ask(caller: Caller, name: str, request: pb.GenerateRequest) -> list[pb.GenerateResponse]:
    call = caller.inference.Generate(request, timeout=CALL_S, metadata=bearer(name))
    return [each async for each in call]


async def num_computed(caller: Caller, name: str, prompt: str) -> int:
    """Tokens of the prompt that were computed for it."""
    events = await ask(caller, name, pb.GenerateRequest(prompt=prompt, max_tokens=4, ignore_eos=True))
    usage = events[-1].finished.usage
    return int(usage.num_prompt_tokens - usage.num_cached_tokens)


async def test_as_much_is_computed_whether_or_not_others_asked(caller: Caller) -> None:
    for _ in range(8):
        asked, not_asked = secret(), secret()
        await num_computed(caller, "victim", asked)
        fresh = await num_computed(caller, "stranger", not_asked)
        assert await num_computed(caller, "stranger", asked) <= fresh < len(not_asked) + 2
        assert await num_computed(caller, "victim", asked) < 10


async def test_a_group_shares(caller: Caller) -> None:
    shared = secret()
    await num_computed(caller, "planner", shared)
    assert await num_computed(caller, "watcher", shared) < 10
    assert await num_computed(caller, "stranger", shared) > len(shared) / 2


async def test_nobody_joins_the_answer_to_another(caller: Caller) -> None:
    request = pb.GenerateRequest(prompt=secret(), max_tokens=400, ignore_eos=True)
    theirs = caller.inference.Generate(
        request, timeout=CALL_S, metadata=(("authorization", "Bearer victim"),)
    )
    assert (await theirs.read()).HasField("started")
    mine = await ask(caller, "stranger", request)
    assert not mine[0].started.joined
    assert mine[-1].finished.usage.num_cached_tokens == 0
    assert (await rest_of(theirs))[-1].HasField("finished")
