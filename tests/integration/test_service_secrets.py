"""Everything that a service leaves behind, searched for everything that it must keep to itself."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import create_engine, inspect, text

from spinesearch.client import Client
from tests.deploy.postgresql import running_postgresql
from tests.integration.service import descendants, running_service, wait_until
from tests.integration.test_service_search import SEARCH, wait_for_end
from tests.nas_controller.webhook_receiver import Received, Receiver, receiving

PASSWORD = "kept-for-the-database-0123456789"
KEEPS_SECRETS = {"token", "session-secret"}
KEY_OF_RECEIVER = "kept-for-the-receiver-0123456789"
"""It is a part of a URL, which the database must know; nobody else need."""


@dataclass(frozen=True)
class Traces:
    """What a service that ran left, by place, and its secrets by name."""

    texts: dict[str, bytes]
    secrets: dict[str, str]
    code: str
    messages: list[Received]


@pytest.fixture(scope="module")
def traces() -> Iterator[Traces]:
    """A search on PostgreSQL with a password, a sign-in, and requests of the kind that end in a log."""
    folder = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))  # Ray's sockets want a short path
    try:
        with running_postgresql(folder / "pg", "keeper", "searches", PASSWORD) as (port, _), receiving() as receiver:
            yield _ran_service(folder, port, receiver)
    finally:
        shutil.rmtree(folder)


def _ran_service(folder: Path, port: int, receiver: Receiver) -> Traces:
    password, temporary, log = folder / "password", folder / "tmp", folder / "log"
    password.write_text(PASSWORD)
    temporary.mkdir()
    settings = {
        "SPINESEARCH_DATABASE_URL": f"postgresql+psycopg://keeper@127.0.0.1:{port}/searches",
        "SPINESEARCH_DATABASE_PASSWORD_FILE": str(password),
        "SPINESEARCH_WEBHOOK_HOSTS": "http://127.0.0.1",
        "TMPDIR": str(temporary),
    }
    with log.open("wb") as output, running_service(folder / "home", output, **settings) as (process, client):
        url = receiver.url(f"/hook?key={KEY_OF_RECEIVER}")
        webhook = client.create_webhook(url, ["search.state", "search.best"])
        search_id = client.create_search(SEARCH, idempotency_key="once")["id"]
        code = _sign_in(log)
        made = client.create_token("a reader", "read")
        with Client(str(client._http.base_url), made["secret"]) as reader:
            reader.get_search(search_id)
            for asking in (client, reader):
                _ask_wrongly(str(client._http.base_url), asking)
        revoked = client.create_token("somebody who left", "admin")
        client.revoke_token(revoked["id"])
        assert httpx.get(f"{client._http.base_url}/v1/tokens", headers=_bearer(revoked["secret"])).status_code == 401
        wait_until(lambda: client.get_search(search_id)["counts"]["completed"] >= 4, 120)
        processes = [psutil.Process(process.pid), *descendants(process.pid)]
        texts = {f"command line of {p.pid}": " ".join(p.cmdline()).encode() for p in processes}
        texts |= _files(temporary)  # Ray's files, which go with it
        ray_token = next(filter(None, (p.environ().get("RAY_AUTH_TOKEN") for p in processes)))
        wait_for_end(client, search_id)
        wait_until(lambda: _ends(receiver), 30)
    home = _files(folder / "home")
    secrets = {name: home.pop(str(folder / "home" / name)).decode() for name in sorted(KEEPS_SECRETS)}
    texts |= home | {"output": log.read_bytes(), **_rows(port)}
    secrets |= {"database password": PASSWORD, "token of Ray": ray_token}
    secrets |= {"made token": made["secret"], "revoked token": revoked["secret"]}
    secrets |= {"key of the webhook": webhook["secret"].removeprefix("whsec_")}
    return Traces(texts, secrets, code, receiver.received)


def _ends(receiver: Receiver) -> bool:
    """Whether the search's end was told."""
    return any(received.document["data"].get("state") == "succeeded" for received in receiver.received)


def _bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def _sign_in(log: Path) -> str:
    """Opens the printed link, twice; its code."""
    found = re.search(rb"(http://\S+/login\?code=)(\S+)", log.read_bytes())
    assert found is not None
    link, code = found.group(0).decode(), found.group(2).decode()
    answer = httpx.get(link)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert httpx.get(link).status_code == 401
    return code


def _ask_wrongly(url: str, client: Client) -> None:
    """Requests that are refused while they carry the token."""
    token = client._http.headers["Authorization"].removeprefix("Bearer ")
    headers = _bearer(token)
    assert httpx.get(f"{url}/nothing", headers=headers).status_code == 404
    assert httpx.get(f"{url}/v1/searches/none/artifacts/{token}", headers=headers).status_code in (404, 422)
    assert httpx.post(f"{url}/v1/searches", content=b"{", headers=headers).status_code in (403, 422)
    assert httpx.get(f"{url}/v1/searches", params={"token": token}).status_code == 401
    assert httpx.get(f"{url}/v1/searches", headers={"Authorization": f"Basic {token}"}).status_code == 401


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _rows(port: int) -> dict[str, bytes]:
    """Every table of the database as text."""
    engine = create_engine(f"postgresql+psycopg://keeper:{PASSWORD}@127.0.0.1:{port}/searches")
    with engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        rows = {name: connection.execute(text(f'SELECT t::text FROM "{name}" t')).scalars().all() for name in tables}
    engine.dispose()
    return {f"table {name}": "\n".join(found).encode() for name, found in rows.items()}


def test_the_search_left_something_to_look_through(traces: Traces) -> None:
    places = list(traces.texts)
    assert len(traces.texts["table trial"]) > 1_000
    assert traces.texts["table token"].count(b"\n") == 1, "two tokens"
    assert any("/ray/" in place and place.endswith(".log") for place in places)
    assert sum(place.startswith("command line") for place in places) >= 6
    assert b"/login?code=" in traces.texts["output"]
    assert all(len(secret) >= 32 for secret in traces.secrets.values())


def test_no_secret_is_in_a_log_a_file_a_table_or_a_command_line(traces: Traces) -> None:
    found = {
        (name, place)
        for name, secret in traces.secrets.items()
        for place, content in traces.texts.items()
        if secret.encode() in content
    }
    assert found == set()


def test_what_a_url_of_a_webhook_holds_is_in_its_table_and_nowhere_else(traces: Traces) -> None:
    found = {place for place, content in traces.texts.items() if KEY_OF_RECEIVER.encode() in content}
    assert found == {"table webhook"}


def test_the_search_was_told_to_the_receiver_signed_and_in_order(traces: Traces) -> None:
    key = traces.secrets["key of the webhook"]
    assert all(received.is_signed_with(f"whsec_{key}") for received in traces.messages)
    told = {received.id: received.document for received in traces.messages}
    sequences = [int(message_id.split("_")[2]) for message_id in told]
    assert sequences == sorted(sequences)
    states = [message["data"]["state"] for message in told.values() if message["type"] == "search.state"]
    assert [states[0], states[-1]] == ["pending", "succeeded"]
    rewards = [message["data"]["reward"] for message in told.values() if message["type"] == "search.best"]
    assert rewards == sorted(set(rewards))
    assert rewards


def test_the_sign_in_code_is_where_it_was_printed_and_nowhere_else(traces: Traces) -> None:
    counts = {place: content.count(traces.code.encode()) for place, content in traces.texts.items()}
    assert {place: count for place, count in counts.items() if count} == {"output": 1}
