"""One message, over a real connection to a receiver on 127.0.0.1."""

import gc
import socket
import ssl
import threading
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
import trustme

from nas_controller.webhooks.courier import Answer, Courier, resolve
from nas_controller.webhooks.hosts import WebhookHosts
from spinesearch.supervisor import free_port
from tests.nas_controller.webhook_receiver import receiving

HERE = WebhookHosts.parse("http://127.0.0.1")
HEADERS = {"webhook-id": "w1_s1_5_state"}
BODY = b'{"type":"search.state"}'


def post(url: str, hosts: WebhookHosts = HERE, **changes: Any) -> Answer:
    """What comes of a message."""
    return Courier(hosts=hosts, **changes).post(url, HEADERS, BODY)


def test_a_message_arrives_as_it_was_sent() -> None:
    with receiving() as receiver:
        assert post(receiver.url("/a?b=c")) == Answer(204)
    (received,) = receiver.received
    assert (received.path, received.body, received.id) == ("/a?b=c", BODY, "w1_s1_5_state")
    assert received.headers["content-type"] == "application/json"
    assert received.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize("status", [200, 299, 404, 410, 429, 500, 503])
def test_an_answer_is_told(status: int) -> None:
    with receiving() as receiver:
        receiver.status = status
        assert post(receiver.url()) == Answer(status)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with receiving() as receiver, receiving() as other:
        receiver.status, receiver.headers = status, {"Location": other.url()}
        assert post(receiver.url()) == Answer(status)
        assert other.received == []


def test_nobody_there() -> None:
    answer = post(f"http://127.0.0.1:{free_port()}/")
    assert answer.status is None
    assert "ConnectError" in answer.error


def test_a_receiver_that_hangs_is_left() -> None:
    is_over = threading.Event()
    with receiving() as receiver:
        receiver.before = lambda file: is_over.wait(30)
        assert post(receiver.url(), seconds=0.3) == Answer(None, "no answer within 0.3 s")
        is_over.set()


def test_a_receiver_that_answers_byte_by_byte_has_no_more_time_than_others() -> None:
    is_over = threading.Event()

    def drip(file: Any) -> None:
        file.write(b"HTTP/1.1 200 OK\r\n")
        while not is_over.wait(0.02):
            file.write(b"X-A: a\r\n")
            file.flush()

    with receiving() as receiver:
        receiver.before = drip
        assert post(receiver.url(), seconds=0.5) == Answer(None, "no answer within 0.5 s")
        is_over.set()


def test_of_a_long_answer_little_is_read() -> None:
    with receiving() as receiver:
        receiver.status, receiver.length = 200, 2**30
        assert post(receiver.url()) == Answer(200)
    assert receiver.num_sent_bytes < 2**26, "what fits into the buffers of the connection"


def test_a_host_that_is_not_allowed_is_not_looked_up() -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    answer = post("http://localhost:80/", resolve=resolve)
    assert (answer.status, asked) == (None, [])
    assert "SPINESEARCH_WEBHOOK_HOSTS" in answer.error


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::ffff:127.0.0.1"], []])
def test_an_allowed_name_that_leads_inside_gets_nothing(addresses: list[str]) -> None:
    with receiving() as receiver:
        hosts = WebhookHosts.parse("http://hooks.example.com")
        url = f"http://hooks.example.com:{receiver.port}/"
        assert post(url, hosts, resolve=lambda host, port: addresses).status is None
        assert receiver.received == []


def test_the_connection_goes_to_the_address_that_was_looked_at() -> None:
    """A name that means another address when it is asked for again is asked for once."""
    answers = [["127.0.0.1"], ["10.9.9.9"]]
    with receiving() as receiver:
        hosts = WebhookHosts.parse("http://hooks.example.com=127.0.0.1/32")
        url = f"http://hooks.example.com:{receiver.port}/x"
        assert post(url, hosts, resolve=lambda host, port: answers.pop(0)) == Answer(204)
    assert receiver.received[0].headers["host"] == f"hooks.example.com:{receiver.port}"
    assert answers == [["10.9.9.9"]]


def test_another_address_is_tried_where_the_first_takes_no_connection() -> None:
    with receiving() as receiver:
        hosts = WebhookHosts.parse("http://hooks.example.com=127.0.0.0/8")
        url = f"http://hooks.example.com:{receiver.port}/x"
        assert post(url, hosts, resolve=lambda host, port: ["127.0.0.2", "127.0.0.1"]) == Answer(204)


def test_a_name_that_cannot_be_resolved() -> None:
    def fail(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    answer = post("https://hooks.invalid/", WebhookHosts.parse("hooks.invalid"), resolve=fail)
    assert answer == Answer(None, f"gaierror: [Errno {socket.EAI_NONAME}] Name or service not known")


def test_the_machine_resolves_each_address_once() -> None:
    assert resolve("127.0.0.1", 80) == ["127.0.0.1"]
    assert "127.0.0.1" in resolve("localhost", 80)


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver, receiving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        assert post(receiver.url()) == Answer(204)
        assert (len(receiver.received), proxy.received) == (1, [])


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.mark.parametrize(("name", "is_right"), [("hooks.example.com", True), ("other.example.com", False)])
def test_the_certificate_must_be_of_the_host_whatever_its_address(
    authority: trustme.CA, name: str, is_right: bool
) -> None:
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), httpx.create_ssl_context(trust_env=False)
    authority.issue_cert(name).configure_cert(server)
    authority.configure_trust(client)
    named: list[str | None] = []
    server.sni_callback = lambda connection, asked, context: named.append(asked)
    hosts = WebhookHosts.parse("hooks.example.com=127.0.0.1/32")
    with receiving(tls=server) as receiver:
        url = f"https://hooks.example.com:{receiver.port}/"
        answer = post(url, hosts, tls=client, resolve=lambda host, port: ["127.0.0.1"])
    assert named == ["hooks.example.com"]
    assert len(receiver.received) == int(is_right)
    if is_right:
        assert answer == Answer(204)
    else:
        assert answer.status is None
        assert "CERTIFICATE_VERIFY_FAILED" in answer.error


def test_a_certificate_that_nobody_vouches_for_is_refused(authority: trustme.CA) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    with receiving(tls=server) as receiver:
        answer = post(f"https://127.0.0.1:{receiver.port}/")
    assert "CERTIFICATE_VERIFY_FAILED" in answer.error
    assert receiver.received == []


def test_nothing_is_left_open() -> None:
    """A socket or a loop that is collected unclosed would be a warning, and so an error."""
    with receiving() as receiver:
        for _ in range(3):
            post(receiver.url())
    gc.collect()
