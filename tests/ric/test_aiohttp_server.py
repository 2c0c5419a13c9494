"""In processes of their own: what is imported first counts."""

import subprocess
import sys

SERVE = """
import asyncio, sys
from xapp.ric.aiohttp_server import web
assert "aiohttp.client" not in sys.modules, "the server brings no client"

async def hello(request):
    return web.json_response({"hello": request.path})

async def serve():
    app = web.Application()
    app.add_routes([web.get("/x", hello)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/x"
    import aiohttp  # who wants the client afterwards has it
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        print(await answer.json())
    from aiohttp import web as again
    assert again is web
    await runner.cleanup()

asyncio.run(serve())
"""
BROKEN = """
import importlib, sys
whole, calls = importlib.import_module, []

def broken_once(name, *rest):
    if name == "aiohttp.web" and not calls:
        calls.append(name)
        sys.modules["aiohttp.helpers"] = None
        raise ImportError("cannot import name 'x' from 'aiohttp'")
    return whole(name, *rest)

importlib.import_module = broken_once
from xapp.ric.aiohttp_server import web
import aiohttp
assert aiohttp.web is web
print(web.Response(text="hi").text)
"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_server_comes_without_the_client_which_may_follow() -> None:
    assert run(SERVE) == "{'hello': '/x'}\n"


def test_a_version_that_needs_all_of_its_package_gets_it() -> None:
    assert run(BROKEN) == "hi\n"
