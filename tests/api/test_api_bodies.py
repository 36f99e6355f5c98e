"""Requests that are made to hurt: refused with a status, in flat memory, while others are answered."""

import hashlib
import socket
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from tests.api.served_alone import ARTIFACT, peak_megabytes, served_alone
from tests.api.serving import BEARER, TOKEN
from tests.api.test_api_errors import assert_problem

MEGABYTES_ALLOWED = 50
SEARCH = b'{"space": "r0-sp53", "data": "generated", "%s": %s}'
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    with served_alone(tmp_path_factory.mktemp("artifacts")) as (url, pid):
        # What is loaded at the first request of a kind is no answer to a bomb.
        assert httpx.post(f"{url}/v1/searches", json={"space": "r0-sp53"}, headers=BEARER).status_code == 422
        assert httpx.get(f"{url}/static/plotly.min.js").status_code == 200
        yield url, pid


def items(item: bytes, size: int) -> bytes:
    """A JSON list of the item that is so many bytes long, or a little less."""
    return b"[" + (item + b",") * ((size - 2) // (len(item) + 1) - 1) + item + b"]"


def members(size: int) -> bytes:
    """A JSON object with as many keys as go into so many bytes."""
    return b"{" + b",".join(b'"%06d":""' % number for number in range(size // 12)) + b"}"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b" " * 1_000_001, 413, "body.too_large", id="one byte over the limit"),
        pytest.param(items(b"0", 2_000_000), 413, "body.too_large", id="a million elements"),
        pytest.param(items(b"0", 1_000_000), 413, "body.too_many_values", id="half a million elements"),
        pytest.param(SEARCH % (b"workers", items(b"0", 999_900)), 413, "body.too_many_values", id="wrong workers"),
        pytest.param(SEARCH % (b"workers", items(b"{}", 999_900)), 413, "body.too_many_values", id="right workers"),
        pytest.param(SEARCH % (b"workers", items(b"{}", 6_000)), 422, "request.invalid", id="two thousand pools"),
        pytest.param(SEARCH % (b"proxy", members(999_900)), 413, "body.too_many_values", id="many keys"),
        pytest.param(SEARCH % (b"x", members(50_000)), 422, "request.invalid", id="many unknown keys"),
        pytest.param(members(55_000), 422, "request.invalid", id="nothing but unknown keys"),
        pytest.param(b"[" * 10_000 + b"]" * 10_000, 400, "request.malformed", id="ten thousand deep"),
        pytest.param(b'{"a":' * 190_000, 400, "request.malformed", id="as deep as can be"),
        pytest.param(SEARCH % (b"name", b'"' + b"a" * 999_900 + b'"'), 422, "request.invalid", id="a long text"),
        pytest.param(
            SEARCH % (b"limits", b'{"trials":' + b"9" * 990_000 + b"}"), 400, "request.malformed", id="digits"
        ),
        pytest.param(SEARCH % (b"target", b'{"image_size":1e999}'), 422, "request.invalid", id="no number"),
    ],
)
def test_a_bomb_is_refused_and_takes_no_memory(served: tuple[str, int], body: bytes, status: int, code: str) -> None:
    url, pid = served
    before = peak_megabytes(pid)
    assert_problem(httpx.post(f"{url}/v1/searches", content=body, headers={**BEARER, **JSON}), status, code)
    assert peak_megabytes(pid) - before < MEGABYTES_ALLOWED


@pytest.mark.parametrize(
    ("headers", "status", "code"), [(BEARER, 413, "body.too_large"), ({}, 401, "auth.required")], ids=["token", "none"]
)
def test_a_stream_without_end_is_cut(served: tuple[str, int], headers: dict[str, str], status: int, code: str) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"," * 65_536

    url, pid = served
    before = peak_megabytes(pid)
    with suppress(httpx.WriteError, httpx.ReadError):  # cut while it was sent, the answer may be lost
        assert_problem(httpx.post(f"{url}/v1/searches", content=endless(), headers=headers), status, code)
    assert peak_megabytes(pid) - before < MEGABYTES_ALLOWED


RANGES = {
    "overlapping": ",".join(["0-"] * 2_000),
    "nested": ",".join(f"{start}-" for start in range(1_500)),
    "single bytes": ",".join(f"{2 * start}-{2 * start}" for start in range(1_000)),
    "digits": "0-" + "9" * 8_000,
}


PATHS = {
    "static": "/static/plotly.min.js",
    "artifact": f"/v1/searches/blood-cells-000001/artifacts/{hashlib.sha256(ARTIFACT).hexdigest()}",
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
@pytest.mark.parametrize("ranges", RANGES.values(), ids=RANGES.keys())
def test_many_ranges_of_a_file_are_not_more_than_the_file(served: tuple[str, int], ranges: str, path: str) -> None:
    url, pid = served
    before = peak_megabytes(pid)
    with httpx.Client(base_url=url, headers=BEARER) as client:
        whole = client.get(path).content
        answer = client.get(path, headers={"Range": f"bytes={ranges}"})
    assert answer.status_code in (200, 206, 400, 416)
    assert len(whole) > 3_000_000
    assert len(answer.content) <= len(whole) + 1_000 * 200  # a part of its own has a head of some 130 bytes
    assert peak_megabytes(pid) - before < MEGABYTES_ALLOWED


def request_head(url: str, length: int, token: str = TOKEN) -> tuple[tuple[str, int], bytes]:
    """An address, and the head of a request whose body is to come."""
    host, port = url.removeprefix("http://").split(":")
    head = (
        f"POST /v1/searches HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    return (host, int(port)), head.encode()


def test_bodies_that_do_not_come_are_given_up_while_others_are_answered(served: tuple[str, int]) -> None:
    url, _ = served
    address, head = request_head(url, 1000)
    slow = [socket.create_connection(address, timeout=30) for _ in range(50)]
    for connection in slow:
        connection.sendall(head + b"{")
    assert httpx.get(f"{url}/healthz").status_code == 200
    assert httpx.get(f"{url}/v1/searches", headers=BEARER).status_code == 200
    for connection in slow:
        with connection, connection.makefile("rb") as answer:
            assert answer.readline().startswith(b"HTTP/1.1 408 ")
            assert b"body.too_slow" in answer.read()  # to the end: the server has hung up


def test_a_body_that_drips_is_given_up_too(served: tuple[str, int]) -> None:
    address, head = request_head(served[0], 1_000_000)
    with socket.create_connection(address, timeout=0.05) as connection:
        connection.sendall(head)
        answer = b""
        for _ in range(1_000):
            connection.sendall(b" ")
            try:
                answer = connection.recv(100)
                break
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(("length", "token", "status"), [(999_999, "wrong", 401), (10**12, TOKEN, 413)])
def test_a_body_that_is_not_wanted_is_not_waited_for(
    served: tuple[str, int], length: int, token: str, status: int
) -> None:
    address, head = request_head(served[0], length, token)
    with socket.create_connection(address, timeout=30) as connection, connection.makefile("rb") as answer:
        connection.sendall(head)
        assert answer.readline().startswith(b"HTTP/1.1 %d " % status)
        assert b"connection: close" in answer.read().lower()


def test_who_is_refused_can_go_on_with_the_same_connection(served: tuple[str, int]) -> None:
    with httpx.Client(base_url=served[0]) as client:
        for size in (10, 100_000, 999_999, 1_500_000):
            assert client.post("/v1/searches", content=b" " * size).status_code == 401
            refused = client.post("/v1/searches", content=b" " * size, headers=BEARER)
            assert refused.status_code == (413 if size > 1_000_000 else 422)
            assert "connection" not in refused.headers
