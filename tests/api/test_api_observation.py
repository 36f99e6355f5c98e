"""The id of a request: in the answer, in the problem, in the log; and what the log says of an error."""

import logging
from collections.abc import Iterator

import httpx
import pytest

from api.app import create_app
from nas_controller.records import Search
from nas_controller.store.memory import MemoryStore
from tests.api.serving import BEARER, make_settings, serve

HEADER = "X-Request-ID"


class BrokenStore(MemoryStore):
    """Its lists raise."""

    def list_searches(self, *args: object, **more: object) -> list[Search]:
        raise OSError("connection refused\nby the database")


@pytest.fixture
def broken() -> Iterator[httpx.Client]:
    """A signed-in client of a service whose lists raise."""
    app = create_app(BrokenStore(), None, make_settings())  # type: ignore[arg-type]
    with serve(app) as url, httpx.Client(base_url=url, headers=BEARER) as client:
        yield client


def test_every_answer_has_an_id_of_its_own(client: httpx.Client) -> None:
    answers = [client.get(path) for path in ("/healthz", "/v1/searches", "/nothing", "/static/plotly.min.js")]
    answers.append(httpx.get(f"{client.base_url}/v1/searches"))  # refused by the gate
    ids = [answer.headers[HEADER] for answer in answers]
    assert all(len(found) == 16 for found in ids)
    assert len(set(ids)) == len(ids)


def test_a_problem_has_the_id_of_its_request(client: httpx.Client) -> None:
    for answer in (client.get("/v1/searches/none"), client.get("/v1/searches?page_size=0"), client.get("/nothing")):
        assert answer.json()["request_id"] == answer.headers[HEADER]
    refused = httpx.get(f"{client.base_url}/v1/searches")
    assert refused.json()["request_id"] == refused.headers[HEADER]


def test_a_good_id_is_taken_over(client: httpx.Client) -> None:
    assert client.get("/nothing", headers={HEADER: "proxy-1.A_b"}).json()["request_id"] == "proxy-1.A_b"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, 'a"b', "a{b}", "a\tb", "é"])
def test_another_id_is_replaced(client: httpx.Client, sent: str) -> None:
    answer = client.get("/healthz", headers=httpx.Headers({HEADER: sent}, encoding="latin-1"))
    assert len(answer.headers[HEADER]) == 16


def test_an_error_nobody_expected_is_a_problem_and_a_line_with_its_id(
    broken: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = broken.get("/v1/searches?code=secret", headers={HEADER: "mine"})
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert (answer.json()["code"], answer.json()["request_id"], answer.headers[HEADER]) == ("internal", "mine", "mine")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "refused" not in answer.text
    raised, answered = [record for record in caplog.records if record.name == "api.observation"]
    for record in (raised, answered):
        found = vars(record)
        assert (found["request_id"], found["method"], found["route"]) == ("mine", "GET", "/v1/searches")
        assert "secret" not in str(found)
    assert raised.exc_info is not None
    assert isinstance(raised.exc_info[1], OSError)
    assert (vars(answered)["status"], answered.levelno) == (500, logging.ERROR)


def test_what_goes_well_is_not_logged(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert client.get("/v1/searches").status_code == 200
        assert client.get("/v1/searches/none").status_code == 404
    assert [record for record in caplog.records if record.name.startswith("api")] == []
