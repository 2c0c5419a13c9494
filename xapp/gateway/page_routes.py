"""The web page: files of this package, which need no key and load nothing from elsewhere."""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import web

PAGE_PATH = "/"
FILE_PATH = "/page/{name}"
_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
_CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    # The page of a node that was updated must fit the node.
    "Cache-Control": "no-cache",
}


class PageRoutes:
    """The files, read once."""

    def __init__(self) -> None:
        self._files = _read(files("xapp.gateway") / "page")

    def table(self) -> list[web.RouteDef]:
        """The page, and the files that it loads."""
        return [web.get(PAGE_PATH, self.page), web.get(FILE_PATH, self.file)]

    async def page(self, request: web.Request) -> web.Response:
        """GET /."""
        return self._answer("index.html")

    async def file(self, request: web.Request) -> web.Response:
        """GET /page/NAME."""
        name = request.match_info["name"]
        if name not in self._files:
            raise web.HTTPNotFound
        return self._answer(name)

    def _answer(self, name: str) -> web.Response:
        kind = _TYPES[name.rpartition(".")[2]]
        return web.Response(body=self._files[name], content_type=kind, charset="utf-8", headers=_HEADERS)


def _read(folder: Traversable) -> Mapping[str, bytes]:
    names = (each for each in folder.iterdir() if each.name.rpartition(".")[2] in _TYPES)
    return {each.name: each.read_bytes() for each in names}
