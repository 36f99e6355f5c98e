"""Carries one message to its receiver: the only thing in the service that asks anybody else anything."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from nas_controller.webhooks.hosts import Target, WebhookHosts, WebhookUrlError

ANSWER_SECONDS = 10.0
READ_BYTES = 4096
"""So much of an answer is taken, so that its sender is not cut off; nobody looks at it."""
LONGEST_ERROR = 200

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host, as text; OSError where there are none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it.

    Args:
        status: None where no answer came.
        error: why none came.
    """

    status: int | None
    error: str = ""


def resolve(host: str, port: int) -> list[str]:
    """What the machine's resolver says, which takes as long as it is set to."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Courier:
    """Sends to allowed hosts.

    A host is resolved once for each attempt, all its addresses must be allowed, and the connection goes to one of them;
    certificates are checked against the host's name all the same. Redirects are not followed, and proxies that the
    environment names are not used.

    Args:
        tls: by which certificates are checked; by default those of certifi, or of ``$SSL_CERT_FILE``.
        seconds: for connecting, sending and the answer together, however slowly its bytes come.
    """

    hosts: WebhookHosts
    tls: ssl.SSLContext = field(default_factory=httpx.create_ssl_context)
    resolve: Resolve = resolve
    seconds: float = ANSWER_SECONDS

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Sends a JSON document; never raises for what the receiver or the network does."""
        try:
            target = self.hosts.target(url)
            addresses = self.resolve(target.host, target.port)
            self.hosts.check_addresses(target.host, addresses)
            return Answer(asyncio.run(self._post(target, addresses, headers, body)))
        except TimeoutError:
            return Answer(None, f"no answer within {self.seconds:g} s")
        except WebhookUrlError as error:
            return Answer(None, str(error))
        except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
            return Answer(None, f"{type(error).__name__}: {error}"[:LONGEST_ERROR])

    async def _post(self, target: Target, addresses: Sequence[str], headers: Mapping[str, str], body: bytes) -> int:
        """The status of the answer of the first address that takes the connection."""
        client = httpx.AsyncClient(verify=self.tls, trust_env=False, follow_redirects=False, timeout=None)
        async with asyncio.timeout(self.seconds), client:
            for address in addresses[:-1]:
                try:
                    return await _status(client, target, address, headers, body)
                except httpx.ConnectError:
                    continue
            return await _status(client, target, addresses[-1], headers, body)


async def _status(
    client: httpx.AsyncClient, target: Target, address: str, headers: Mapping[str, str], body: bytes
) -> int:
    """Sends to an address what is meant for a host, which is named to the server, and looked for in its certificate."""
    sent = {**headers, "Host": _authority(target.host, target), "Content-Type": "application/json"}
    url = f"{target.scheme}://{_authority(address, target)}{target.rest}"
    names_host = {"sni_hostname": target.host}
    async with client.stream("POST", url, headers=sent, content=body, extensions=names_host) as response:
        num_bytes = 0
        async for part in response.aiter_raw():
            num_bytes += len(part)
            if num_bytes >= READ_BYTES:
                break
        return response.status_code


def _authority(host: str, target: Target) -> str:
    is_default = target.port == {"https": 443, "http": 80}[target.scheme]
    name = f"[{host}]" if ":" in host else host
    return name if is_default else f"{name}:{target.port}"
