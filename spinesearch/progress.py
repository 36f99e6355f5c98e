"""A search in a terminal: one live line while it runs, and the table of the best at the end.

Both read the REST API's documents (`GET /v1/searches/{id}`, `.../trials:best`), so they show the same whether the
search runs here or on a service.
"""

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table

from spinesearch.client import FINAL_STATES, Client, Event

Document = dict[str, Any]
POLL_SECONDS = 1.0


def make_console(*, stderr: bool = False) -> Console:
    """A console; where there is no terminal, wide enough for every table."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=120)


class SearchProgress:
    """Trials done, best AP, newest reward or measurement, time left; where there is no terminal, a plain line for each
    trial, and none for what is measured on its way."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[numbers]}"),
        )
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task: TaskID | None = None
        self._newest = ""
        self._num_reevaluations = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, search: Document, events: Iterable[Event]) -> None:
        """Shows the search as it is now, and what happened since the last call."""
        for event in events:
            self._note(event, search["id"])
        progress, jobs_left = search["progress"], search["open_jobs"]["reevaluate"]
        done, total, description = progress["trained"], progress["trials"], "searching"
        if jobs_left or self._num_reevaluations:
            done, description = self._num_reevaluations, "measuring the best on val"
            total = done + jobs_left
        if self._task is None:
            self._task = self._progress.add_task(description, total=total, numbers="")
        numbers = [f"best AP {_value(search['best'], 'average_precision')}", self._newest]
        if progress["seconds_left"] is not None and not jobs_left:
            numbers.append(f"{duration(progress['seconds_left'])} left")
        text = "  ".join(part for part in numbers if part)
        self._progress.update(self._task, completed=done, total=total, description=description, numbers=text)

    def _note(self, event: Event, search_id: str) -> None:
        content = event.content
        if event.kind == "trial.measured":
            share = content["step"] / content["num_steps"]
            self._newest = f"trial {event.trial_number} at {share:.0%}: AP {content['average_precision']:.3f}"
        elif event.kind == "trial.finished" and content["state"] != "infeasible":
            reward = "failed" if content["reward"] is None else f"reward {content['reward']:.3f}"
            reward = f"stopped early, {reward}" if content["state"] == "stopped_early" else reward
            self._newest = reward
            note = content["failure"] or _reuse_note(content.get("reused_from"), search_id)
            self._line(f"trial {event.trial_number}: {reward}" + (f" ({note})" if note else ""))
        elif event.kind == "job.finished" and content["kind"] == "reevaluate":
            self._num_reevaluations += 1
            self._line(f"trial {event.trial_number} on val: AP {_number(content['average_precision'])}")

    def _line(self, text: str) -> None:
        if not self._console.is_terminal:
            self._console.print(text)


def watch_search(client: Client, search_id: str, console: Console | None = None) -> Document:
    """Shows a search of a service until it is final or paused; the search as it is then."""
    with SearchProgress(console or make_console()) as display:
        after = 0
        while True:
            search = client.get_search(search_id)
            events = client.read_events(search_id, after)
            after = events[-1].sequence if events else after
            display.update(search, events)
            if search["state"] in (*FINAL_STATES, "paused"):
                return search
            time.sleep(POLL_SECONDS)


def print_best(console: Console, best: Document) -> None:
    """Prints the best trials beside the references, on val, with what can be said about the difference."""
    table = Table(title="Best architectures: AP on val over seeds that the search did not use", box=SIMPLE_HEAD)
    table.add_column("architecture", no_wrap=True)
    for column in ("AP on val", "against best reference", "reward", "multiply-adds", "parameters"):
        table.add_column(column, justify="right", no_wrap=True)
    for trial in best["trials"]:
        table.add_row(f"trial {trial['number']}", *_cells(trial, _difference(trial["difference"])))
    table.add_section()
    for trial in best["references"]:
        table.add_row(trial["name"], *_cells(trial, "reference"))
    console.print(table)
    for trial in best["trials"]:
        if trial["reused_from"]:
            source = trial["reused_from"]
            text = f"trial {trial['number']}: reward reused from trial {source['trial']} of {source['search']}"
            console.print(text, style="dim")
    console.print("± is the standard error; of a difference, half of its 95 % confidence interval.", style="dim")
    console.print("Multiply-adds and parameters: the backbone with endpoints at target size.", style="dim")


