import pytest

from perf.targets.http_endpoint import HttpEndpoint


@pytest.mark.parametrize(
    ("url", "address", "root"),
    [
        ("http://node:8080", "node:8080", "http://node:8080"),
        ("http://node:8080/v1/", "node:8080", "http://node:8080"),
        ("http://node/llm/v1", "node:80", "http://node:80/llm"),
        ("http://[::1]:8080", "[::1]:8080", "http://[::1]:8080"),
        ("https://node", "node:443", "https://node:443"),
    ],
)
def test_urls(url: str, address: str, root: str) -> None:
    assert HttpEndpoint.parse(url).address == address
    assert HttpEndpoint.parse(url).url == root


@pytest.mark.parametrize("url", ["node:8080", "http://", "ftp://node"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValueError, match="http://HOST:PORT"):
        HttpEndpoint.parse(url)


def test_a_request_asks_for_the_connections_end_unless_it_is_kept() -> None:
    endpoint = HttpEndpoint.parse("http://node/llm")
    kept = endpoint.request("POST", "/v1/completions", b"{}", {"Authorization": "Bearer x"}, keep=True)
    head, _, body = kept.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /llm/v1/completions HTTP/1.1",
        b"Host: node:80",
        b"Content-Type: application/json",
        b"Content-Length: 2",
        b"Authorization: Bearer x",
    ]
    assert body == b"{}"
    assert b"Connection: close" in endpoint.request("GET", "/", b"", {}, keep=False)
