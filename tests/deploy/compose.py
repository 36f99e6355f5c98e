"""`docker-compose.yml` as data: what each service runs, and with what; and what it may say."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
import yaml

from spinesearch.cli import app

ROOT = Path(__file__).parents[2]
OURS = ("api", "controller", "ray-head", "ray-worker", "ray-worker-gpu")
"""Services of our own image."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service; what is not asked for here is in `document`.

    Args:
        volumes: what is mounted (a name or a path) by where.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    health: tuple[str, ...]
    secrets: tuple[str, ...]
    networks: tuple[str, ...]
    ports: tuple[str, ...]
    volumes: Mapping[str, str]
    depends_on: Mapping[str, str]
    document: Mapping[str, Any]

    @classmethod
    def from_document(cls, name: str, document: Mapping[str, Any]) -> "Service":
        """The service of one entry of `services`."""
        command = document.get("command", [])
        test = document["healthcheck"]["test"]
        assert test[0] == "CMD", f"{name}: a health check without a shell in between"
        mounts = [mount.split(":") for mount in document.get("volumes", [])]
        return cls(
            name=name,
            command=tuple(shlex.split(command) if isinstance(command, str) else command),
            environment=document.get("environment", {}),
            health=tuple(test[1:]),
            secrets=tuple(document.get("secrets", [])),
            networks=tuple(document["networks"]),
            ports=tuple(document.get("ports", [])),
            volumes={mount[1]: mount[0] for mount in mounts},
            depends_on={other: how["condition"] for other, how in document.get("depends_on", {}).items()},
            document=document,
        )


def read_compose(variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The file with its variables filled in; a variable that is not given has its default."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return {key: _filled(value, variables or {}) for key, value in document.items()}


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(part, variables) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, variables) for part in value]
    if not isinstance(value, str):
        return value
    filled = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda match: variables.get(match[1]) or match[2], value)
    assert "$" not in filled, f"{value}: a variable without a default"
    return filled


def read_services(variables: Mapping[str, str] | None = None) -> dict[str, Service]:
    """All services, those of profiles too, by name."""
    services = read_compose(variables)["services"]
    return {name: Service.from_document(name, document) for name, document in services.items()}


def image_environment() -> dict[str, str]:
    """What `ENV` of the Dockerfile sets."""
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.removeprefix("ENV ") for line in text.splitlines() if line.startswith("ENV ")]
    pairs = [pair.split("=", 1) for line in lines for pair in line.split()]
    return dict(pairs)


def known_variables() -> set[str]:
    """Variables that the table in the README tells of; a test holds it equal to what the code reads."""
    text = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `(SPINESEARCH_[A-Z_]+)`", text, re.MULTILINE))


def parse_command_line(arguments: Sequence[str]) -> None:
    """Reads a command line of ours without running it; raises for a command or an option that there is not."""
    root: Any = typer.main.get_command(app)
    with root.make_context("spinesearch", list(arguments)) as context:
        name, command, rest = root.resolve_command(context, list(arguments))
        command.make_context(name, rest, parent=context)