def print_front(console: Console, front: Document) -> None:
    """Prints the Pareto front of a search, the cheapest first, and the references beside it."""
    known = {"multiply_adds": ("multiply-adds", _billions), "parameters": ("parameters", _millions)}
    name, as_text = known.get(front["cost"], ("latency", "{:.1f} ms".format))
    table = Table(title=f"Pareto front of AP against {name}", box=SIMPLE_HEAD)
    table.add_column("architecture", no_wrap=True)
    for column in (name, "AP", "AP on val"):
        table.add_column(column, justify="right", no_wrap=True)
    for points in (front["points"], front["references"]):
        for point in points:
            on_val = mean_with_error(point["val_average_precision"], point["val_standard_error"])
            who = point.get("name") or f"trial {point['number']}"
            table.add_row(who, as_text(point["cost"]), _number(point.get("average_precision")), on_val)
        table.add_section()
    console.print(table)


def improvement_text(improvement: Document | None) -> str:
    """Whether a search beats random, in a sentence; "" where there is nothing to compare.

    >>> newest = {"probability": 0.9, "interval": [0.8, 0.95]}
    >>> improvement_text({"against": "control", "all": {"probability": 0.81, "interval": [0.7, 0.88]},
    ...     "newest_half": newest, "searched": 180, "random": 20})
    'better than a random trial (control arm) with probability 0.81 [0.70, 0.88], its newest half 0.90 [0.80, 0.95]'
    """
    if improvement is None:
        return ""
    arm = "control arm" if improvement["against"] == "control" else "those at its beginning"
    texts = []
    for part in (improvement["all"], improvement["newest_half"]):
        low, high = part["interval"]
        texts.append(f"{part['probability']:.2f} [{low:.2f}, {high:.2f}]")
    return f"better than a random trial ({arm}) with probability {texts[0]}, its newest half {texts[1]}"


def _reuse_note(source: Document | None, search_id: str) -> str:
    """Where a reused reward was measured; "" for a trial of its own training, as for entries before schema 0002."""
    if source is None:
        return ""
    other = "" if source["search"] == search_id else f" of {source['search']}"
    return f"reused from trial {source['trial']}{other}"


def _cells(trial: Document, difference: str) -> list[str]:
    cost = trial["target_cost"]
    return [
        mean_with_error(trial["val_average_precision"], trial["val_standard_error"], trial["val_count"]),
        difference,
        _number(trial["reward"]),
        _billions(cost["backbone_multiply_adds"]),
        _millions(cost["backbone_parameters"]),
    ]


def _difference(difference: Document | None) -> str:
    if difference is None:
        return "-"
    interval = f"{difference['value']:+.3f} ± {difference['half_width']:.3f}"
    return f"{interval} significant" if difference["is_significant"] else f"{interval} no difference"


def mean_with_error(mean: float | None, error: float | None, count: int | None = None) -> str:
    """A measured mean as people read it.

    >>> mean_with_error(0.2534, 0.0149, 3)
    '0.253 ± 0.015 (n = 3)'
    """
    if mean is None:
        return "-"
    of = "" if count is None else f" (n = {count})"
    return f"{mean:.3f}{of}" if error is None else f"{mean:.3f} ± {error:.3f}{of}"


def duration(seconds: float) -> str:
    """A length of time in at most two units.

    >>> duration(11520), duration(75), duration(8)
    ('3 h 12 min', '1 min 15 s', '8 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _billions(count: int) -> str:
    return f"{count / 1e9:.1f} G"


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f} M"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _value(document: Document | None, key: str) -> str:
    return "-" if document is None else _number(document[key])
