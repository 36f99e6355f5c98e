"""Where messages may go."""

import pytest

from nas_controller.webhooks.hosts import Target, WebhookHosts, WebhookUrlError

HOSTS = WebhookHosts.parse(
    "hooks.example.com, Hooks.Internal=10.0.0.0/8, http://plain.internal=fd00::/8, 10.1.2.3, http://[::1]"
)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://hooks.example.com", Target(scheme="https", host="hooks.example.com", port=443, rest="/")),
        (
            "https://HOOKS.example.com:8443/a/b?c=d%20e",
            Target(scheme="https", host="hooks.example.com", port=8443, rest="/a/b?c=d%20e"),
        ),
        ("https://hooks.internal/", Target(scheme="https", host="hooks.internal", port=443, rest="/")),
        ("http://plain.internal/x", Target(scheme="http", host="plain.internal", port=80, rest="/x")),
        ("https://10.1.2.3/", Target(scheme="https", host="10.1.2.3", port=443, rest="/")),
        ("http://[0:0::1]:9000/", Target(scheme="http", host="::1", port=9000, rest="/")),
    ],
)
def test_a_url_of_an_allowed_host_is_taken_apart(url: str, target: Target) -> None:
    assert HOSTS.target(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com",
        "ftp://hooks.example.com/",
        "http://hooks.example.com/",
        "http://10.1.2.3/",
        "https://example.com/",
        "https://evil.hooks.example.com/",
        "https://hooks.example.com.evil.com/",
        "https://hooks.example.com./",
        "https://hooks.example.com@evil.com/",
        "https://evil.com\\@hooks.example.com/",
        "https://hooks.example.com\\.evil.com/",
        "https://hooks.example.com#@evil.com/",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com:80:80/",
        "https://hooks.example.com /",
        "https://hooks.example.com/\r\nHost: evil.com",
        "https://hooks.example.com/é",
        "https://hooks.example.com/" + "a" * 2048,
        "https://10.1.2.4/",
        "https://167838211/",
        "https://0x0a010203/",
        "https://[::ffff:10.1.2.3]/",
        "https://[::2]/",
        "https://[1.2.3.4]/",
        "https://localhost/",
    ],
)
def test_nothing_goes_anywhere_else(url: str) -> None:
    with pytest.raises(WebhookUrlError):
        HOSTS.target(url)


def test_without_hosts_nothing_goes_anywhere_and_it_is_said_how() -> None:
    with pytest.raises(WebhookUrlError, match=r"SPINESEARCH_WEBHOOK_HOSTS=hooks\.example\.com"):
        WebhookHosts.parse(" ,").target("https://hooks.example.com/")


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("hooks.example.com", ["93.184.215.14"]),
        ("hooks.example.com", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]),
        ("hooks.internal", ["10.200.3.4", "93.184.215.14"]),
        ("plain.internal", ["fd00::17"]),
        ("10.1.2.3", ["10.1.2.3"]),
        ("::1", ["::1"]),
    ],
)
def test_addresses_that_were_meant_are_allowed(host: str, addresses: list[str]) -> None:
    HOSTS.check_addresses(host, addresses)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("hooks.example.com", "127.0.0.1"),
        ("hooks.example.com", "10.1.2.3"),
        ("hooks.example.com", "172.16.0.1"),
        ("hooks.example.com", "192.168.1.1"),
        ("hooks.example.com", "169.254.169.254"),
        ("hooks.example.com", "100.64.0.1"),
        ("hooks.example.com", "0.0.0.0"),
        ("hooks.example.com", "224.0.0.1"),
        ("hooks.example.com", "255.255.255.255"),
        ("hooks.example.com", "::1"),
        ("hooks.example.com", "::"),
        ("hooks.example.com", "fe80::1%eth0"),
        ("hooks.example.com", "fd00::17"),
        ("hooks.example.com", "ff02::1"),
        ("hooks.example.com", "::ffff:127.0.0.1"),
        ("hooks.example.com", "::ffff:169.254.169.254"),
        ("hooks.example.com", "2002:7f00:1::"),
        ("hooks.example.com", "64:ff9b::a9fe:a9fe"),
        ("hooks.internal", "192.168.1.1"),
        ("hooks.internal", "127.0.0.1"),
        ("plain.internal", "10.1.2.3"),
        ("10.1.2.3", "10.1.2.4"),
        ("elsewhere.example.com", "93.184.215.14"),
    ],
)
def test_no_other_address_is(host: str, address: str) -> None:
    for addresses in ([address], ["93.184.215.14", address]):
        with pytest.raises(WebhookUrlError, match="not public"):
            HOSTS.check_addresses(host, addresses)


def test_a_host_without_an_address_is_none() -> None:
    with pytest.raises(WebhookUrlError, match="no address"):
        HOSTS.check_addresses("hooks.example.com", [])


@pytest.mark.parametrize(
    "entry",
    ["*", "*.example.com", "https://hooks.example.com", "a/b", "a:80", "a=10.0.0.0/40", "a=10.1.2.3/8", "[zz]", "a b"],
)
def test_an_entry_that_is_none_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="SPINESEARCH_WEBHOOK_HOSTS: "):
        WebhookHosts.parse(f"hooks.example.com,{entry}")
