"""The web page in a real browser: on a scripted service, and on a real node with the default model."""

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser import browsing, needs_chromium
from tests.e2e.gateways import serving_openai
from tests.gateway.gateways import Gateway, running
from tests.gateway.test_access import key
from tests.gateway.test_node import ADMIN_POLICY, TASK
from tests.server.fake_service import FINISHED, FakeService, Script, endless, failing, started
from tests.server.test_access import secured, token_of
from xapp.domain.answers import Chunk, Event
from xapp.domain.requests import Request
from xapp.errors import Exhausted

pytestmark = [pytest.mark.slow, needs_chromium]

HOSTILE = (
    '<img src=x onerror="document.title=1"><script>document.title=1</script>'
    '<a href="javascript:document.title=1">click</a> &lt;b&gt; \u202edesrever \x1b[31m'
)
LONG_WORD = "x" * 100_000


def saying(*texts: str) -> Script:
    async def script(request: Request) -> AsyncGenerator[Event, None]:
        yield started(request)
        for text in texts:
            yield Chunk(text, 1)
        yield FINISHED

    return script


async def ask(page: Page, question: str) -> None:
    await page.fill("#question", question)
    await page.press("#question", "Enter")


async def opened(page: Page, gateway: Gateway) -> None:
    await page.goto(gateway.url("/"))
    await expect(page.locator("#node-state")).to_have_text("ready")


async def test_a_conversation() -> None:
    async with running(FakeService(saying("Hel", "lo"))) as gateway, browsing() as page:
        await opened(page, gateway)
        await ask(page, "first")
        answer = page.locator("article").last
        await expect(answer.locator("p")).to_have_text("Hello")
        await expect(answer.locator("footer")).to_contain_text("ended by stop")
        await expect(answer.locator("footer")).to_contain_text("first token")
        await ask(page, "second")
        await expect(page.locator("article")).to_have_count(4)
        prompt = gateway.service.requests[1].prompt
    assert not isinstance(prompt, str)
    assert [each.content for each in prompt] == ["first", "Hello", "second"]


async def test_stop_frees_the_node_and_the_page_goes_on() -> None:
    async with running(FakeService(endless("word "))) as gateway, browsing() as page:
        await opened(page, gateway)
        await ask(page, "endless")
        await expect(page.locator("article").last.locator("p")).to_contain_text("word word")
        await page.click("#stop")
        await asyncio.wait_for(gateway.service.closed.wait(), 10)
        await expect(page.locator("article").last.locator("footer")).to_have_text("stopped")
        gateway.service.script = saying("fine")
        await ask(page, "again")
        await expect(page.locator("article").last.locator("p")).to_have_text("fine")


async def test_a_reload_in_the_middle_keeps_what_came() -> None:
    pause = asyncio.Event()
    async with running(FakeService(endless("kept ", pause))) as gateway, browsing() as page:
        await opened(page, gateway)
        await ask(page, "hi")
        await expect(page.locator("article").last.locator("p")).to_have_text(re.compile("kept"))
        await page.reload()
        await expect(page.locator("article")).to_have_count(2)
        await expect(page.locator("article").last.locator("p")).to_have_text(re.compile("kept"))
        pause.set()
        await asyncio.wait_for(gateway.service.closed.wait(), 10)


async def test_text_of_a_model_is_text() -> None:
    async with running(FakeService(saying(HOSTILE))) as gateway, browsing() as page:
        await opened(page, gateway)
        await ask(page, HOSTILE)
        for card in (page.locator("article").first, page.locator("article").last):
            await expect(card.locator("p")).to_contain_text("<img src=x")
            assert await card.locator("img, script, a, b").count() == 0
        assert await page.title() == "genai-xapp"


async def test_a_word_of_100_000_letters_stays_in_its_place() -> None:
    async with running(FakeService(saying(LONG_WORD))) as gateway, browsing() as page:
        await opened(page, gateway)
        await ask(page, "hi")
        await expect(page.locator("article").last.locator("footer")).to_contain_text("ended by stop")
        widths = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        wide, window = await page.evaluate(widths)
        assert wide <= window
        await expect(page.locator("#send")).to_be_visible()


async def test_a_refusal_is_said_and_the_question_kept() -> None:
    refused = failing(Exhausted("the queue is full", reason="QUEUE_FULL", retry_after_s=3))
    async with running(FakeService(refused)) as gateway, browsing() as page:
        await opened(page, gateway)
        await ask(page, "a question")
        await expect(page.locator("#notice")).to_contain_text("the queue is full")
        await expect(page.locator("#notice")).to_contain_text("Try again in 3 s.")
        await expect(page.locator("#question")).to_have_value("a question")


