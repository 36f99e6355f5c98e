"""What no log may have: the secrets that a process knows.

Each of their bytes becomes an asterisk, so that places in the text stay the same.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

SHORTEST_SECRET = 8
"""Shorter ones would take words out of every text."""
LONGEST_SECRET = 4096
_NAMES = re.compile(r"TOKEN|SECRET|PASSW(OR)?D|CREDENTIAL|(API|ACCESS|PRIVATE|AUTH)_?KEY", re.IGNORECASE)
_PASSWORD = re.compile(rb"://[^\s:/@]*:([^\s/@]+)@")
_BEARER = re.compile(rb"\bBearer +([A-Za-z0-9._~+/=-]+)", re.IGNORECASE)
_OURS = re.compile(rb"\b(spinesearch_[0-9a-f]{64}|whsec_[A-Za-z0-9+/]{32,}={0,2})")
"""Tokens that the service made, and keys of its webhooks, are known by how they begin."""


def secrets_of(environment: Mapping[str, str]) -> list[bytes]:
    """The values of variables whose names say that they are secret, and what is in the files that such variables with
    ``_FILE`` name; the longest first."""
    secrets = set()
    for name, value in environment.items():
        if _NAMES.search(name):
            secrets.add(_content(value) if name.upper().endswith("_FILE") else value.encode(errors="surrogateescape"))
        secrets |= set(_PASSWORD.findall(value.encode(errors="surrogateescape")))
    wanted = [secret for secret in secrets if SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET]
    return sorted(wanted, key=lambda secret: (-len(secret), secret))


def _content(path: str) -> bytes:
    """What a small file has; nothing where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return file.read(LONGEST_SECRET).strip()
    except (OSError, ValueError):
        return b""


def redacted(text: bytes, secrets: Sequence[bytes]) -> bytes:
    """The text, as long as it was, without the secrets, passwords in addresses, and tokens and keys known as such."""
    for secret in secrets:
        text = text.replace(secret, b"*" * len(secret))
    for pattern in (_PASSWORD, _BEARER, _OURS):
        text = pattern.sub(_without_group, text)
    return text


def _without_group(found: "re.Match[bytes]") -> bytes:
    before, after = found[0][: found.start(1) - found.start()], found[0][found.end(1) - found.start() :]
    return before + b"*" * len(found[1]) + after
