from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.auth import SESSION_COOKIE, Auth
from api.limits import MANY_KEYS, RateLimit
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.store.memory import MemoryStore
from tests.api.searches import START
from tests.api.serving import BEARER, make_settings, serve
from tests.api.test_api_errors import assert_problem


class Clock:
    """The time, which moves when it is told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> object:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def take(limit: RateLimit, times: int, key: str = "a") -> list[int]:
    return [limit.take(key) for _ in range(times)]


def test_a_bucket_empties_and_is_filled_evenly() -> None:
    clock = Clock()
    limit = RateLimit(6, clock)  # type: ignore[arg-type]
    assert take(limit, 8) == [0, 0, 0, 0, 0, 0, 10, 10]  # 6 a minute: one comes every 10 s
    clock.move(9.5)
    assert take(limit, 1) == [1]
    clock.move(0.5)
    assert take(limit, 2) == [0, 10]
    clock.move(30)
    assert take(limit, 4) == [0, 0, 0, 10]
    clock.move(1000)
    assert take(limit, 7) == [0] * 6 + [10]


def test_each_key_has_its_own_bucket() -> None:
    limit = RateLimit(1, Clock())  # type: ignore[arg-type]
    assert take(limit, 2, "a") == [0, 60]
    assert take(limit, 2, "b") == [0, 60]


def test_a_clock_that_is_set_back_costs_a_minute_at_most() -> None:
    clock = Clock()
    limit = RateLimit(2, clock)  # type: ignore[arg-type]
    take(limit, 2)
    clock.move(-3600)
    assert take(limit, 1) == [30]
    clock.move(60)
    assert take(limit, 3) == [0, 0, 30]


def test_full_buckets_are_forgotten() -> None:
    clock = Clock()
    limit = RateLimit(60, clock)  # type: ignore[arg-type]
    for number in range(3 * MANY_KEYS):
        limit.take(str(number))
        clock.move(0.01)  # each is full again after a second, when a hundred others came
    assert len(limit._full_at) <= MANY_KEYS


def test_writes_beyond_the_limit_must_wait_and_reads_need_not() -> None:
    clock = Clock()
    app = create_app(MemoryStore(), None, make_settings(writes_per_minute=3), clock=clock)  # type: ignore[arg-type]
    with serve(app) as url, httpx.Client(base_url=url, headers=BEARER) as client:
        assert [client.post("/v1/searches/none:stop").status_code for _ in range(3)] == [404] * 3
        refused = client.post("/v1/searches/none:stop")
        assert_problem(refused, 429, "rate.exceeded")
        assert refused.headers["retry-after"] == "20"
        assert {client.get("/v1/searches").status_code for _ in range(50)} == {200}
        clock.move(20)
        assert client.post("/v1/searches/none:stop").status_code == 404


def test_nobody_spends_the_writes_of_another() -> None:
    auth = Auth(make_settings())
    sessions = [auth.redeem_login_code(auth.issue_login_code()) for _ in range(2)]
    app = create_app(MemoryStore(), None, make_settings(writes_per_minute=1), auth=auth)  # type: ignore[arg-type]
    with serve(app) as url:
        for _ in range(3):  # an open path, with a header that looks like the owner's
            httpx.post(f"{url}/healthz", headers={"Authorization": "Bearer wrong"})
        for cookie in sessions:
            headers = {"Cookie": f"{SESSION_COOKIE}={cookie}", "Sec-Fetch-Site": "same-origin"}
            answers = [httpx.post(f"{url}/v1/searches/none:stop", headers=headers).status_code for _ in range(2)]
            assert answers == [404, 429]
        assert httpx.post(f"{url}/v1/searches/none:stop", headers=BEARER).status_code == 404


def test_wrong_tokens_and_codes_are_slowed_down_and_the_right_ones_are_not() -> None:
    settings = make_settings(failures_per_minute=4)
    app = create_app(MemoryStore(), None, settings)  # type: ignore[arg-type]
    with serve(app) as url, httpx.Client(base_url=url) as client:
        wrong = {"Authorization": "Bearer wrong"}
        assert [client.get("/v1/searches", headers=wrong).status_code for _ in range(2)] == [401, 401]
        assert [client.get("/login?code=1.2.3").status_code for _ in range(2)] == [401, 401]
        for refused in (client.get("/v1/searches", headers=wrong), client.get("/login?code=1.2.3")):
            assert_problem(refused, 429, "rate.exceeded")
            assert 1 <= int(refused.headers["retry-after"]) <= 15  # a quarter of a minute, less what has passed
        assert client.get("/v1/searches").status_code == 401  # who shows nothing guesses nothing
        assert client.get("/v1/searches", headers=BEARER).status_code == 200
        assert client.get("/login", params={"code": Auth(settings).issue_login_code()}).status_code == 303


@pytest.mark.parametrize("name", ["writes_per_minute", "failures_per_minute"])
def test_a_limit_that_lets_nobody_in_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        make_settings(**{name: 0})


def test_the_limits_of_a_service_are_those_of_its_page(tmp_path: Path) -> None:
    settings = make_settings(writes_per_minute=60, failures_per_minute=10)
    app = create_app(MemoryStore(), DirectoryArtifactStore(tmp_path), settings, clock=lambda: START)
    with serve(app) as url, httpx.Client(base_url=url) as client:
        writes = [client.post("/v1/searches/none:stop", headers=BEARER).status_code for _ in range(61)]
        assert writes == [404] * 60 + [429]
        wrong = [client.get("/v1/searches", headers={"Authorization": "Bearer x"}).status_code for _ in range(11)]
        assert wrong == [401] * 10 + [429]
