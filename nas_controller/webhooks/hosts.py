"""Where messages may go: to hosts that the operator named, and to no address that was not meant.

`$SPINESEARCH_WEBHOOK_HOSTS` has entries with commas between:

    hooks.example.com                   by https, where it has public addresses only
    hooks.internal=10.0.0.0/8           also where its addresses lie in that network
    http://hooks.internal=10.0.0.0/8    by http too
    10.1.2.3   http://[::1]             an address, whatever it is

Names are resolved when a message is sent, and the connection goes to an address that was looked at: a name that means
another one a moment later gains nothing.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

VARIABLE = "SPINESEARCH_WEBHOOK_HOSTS"
LONGEST_URL = 2048
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]"
_ENTRY = re.compile(rf"(?P<plain>http://)?(?P<host>{_HOST})(?:=(?P<network>[0-9A-Fa-f:./]+))?")
_URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,5}}))?"
    r"(?P<rest>(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?)"
)
"""Narrower than a URL may be: no two readers of it can take another host out of it."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


class WebhookUrlError(ValueError):
    """Nothing is sent to this URL; the message says why, and what would allow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL, taken apart.

    Args:
        host: lower case; an IPv6 address without its brackets.
        rest: path and query.
    """

    scheme: str
    host: str
    port: int
    rest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedHost:
    """One entry.

    Args:
        may_be_plain: whether http is allowed too.
        network: in which its addresses may lie besides public ones.
    """

    host: str
    may_be_plain: bool = False
    network: Network | None = None


@dataclass(frozen=True, slots=True)
class WebhookHosts:
    """All entries; without any, webhooks are off."""

    hosts: tuple[AllowedHost, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "WebhookHosts":
        """The hosts that the variable names.

        Raises:
            ValueError: an entry that is none; the message has it.
        """
        return cls(tuple(_entry(part.strip()) for part in text.split(",") if part.strip()))

    def target(self, url: str) -> Target:
        """Where a URL leads.

        Raises:
            WebhookUrlError: it is not one of ours, or leads to a host that is not allowed.
        """
        target = _target(url)
        allowed = self._find(target.host)
        if allowed is None:
            raise WebhookUrlError(
                f"webhooks may not go to {target.host}: the operator allows hosts with {VARIABLE}={target.host}, "
                "of the API and the controller"
            )
        if target.scheme == "http" and not allowed.may_be_plain:
            raise WebhookUrlError(f"must begin with https://, unless {VARIABLE} has http://{target.host}")
        return target

    def check_addresses(self, host: str, addresses: Sequence[str]) -> None:
        """Lets a connection go to the addresses that an allowed host has.

        Raises:
            WebhookUrlError: there is none, or one is not public (private, loopback, link-local, ...), and not allowed.
        """
        if not addresses:
            raise WebhookUrlError(f"{host} has no address")
        allowed = self._find(host)
        for text in addresses:
            address = ipaddress.ip_address(text)
            if allowed is None or not _is_allowed(address, allowed):
                raise WebhookUrlError(
                    f"{host} has the address {address}, which is not public: the operator allows it with "
                    f"{VARIABLE}={host}={ipaddress.ip_network(address)}"
                )

    def _find(self, host: str) -> AllowedHost | None:
        return next((allowed for allowed in self.hosts if allowed.host == host), None)


NO_HOSTS = WebhookHosts()


def _entry(text: str) -> AllowedHost:
    found = _ENTRY.fullmatch(text)
    if found is None:
        raise ValueError(f"{VARIABLE}: {text!r}: must be HOST, http://HOST or HOST=NETWORK, with commas between")
    try:
        network = ipaddress.ip_network(found["network"]) if found["network"] else None
        return AllowedHost(host=_bare(found["host"]), may_be_plain=bool(found["plain"]), network=network)
    except ValueError as error:
        raise ValueError(f"{VARIABLE}: {text!r}: {error}") from None


def _target(url: str) -> Target:
    found = _URL.fullmatch(url)
    if found is None or len(url) > LONGEST_URL:
        raise WebhookUrlError(
            "must be https://HOST[:PORT]/PATH, without a user, a fragment, or letters that need escapes"
        )
    port = int(found["port"] or {"https": 443, "http": 80}[found["scheme"]])
    if not 1 <= port <= 65535:
        raise WebhookUrlError(f"port {port}: there is none")
    try:
        host = _bare(found["host"])
    except ValueError as error:
        raise WebhookUrlError(str(error)) from None
    return Target(scheme=found["scheme"], host=host, port=port, rest=found["rest"] or "/")


def _bare(host: str) -> str:
    """The host in lower case; an address as Python writes it, without brackets."""
    if host.startswith("["):
        return str(ipaddress.IPv6Address(host[1:-1]))
    return host.lower()


def _is_allowed(address: Address, allowed: AllowedHost) -> bool:
    if str(address) == allowed.host:
        return True
    if allowed.network is not None and address in allowed.network:
        return True
    return all(each.is_global and not each.is_multicast for each in (address, *_inside(address)))


def _inside(address: Address) -> list[Address]:
    """The IPv4 addresses that an IPv6 address leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    translated = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _TRANSLATED else None
    teredo = address.teredo or ()
    return [each for each in (address.ipv4_mapped, address.sixtofour, translated, *teredo) if each is not None]
