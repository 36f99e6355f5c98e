"""What a deployment says in environment variables. They name the files of secrets and never hold one.

Every variable is in the table of `deploy/README.md`.
"""

import ipaddress
from collections.abc import Mapping
from pathlib import Path

from nas_controller.webhooks.hosts import VARIABLE as WEBHOOK_HOSTS
from nas_controller.webhooks.hosts import WebhookHosts

SHORTEST_SECRET = 32

DATABASE_URL = "SPINESEARCH_DATABASE_URL"
DATABASE_PASSWORD_FILE = "SPINESEARCH_DATABASE_PASSWORD_FILE"
TOKEN_FILE = "SPINESEARCH_TOKEN_FILE"
SESSION_SECRET_FILE = "SPINESEARCH_SESSION_SECRET_FILE"
ALLOWED_HOSTS = "SPINESEARCH_ALLOWED_HOSTS"
SECURE_COOKIE = "SPINESEARCH_SECURE_COOKIE"
RAY_ADDRESS = "SPINESEARCH_RAY_ADDRESS"
CPUS = "SPINESEARCH_CPUS"
GPUS = "SPINESEARCH_GPUS"
TPUS = "SPINESEARCH_TPUS"
MAX_SEARCHES = "SPINESEARCH_MAX_SEARCHES"
MAX_WORKERS = "SPINESEARCH_MAX_WORKERS"
KEEP_ARTIFACTS_DAYS = "SPINESEARCH_KEEP_ARTIFACTS_DAYS"


def read_secret(variable: str, path: Path) -> str:
    """The secret in the file that a variable names, without the white space around it.

    Raises:
        ValueError: no such file, or nothing in it.
    """
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ValueError(f"{variable}: {path}: {reason}") from None
    if not secret:
        raise ValueError(f"{variable}: {path}: the file is empty")
    return secret


def read_key(variable: str, path: Path) -> str:
    """A secret that nobody can guess.

    Raises:
        ValueError: as in `read_secret`, or shorter than 32 characters.
    """
    key = read_secret(variable, path)
    if len(key) < SHORTEST_SECRET:
        raise ValueError(f"{variable}: {path}: must have at least {SHORTEST_SECRET} characters")
    return key


def database_url(environment: Mapping[str, str], default: str) -> str:
    """The SQLAlchemy URL, with the password out of its file where one is named.

    Raises:
        ValueError: a password without a place for it, or two of them.
    """
    url = environment.get(DATABASE_URL) or default
    file = environment.get(DATABASE_PASSWORD_FILE)
    if not file:
        return url
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):  # which name a part of it
        raise ValueError(f"{DATABASE_URL}: not a database URL, e.g. postgresql+psycopg://USER@HOST/NAME") from None
    if not parts.username:
        raise ValueError(f"{DATABASE_PASSWORD_FILE}: {DATABASE_URL} must name the user whose password it is")
    if parts.password is not None:
        raise ValueError(f"{DATABASE_PASSWORD_FILE}: {DATABASE_URL} has a password already; leave out one of them")
    password = read_secret(DATABASE_PASSWORD_FILE, Path(file))
    return parts.set(password=password).render_as_string(hide_password=False)


def allowed_hosts(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Host names that the API answers to besides those of loopback, lower case and without port.

    Raises:
        ValueError: one with a port, a path or a wildcard in it.
    """
    names = tuple(name.strip().lower() for name in environment.get(ALLOWED_HOSTS, "").split(",") if name.strip())
    for name in names:
        is_address = name.startswith("[") and name.endswith("]")
        if not is_address and any(character in name for character in ":/* "):
            raise ValueError(f"{ALLOWED_HOSTS}: {name!r}: must be host names with commas between, without ports")
    return names


def webhook_hosts(environment: Mapping[str, str]) -> WebhookHosts:
    """Where messages may be sent.

    Raises:
        ValueError: an entry that is no host.
    """
    return WebhookHosts.parse(environment.get(WEBHOOK_HOSTS, ""))


def secure_cookie(environment: Mapping[str, str]) -> bool:
    """Whether browsers send the session over HTTPS only.

    Raises:
        ValueError: neither yes nor no.
    """
    text = environment.get(SECURE_COOKIE) or "no"
    if text not in ("yes", "no"):
        raise ValueError(f"{SECURE_COOKIE}: {text!r}: must be yes or no")
    return text == "yes"


def count(variable: str, environment: Mapping[str, str], least: int = 1) -> int | None:
    """The number that a variable says; None where it says nothing.

    Raises:
        ValueError: not an integer, or less than `least`.
    """
    text = environment.get(variable)
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and int(text) >= least):
        raise ValueError(f"{variable}: {text!r}: must be an integer of at least {least}")
    return int(text)


def check_listening(host: str, environment: Mapping[str, str]) -> None:
    """Lets an API listen beyond loopback only where somebody said who it is and gave it its secrets.

    Raises:
        ValueError: the variables that are missing.
    """
    if _is_loopback(host):
        return
    needed = (ALLOWED_HOSTS, TOKEN_FILE, SESSION_SECRET_FILE)
    missing = [name for name in needed if not environment.get(name)]
    if missing:
        raise ValueError(f"--host {host} is beyond loopback: set {', '.join(missing)} first")


def check_ray(environment: Mapping[str, str]) -> None:
    """Lets a Ray cluster be used only where it asks for a token: whoever reaches one without runs code on it.

    Raises:
        ValueError: a cluster that is not on loopback, and no token.
    """
    address = environment.get(RAY_ADDRESS)
    if not address or _is_loopback(address.removeprefix("ray://").rpartition(":")[0].strip("[]")):
        return
    if environment.get("RAY_AUTH_MODE") != "token":
        raise ValueError(f"{RAY_ADDRESS}: {address}: set RAY_AUTH_MODE=token, here and on every node of the cluster")
    if not (environment.get("RAY_AUTH_TOKEN") or environment.get("RAY_AUTH_TOKEN_PATH")):
        raise ValueError(f"{RAY_ADDRESS}: {address}: set RAY_AUTH_TOKEN_PATH to the file with the cluster's token")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
