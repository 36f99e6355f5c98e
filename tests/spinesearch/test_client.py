"""The client against the served application."""

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.settings import hash_token
from api.tables import COLUMNS, PAGE_ROWS
from nas_controller.records import SearchState, Trial
from nas_controller.store.memory import MemoryStore
from spinesearch.client import ApiError, Client
from spinesearch.home import Home
from spinesearch.supervisor import free_port
from tests.api.searches import DOCUMENT, SearchWriter, write_small_search
from tests.api.serving import TOKEN, make_settings, serve

SEARCH_ID = "blood-cells-000001"


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    store = MemoryStore()
    yield store
    store.close()


@pytest.fixture
def writer(store: MemoryStore) -> SearchWriter:
    return write_small_search(store)


@pytest.fixture
def client(store: MemoryStore) -> Iterator[Client]:
    app = create_app(store, None, make_settings())  # type: ignore[arg-type]
    with serve(app) as url, Client(url, TOKEN) as client:
        yield client


def test_without_arguments_it_finds_the_service_of_this_home(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINESEARCH_HOME", str(tmp_path))
    monkeypatch.delenv("SPINESEARCH_URL", raising=False)
    with pytest.raises(ValueError, match="no service runs here"):
        Client()
    assert list(tmp_path.iterdir()) == []  # no token was made for nothing
    home = Home.from_environment()
    app = create_app(store, None, make_settings(token_sha256=hash_token(home.token())))  # type: ignore[arg-type]
    with serve(app) as url:
        home.url_file.write_text(url + "\n")
        with Client() as client:
            assert list(client.list_searches()) == []
        home.url_file.unlink()
        monkeypatch.setenv("SPINESEARCH_URL", url)
        with Client() as client:
            assert list(client.list_searches()) == []


def test_the_token_of_this_home_goes_to_no_other_service() -> None:
    with pytest.raises(ValueError, match="url and token"):
        Client("http://127.0.0.1:9")
    with pytest.raises(ValueError, match="url and token"):
        Client(token=TOKEN)


def test_a_search_is_checked_and_estimated_before_it_is_made(client: Client, store: MemoryStore) -> None:
    assert client.validate(DOCUMENT)["valid"] is True
    (error,) = client.validate({**DOCUMENT, "limits": {"trials": 0}})["errors"]
    assert error["place"] == "limits.trials"
    assert client.estimate(DOCUMENT)["trainings"] == 40 + (3 + 2) * 3
    with pytest.raises(ApiError) as refused:
        client.estimate({"space": "none"})
    assert (refused.value.status, refused.value.code) == (422, "request.invalid")
    assert store.list_searches(10) == []


def test_waiting_ends_with_the_search_or_a_pause_or_the_time(
    client: Client, store: MemoryStore, writer: SearchWriter
) -> None:
    with pytest.raises(TimeoutError, match=f"{SEARCH_ID} is running after 0 s"):
        client.wait(SEARCH_ID, timeout_seconds=0)
    client.pause(SEARCH_ID)
    assert client.wait(SEARCH_ID)["state"] == "paused"
    client.cancel(SEARCH_ID)
    assert client.wait(SEARCH_ID)["state"] == "cancelled"


def test_events_go_on_where_the_service_was_cut_off(store: MemoryStore, writer: SearchWriter) -> None:
    port = free_port()
    with serve(create_app(store, None, make_settings()), port) as url:  # type: ignore[arg-type]
        client = Client(url, TOKEN)
        events = client.events(SEARCH_ID, after=2)
        first = next(events)
    writer.finish(SearchState.SUCCEEDED, "")
    with client, serve(create_app(store, None, make_settings()), port):  # type: ignore[arg-type]
        seen = [first, *events]
    last = store.get_search(SEARCH_ID).last_sequence
    assert [event.sequence for event in seen] == list(range(3, last + 1))
    assert (seen[-1].kind, seen[-1].content["state"]) == ("search.state", "succeeded")


def test_the_events_of_a_final_search_end(client: Client, store: MemoryStore, writer: SearchWriter) -> None:
    writer.finish(SearchState.FAILED, "")
    last = store.get_search(SEARCH_ID).last_sequence
    assert [event.sequence for event in client.events(SEARCH_ID)] == list(range(1, last + 1))
    assert list(client.events(SEARCH_ID, after=last)) == []
    with pytest.raises(ApiError, match="none"):
        list(client.events("none"))


def test_a_table_is_a_data_frame(client: Client, writer: SearchWriter) -> None:
    frame = client.table(SEARCH_ID)
    assert list(frame.columns) == [column.name for column in COLUMNS]
    assert list(frame["number"]) == [1, 2, 3, 4, 5, 6]
    assert frame.set_index("number").loc[4, "val_average_precision"] == pytest.approx(0.25)
    assert frame.loc[frame["state"] == "failed", "failure_reason"].tolist() == ["diverged"]
    assert str(frame["created_at"].dtype).endswith("UTC]")


@pytest.mark.parametrize("name", ["pandas", "pyarrow"])
def test_a_table_without_pandas_says_what_is_missing(
    client: Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=f"wants pandas and pyarrow.*{name}.*save_table"):
        client.table(SEARCH_ID)


@pytest.mark.parametrize("name", ["trials.csv", "trials.parquet"])
def test_a_table_is_saved_as_the_service_sends_it(
    client: Client, writer: SearchWriter, tmp_path: Path, name: str
) -> None:
    client.save_table(SEARCH_ID, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes()[:4] == (b"numb" if name == "trials.csv" else b"PAR1")
    with pytest.raises(ValueError, match=r"trials\.xlsx"):
        client.save_table(SEARCH_ID, tmp_path / "trials.xlsx")
    with pytest.raises(ApiError):
        client.save_table("none", tmp_path / name)


class CutOff(MemoryStore):
    """A store whose database goes away after the first page."""

    def list_trials(self, search_id: str, limit: int, after: int = 0, states: object = ()) -> list[Trial]:
        if after:
            raise OSError("connection refused")
        trial = self.get_trial(search_id, 1)
        return [trial] * PAGE_ROWS


def test_a_table_that_is_cut_off_leaves_no_file(tmp_path: Path) -> None:
    store = CutOff()
    write_small_search(store)
    app = create_app(store, None, make_settings())  # type: ignore[arg-type]
    with serve(app) as url, Client(url, TOKEN) as client, pytest.raises(httpx.TransportError):
        client.save_table(SEARCH_ID, tmp_path / "trials.csv")
    assert list(tmp_path.iterdir()) == []


def test_the_jobs_of_a_trial(client: Client, writer: SearchWriter) -> None:
    assert [job["kind"] for job in client.list_jobs(SEARCH_ID, 4)] == ["proxy"] + 3 * ["reevaluate"]
