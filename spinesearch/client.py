"""A typed client of the REST API, for the command line, notebooks and scripts."""

import io
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, overload

import httpx

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]

Document = dict[str, Any]
TextFormat = Literal["spec", "pytorch", "torchvision", "tf-vision", "mmdet", "svg", "card"]
MERGE_PATCH = "application/merge-patch+json"
RETRY_SECONDS = 30.0
RETRY_INTERVAL_SECONDS = 0.5
POLL_SECONDS = 1.0
ACCEPTED = 202
SILENCE_SECONDS = 60.0
"""A stream of events says something every 15 s; one that is silent for longer is opened again."""
FINAL_STATES = ("succeeded", "failed", "cancelled")


class ApiError(Exception):
    """The service refused a request; `code` is the stable code of its problem document."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class OperationError(Exception):
    """What was asked for could not be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Event:
    """One ledger entry: its sequence number, kind, trial and content."""

    sequence: int
    kind: str
    trial_number: int | None
    content: Document


class Client:
    """A service, spoken to with a bearer token. Answers are the documents of the REST API, as OpenAPI describes them.

    Every method raises `ApiError` where the service refuses, and `httpx.TransportError` where it is not there; what
    only reads waits half a minute for it.

    >>> client = Client()  # doctest: +SKIP
    >>> search = client.create_search({"space": "spinenet-49", "data": "generated"})  # doctest: +SKIP
    >>> client.wait(search["id"])["best"]  # doctest: +SKIP
    """

    def __init__(self, url: str | None = None, token: str | None = None, timeout_seconds: float = 30.0) -> None:
        """A client of the service at `url`; without `url` and `token`, of the one that the command line would find:
        that of ``$SPINESEARCH_URL``, or the one that runs on this home.

        Raises:
            ValueError: only one of the two is given, or no service runs on this home.
        """
        if (url is None) != (token is None):
            raise ValueError("give url and token, or neither: a token is for its own service only")
        if url is None or token is None:
            from spinesearch.home import Home

            home = Home.from_environment()
            url, token = home.find_service(), home.token()
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_seconds)
        self._stream_timeout = httpx.Timeout(timeout_seconds, read=SILENCE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives back connections."""
        self._http.close()

    def validate(self, document: Mapping[str, Any]) -> Document:
        """`valid`, and the `errors` by place, of a search document; nothing is created."""
        return self._json("POST", "/v1/searches:validate", json=dict(document))

    def estimate(self, document: Mapping[str, Any]) -> Document:
        """What a search would take: feasible share, cost of its networks, hours and money as far as they are known."""
        return self._json("POST", "/v1/searches:estimate", json=dict(document))

    def create_search(self, document: Mapping[str, Any], idempotency_key: str | None = None) -> Document:
        """Starts a search; the same key and document give the search made first."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._json("POST", "/v1/searches", json=dict(document), headers=headers)

    def get_search(self, search_id: str) -> Document:
        """The search with its counts."""
        return self._json("GET", f"/v1/searches/{search_id}")

    def list_searches(self, **filters: Any) -> Iterator[Document]:
        """All searches but archived ones, newest first; `state`, `archived`, `name` and `order_by` as in the API."""
        return self._pages("/v1/searches", "searches", filters)

    def edit_search(self, search_id: str, patch: Mapping[str, Any]) -> Document:
        """The search with another `name`, `notes` or `limits`: a JSON merge patch of what it has now."""
        path = f"/v1/searches/{search_id}"
        headers = {"If-Match": self._send("GET", path).headers["ETag"], "Content-Type": MERGE_PATCH}
        return self._json("PATCH", path, content=json.dumps(patch), headers=headers)

    def clone_search(self, search_id: str, patch: Mapping[str, Any] | None = None) -> Document:
        """Starts a search of the same document, with a JSON merge patch."""
        path, content = f"/v1/searches/{search_id}:clone", json.dumps(dict(patch or {}))
        return self._json("POST", path, content=content, headers={"Content-Type": MERGE_PATCH})

    def delete_search(self, search_id: str) -> None:
        """Nothing is left of a search that has ended."""
        self._send("DELETE", f"/v1/searches/{search_id}")

    def archive(self, search_id: str) -> Document:
        """A search that has ended is left out of lists."""
        return self._json("POST", f"/v1/searches/{search_id}:archive")

    def unarchive(self, search_id: str) -> Document:
        """The search is listed again."""
        return self._json("POST", f"/v1/searches/{search_id}:unarchive")

    def enqueue(self, search_id: str, architecture: Mapping[str, Any]) -> Document:
        """Has an architecture trained: `spec`, `reference`, `trial` (of `search`), or `genotype`; the last two together
        are a variant of the trial. `force` where it does not fit."""
        return self._json("POST", f"/v1/searches/{search_id}/trials:enqueue", json=dict(architecture))

    def decisions(self, search_id: str, number: int) -> list[Document]:
        """What was taken at each decision of a trial's architecture, and the options that there were."""
        found: list[Document] = self._json("GET", f"/v1/searches/{search_id}/trials/{number}/decisions")["decisions"]
        return found

    def variant(self, search_id: str, number: int, genotype: Sequence[int]) -> Document:
        """What a trial would be with other decisions: its edits, its cost, and why it would not be trained."""
        params = {"genotype": ",".join(map(str, genotype))}
        return self._json("GET", f"/v1/searches/{search_id}/trials/{number}/variant", params=params)

    def stop_trial(self, search_id: str, number: int) -> Document:
        """A trial ends with what it measured last."""
        return self._json("POST", f"/v1/searches/{search_id}/trials/{number}:stop")

    def retry_trial(self, search_id: str, number: int) -> Document:
        """A failed architecture is tried again."""
        return self._json("POST", f"/v1/searches/{search_id}/trials/{number}:retry")

    def promote_trial(self, search_id: str, number: int, steps: int | None = None, seeds: int = 1) -> Document:
        """A trial's architecture is trained for longer, by default four times as long, and its weights are kept."""
        wanted = {"steps": steps, "seeds": seeds}
        return self._json("POST", f"/v1/searches/{search_id}/trials/{number}:promote", json=wanted)

    def artifact(self, search_id: str, key: str) -> bytes:
        """The content of a file of a search: a trial lists its own."""
        return self._send("GET", f"/v1/searches/{search_id}/artifacts/{key}").content

    def get_request(self, search_id: str, number: int) -> Document:
        """What became of something that was asked: an architecture, another try, an early end."""
        return self._json("GET", f"/v1/searches/{search_id}/requests/{number}")

    def list_requests(self, search_id: str) -> Iterator[Document]:
        """All that was asked of a search, by number."""
        return self._pages(f"/v1/searches/{search_id}/requests", "requests")

    def create_token(self, name: str, scope: str, days: int | None = None) -> Document:
        """A token for somebody, with its `secret`: nobody can show that again. `scope`: read, write or admin."""
        return self._json("POST", "/v1/tokens", json={"name": name, "scope": scope, "days": days})

    def list_tokens(self) -> Iterator[Document]:
        """All tokens, newest first, with those that expired or were revoked."""
        return self._pages("/v1/tokens", "tokens")

    def revoke_token(self, token_id: str) -> None:
        """A token opens nothing any more."""
        self._send("DELETE", f"/v1/tokens/{token_id}")

    def create_sign_in_link(self) -> Document:
        """`path`: what signs one browser in, once, with this client's scope."""
        return self._json("POST", "/v1/sign-in-links")

    def create_webhook(self, url: str, events: Sequence[str], search_id: str | None = None) -> Document:
        """Has messages about all searches, or one, sent to a URL; with its `secret`: nobody can show that again."""
        return self._json("POST", "/v1/webhooks", json={"url": url, "events": list(events), "search": search_id})

    def list_webhooks(self) -> list[Document]:
        """All webhooks, the oldest first."""
        webhooks: list[Document] = self._json("GET", "/v1/webhooks")["webhooks"]
        return webhooks

    def get_webhook(self, webhook_id: str) -> Document:
        """A webhook with its last delivery, and what is to be tried again."""
        return self._json("GET", f"/v1/webhooks/{webhook_id}")

    def test_webhook(self, webhook_id: str) -> Document:
        """Has a test sent soon."""
        return self._json("POST", f"/v1/webhooks/{webhook_id}:test")

    def delete_webhook(self, webhook_id: str) -> None:
        """Nothing is sent any more."""
        self._send("DELETE", f"/v1/webhooks/{webhook_id}")

    def pause(self, search_id: str) -> Document:
        """Running trials finish, nothing new starts."""
        return self._json("POST", f"/v1/searches/{search_id}:pause")

    def resume(self, search_id: str) -> Document:
        """A paused search goes on."""
        return self._json("POST", f"/v1/searches/{search_id}:resume")

    def stop(self, search_id: str) -> Document:
        """Running trials finish, then the search succeeds with what is there."""
        return self._json("POST", f"/v1/searches/{search_id}:stop")

    def cancel(self, search_id: str) -> Document:
        """Running trials are ended."""
        return self._json("POST", f"/v1/searches/{search_id}:cancel")

    def wait(self, search_id: str, timeout_seconds: float | None = None) -> Document:
        """The search when it is final or paused.

        Raises:
            TimeoutError: it is neither after so many seconds.
        """
        end = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            search = self.get_search(search_id)
            if search["state"] in (*FINAL_STATES, "paused"):
                return search
            if end is not None and time.monotonic() > end:
                raise TimeoutError(f"{search_id} is {search['state']} after {timeout_seconds:g} s")
            time.sleep(POLL_SECONDS)

    def table(self, search_id: str) -> "pandas.DataFrame":
        """All trials, a row each, as a DataFrame; the columns are those of `GET .../table.parquet`.

        Raises:
            ModuleNotFoundError: pandas or pyarrow is not installed.
        """
        try:
            import pandas
            import pyarrow  # type: ignore[import-untyped]  # noqa: F401
        except ModuleNotFoundError as error:
            message = f"a table wants pandas and pyarrow, and there is {error}; save_table() writes a file without them"
            raise ModuleNotFoundError(message) from error
        content = self._send("GET", f"/v1/searches/{search_id}/table.parquet").content
        return pandas.read_parquet(io.BytesIO(content))

    def save_table(self, search_id: str, path: Path | str) -> None:
        """Writes all trials, a row each, to a file named ``....csv`` or ``....parquet``, whole or not at all."""
        path = Path(path)
        if path.suffix not in (".csv", ".parquet"):
            raise ValueError(f"{path}: a table is a file that ends with .csv or .parquet")
        with (
            tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder,
            self._http.stream("GET", f"/v1/searches/{search_id}/table{path.suffix}") as response,
        ):
            _check(response)
            part = Path(folder) / path.name
            with part.open("wb") as file:
                for chunk in response.iter_bytes():
                    file.write(chunk)
            part.replace(path)

    def list_trials(self, search_id: str, **filters: Any) -> Iterator[Document]:
        """All trials by number; those of a `state`, or of several, as in the API."""
        return self._pages(f"/v1/searches/{search_id}/trials", "trials", filters)

    def list_children(self, search_id: str, number: int) -> Iterator[Document]:
        """All trials that were made from one, by number."""
        return self._pages(f"/v1/searches/{search_id}/trials/{number}/children", "trials")

    def get_trial(self, search_id: str, number: int) -> Document:
        """One trial with its spec, costs, jobs and evaluation."""
        return self._json("GET", f"/v1/searches/{search_id}/trials/{number}")

    def list_jobs(self, search_id: str, number: int) -> list[Document]:
        """The work on one trial, each with its attempts."""
        jobs: list[Document] = self._json("GET", f"/v1/searches/{search_id}/trials/{number}/jobs")["jobs"]
        return jobs

    def trial_logs(self, search_id: str, number: int) -> str:
        """All that workers logged and printed for a trial."""
        return self._send("GET", f"/v1/searches/{search_id}/trials/{number}/logs").text

    def follow_log(self, search_id: str, number: int, job_id: str, attempt: int) -> Iterator[str]:
        """What one attempt logs and prints, as it comes, until it has ended; also where the connection is cut or the
        service is started again meanwhile."""
        path, after = f"/v1/searches/{search_id}/trials/{number}/jobs/{job_id}/logs", 0
        while True:
            with suppress(httpx.TransportError):
                for data in self._stream(path, {"attempt": attempt}, after):
                    after = data["next"]
                    yield data["text"]
            answer = self._send("GET", path, params={"attempt": attempt, "after": after})
            after = int(answer.headers["X-Log-Next"])
            if answer.text:
                yield answer.text
            if answer.headers["X-Log-Is-Final"] == "true":
                return
            time.sleep(RETRY_INTERVAL_SECONDS)

    def list_measurements(self, search_id: str, number: int) -> list[Document]:
        """AP and loss while a trial was trained, by rising step."""
        measurements: list[Document] = self._json("GET", f"/v1/searches/{search_id}/trials/{number}/measurements")[
            "measurements"
        ]
        return measurements

    def best_trials(
        self, search_id: str, limit: int = 10, objective: str = "reward", constraints: Sequence[str] = ()
    ) -> Document:
        """`trials`: completed ones, the best first; `references`: what they are compared with.

        Args:
            objective: what they are the best in: `reward`, `average_precision` or `val_average_precision`.
            constraints: such as `multiply_adds<=2G` and `parameters<=30M`; all of them hold.
        """
        params = {"limit": limit, "objective": objective, "constraint": list(constraints)}
        return self._json("GET", f"/v1/searches/{search_id}/trials:best", params=params)

    def history(self, search_id: str) -> Document:
        """Arrays over the trials: number, state, reward, best so far."""
        return self._json("GET", f"/v1/searches/{search_id}/history")

    def pareto(self, search_id: str, cost: str = "multiply_adds") -> Document:
        """The Pareto front of average precision against multiply-adds or parameters, and its hypervolume."""
        return self._json("GET", f"/v1/searches/{search_id}/pareto", params={"cost": cost})

    def failures(self, search_id: str) -> Document:
        """Why trials have no whole reward, and attempts no evaluation, counted by reason."""
        return self._json("GET", f"/v1/searches/{search_id}/failures")

    def controller(self, search_id: str) -> Document:
        """The controller over time: entropy of its decisions, staleness, duplicates, and what it says of itself."""
        return self._json("GET", f"/v1/searches/{search_id}/controller")

    def choices(self, search_id: str, top: int = 20) -> Document:
        """What each decision was worth, and what the `top` best have in common."""
        return self._json("GET", f"/v1/searches/{search_id}/choices", params={"top": top})

    def workers(self, search_id: str) -> Document:
        """The workers, and the last 1,000 attempts."""
        return self._json("GET", f"/v1/searches/{search_id}/workers")

    @overload
    def export(
        self, search_id: str, number: int, format: Literal["onnx"], timeout_seconds: float | None = None
    ) -> bytes: ...

    @overload
    def export(self, search_id: str, number: int, format: TextFormat, timeout_seconds: float | None = None) -> str: ...

    @overload
    def export(self, search_id: str, number: int, format: str, timeout_seconds: float | None = None) -> str | bytes: ...

    def export(self, search_id: str, number: int, format: str, timeout_seconds: float | None = None) -> str | bytes:
        """One architecture as text in a format; in `onnx` as bytes, which a controller makes meanwhile.

        Raises:
            OperationError: the file cannot be made; the message says why.
            TimeoutError: it is not made after so many seconds.
        """
        return self._exported(f"/v1/searches/{search_id}/trials/{number}/export", format, timeout_seconds)

    @overload
    def export_reference(self, name: str, format: Literal["onnx"], timeout_seconds: float | None = None) -> bytes: ...

    @overload
    def export_reference(self, name: str, format: TextFormat, timeout_seconds: float | None = None) -> str: ...

    @overload
    def export_reference(self, name: str, format: str, timeout_seconds: float | None = None) -> str | bytes: ...

    def export_reference(self, name: str, format: str, timeout_seconds: float | None = None) -> str | bytes:
        """A published architecture, as `export` gives one of a search."""
        return self._exported(f"/v1/references/{name}/export", format, timeout_seconds)

    def get_operation(self, operation_id: str) -> Document:
        """What became of work that an answer waits for."""
        return self._json("GET", f"/v1/operations/{operation_id}")

    def _exported(self, path: str, format_name: str, timeout_seconds: float | None) -> str | bytes:
        end = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        response = self._send("GET", path, params={"format": format_name})
        while response.status_code == ACCEPTED:
            operation = response.json()
            if operation["state"] == "failed":
                raise OperationError(operation["problem"])
            if end is not None and time.monotonic() > end:
                raise TimeoutError(f"operation {operation['id']} is {operation['state']} after {timeout_seconds:g} s")
            time.sleep(float(response.headers["Retry-After"]))
            response = self._send("GET", path, params={"format": format_name})
        return response.content if format_name == "onnx" else response.text

    def events(self, search_id: str, after: int = 0) -> Iterator[Event]:
        """Ledger entries above `after` as they are committed, until the search is final: each once, in order, also
        where the connection is cut or the service is started again meanwhile."""
        while True:
            with suppress(httpx.TransportError):
                for document in self._stream(f"/v1/searches/{search_id}/events", {}, after):
                    after = document["sequence"]
                    yield _event(document)
            page = self._event_page(search_id, after)
            for document in page["events"]:
                after = document["sequence"]
                yield _event(document)
            if page["is_final"]:
                return
            time.sleep(RETRY_INTERVAL_SECONDS)

    def read_events(self, search_id: str, after: int = 0) -> list[Event]:
        """Ledger entries above `after` that are committed now."""
        return [_event(document) for document in self._event_page(search_id, after)["events"]]

    def _stream(self, path: str, params: Mapping[str, Any], after: int) -> Iterator[Document]:
        """What the events of one connection say."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        arguments: dict[str, Any] = {"params": params, "headers": headers, "timeout": self._stream_timeout}
        with self._http.stream("GET", path, **arguments) as response:
            _check(response)
            fields: dict[str, str] = {}
            for line in response.iter_lines():
                name, _, value = line.partition(": ")
                if name and value:
                    fields[name] = value
                elif not line and "data" in fields:
                    yield json.loads(fields["data"])
                    fields = {}

    def _event_page(self, search_id: str, after: int) -> Document:
        headers = {"Accept": "application/json"}
        return self._json("GET", f"/v1/searches/{search_id}/events", params={"after": after}, headers=headers)

    def _pages(self, path: str, key: str, filters: Mapping[str, Any] | None = None) -> Iterator[Document]:
        token: str | None = None
        while True:
            page = self._json("GET", path, params={**(filters or {}), **({"page_token": token} if token else {})})
            yield from page[key]
            token = page.get("next_page_token")
            if not token:
                return

    def _json(self, method: str, path: str, **arguments: Any) -> Document:
        document: Document = self._send(method, path, **arguments).json()
        return document

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """The answer. Reading is tried again while the service is away, as when its API is started again."""
        deadline = time.monotonic() + (RETRY_SECONDS if method == "GET" else 0.0)
        while True:
            try:
                response = self._http.request(method, path, **arguments)
                break
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_INTERVAL_SECONDS)
        _check(response)
        return response


def _event(document: Document) -> Event:
    return Event(document["sequence"], document["kind"], document["trial_number"], document["payload"])


def _check(response: httpx.Response) -> None:
    if response.is_success:
        return
    response.read()
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    message = problem.get("detail") or problem.get("title") or f"{response.status_code} {response.reason_phrase}"
    raise ApiError(response.status_code, problem.get("code", ""), message)