async def test_a_node_that_needs_a_key(tmp_path: Path) -> None:
    async with running(configured=secured(tmp_path, ADMIN_POLICY)) as gateway, browsing() as page:
        await page.goto(gateway.url("/"))
        await page.fill("#key", token_of("planner"))
        await page.press("#key", "Enter")
        await expect(page.locator("#node-state")).to_have_text("ready")
        await ask(page, "hi")
        await expect(page.locator("article").last.locator("p")).to_have_text("Hello")
        assert token_of("planner") not in page.url
        assert await page.evaluate("localStorage.length") == 0
        assert (await gateway.get("/node", **key("guest"))).status == 200


async def test_a_task_and_a_schema() -> None:
    service = FakeService(saying("{}"), tasks=(TASK,))
    async with running(service) as gateway, browsing() as page:
        await opened(page, gateway)
        await page.click("#settings summary")
        await page.fill("#schema", "{not json")
        await ask(page, "hi")
        await expect(page.locator("#notice")).to_contain_text("The JSON schema is not JSON")
        await page.fill("#schema", '{"type": "object"}')
        await page.press("#question", "Enter")
        await expect(page.locator("article").last.locator("footer")).to_contain_text("ended by stop")
        await page.select_option("#task", "triage@2")
        await page.fill("#task-inputs input", "fan 2 stopped")
        await page.click("#send")
        await expect(page.locator("article")).to_have_count(4)
        await expect(page.locator("article").last.locator("footer")).to_contain_text("ended by stop")
    assert service.requests[0].format is not None
    assert service.requests[1].task is not None
    assert service.requests[1].task.inputs == {"line": "fan 2 stopped"}


async def test_the_live_view_loads_models() -> None:
    async with running() as gateway, browsing() as page:
        await opened(page, gateway)
        await page.click("#show-node")
        await expect(page.locator("#host")).to_contain_text("62 °C")
        await expect(page.locator("#models")).to_contain_text("1, 2")
        await page.click("#load-other")
        await expect(page.locator("#unload-tiny")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_narrow_screen_in_each_scheme(scheme: str) -> None:
    viewport = {"width": 320, "height": 640}
    async with (
        running(FakeService(saying(LONG_WORD[:500]))) as gateway,
        browsing(viewport=viewport, color_scheme=scheme) as page,
    ):
        await opened(page, gateway)
        await ask(page, "hi")
        await expect(page.locator("article").last.locator("footer")).to_contain_text("ended by stop")
        await page.click("#show-node")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320


async def test_everything_by_keyboard_and_with_names() -> None:
    async with running(FakeService(saying("yes"))) as gateway, browsing() as page:
        await opened(page, gateway)
        await page.focus("#question")
        await page.keyboard.type("one")
        await page.keyboard.press("Shift+Enter")
        await page.keyboard.type("two")
        await page.keyboard.press("Enter")
        await expect(page.locator("article").first.locator("p")).to_have_text("one\ntwo")
        fields = page.locator("input:visible, textarea:visible, select:visible, button:visible")
        for index in range(await fields.count()):
            snapshot = await fields.nth(index).aria_snapshot()
            assert re.search(r'"[^"]+"', snapshot), snapshot


async def test_a_real_node_answers_restarts_and_answers(default_model_path: Path) -> None:
    environ = {"XAPP_MODEL": str(default_model_path)}
    async with browsing() as page:
        with serving_openai(environ) as node:
            port = node.url.rpartition(":")[2]
            await page.goto(node.url)
            await expect(page.locator("#node-state")).to_have_text("ready", timeout=30_000)
            await page.click("#settings summary")
            await page.fill("#max-tokens", "16")
            await ask(page, "What is O-RAN?")
            done = page.locator("article").last.locator("footer")
            await expect(done).to_contain_text("tokens/s", timeout=60_000)
        await expect(page.locator("#node-state")).to_have_text("the node does not answer", timeout=30_000)
        await ask(page, "Are you there?")
        await expect(page.locator("#notice")).to_contain_text("does not answer")
        with serving_openai(environ | {"XAPP_OPENAI_PORT": port}):
            await expect(page.locator("#node-state")).to_have_text("ready", timeout=60_000)
            await page.click("#send")
            await expect(page.locator("article")).to_have_count(4)
            await expect(page.locator("article").last.locator("footer")).to_contain_text(
                "tokens/s", timeout=60_000
            )
