"""`search run FILE`: the same search as on the service, in this process, without the API."""

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from api.schemas import BestTrials
from api.views import best_trials, search_detail
from nas_controller.artifacts.sweep import sweep_artifacts
from nas_controller.dispatch.results import ResultSpool
from nas_controller.insight.following import follow, restored
from nas_controller.insight.improvement import improvement_fields
from nas_controller.insight.insight import Insight
from nas_controller.records import Search, SearchState, search_id_of
from nas_controller.search_config import SearchConfig, load_search_file
from nas_controller.search_loop import run_search
from nas_controller.store.base import Store
from nas_controller.store.patience import patient
from nas_controller.trial_summaries import TrialSummary
from nas_controller.wanted_front import WantedFront
from spinesearch.client import Event
from spinesearch.composition import claim, lease_owner, now, open_home_artifacts, open_home_store, running_search
from spinesearch.home import Home
from spinesearch.processes import StopFlag
from spinesearch.progress import SearchProgress, improvement_text, make_console, print_best
from spinesearch.validation import check_search

INTERRUPTED = 130


def run_file(file: Path, *, as_json: bool) -> int:
    """Runs the search of a file to its end and prints the best; the exit status.

    Raises:
        SearchConfigError, TaskError: the document or its data set is wrong; nothing was written.
        ValueError: another controller runs the same search.
    """
    config = load_search_file(file)
    home = Home.from_environment()
    check_search(config, home)
    console = make_console(stderr=as_json)
    store = patient(open_home_store(home))
    try:
        search = run_to_its_end(store, home, config, console)
        if is_interrupted(search):
            console.print(f"interrupted; `spinesearch search run {file}` goes on from here", soft_wrap=True)
            return INTERRUPTED
        _print_end(store, search, console, as_json=as_json)
        return 0 if search.state is SearchState.SUCCEEDED else 1
    finally:
        store.close()


def run_to_its_end(store: Store, home: Home, config: SearchConfig, console: Console) -> Search:
    """Runs the search of a checked document, or goes on with its unfinished one, until it ends, pauses itself or this
    process is told to stop.

    Raises:
        ValueError: another controller runs the same search.
    """
    # Before the search is there: a daemon on the same home would claim it meanwhile.
    sweep_artifacts(store, open_home_artifacts(home), now(), ResultSpool(home.artifacts))
    unfinished = [state for state in SearchState if not state.is_final]
    search = search_of(store, config, unfinished) or store.create_search(
        search_id_of(config.name, secrets.token_hex(3)), config.name, config.to_document(), now()
    )
    if search.state is SearchState.PAUSED:
        store.request_state(search.id, SearchState.PENDING, "", now())
    console.print(f"search {search.id} in {home.path}", soft_wrap=True)
    _run(store, home, search.id, console)
    return store.get_search(search.id)


def is_interrupted(search: Search) -> bool:
    """Whether a search that was run to its end did not come there."""
    return not search.state.is_final and search.state is not SearchState.PAUSED


def search_of(store: Store, config: SearchConfig, states: Sequence[SearchState]) -> Search | None:
    """The newest search of the same document in one of these states."""
    wanted = config.to_document()
    return next((s for s in store.list_searches(limit=1000, states=states) if s.config == wanted), None)


def _run(store: Store, home: Home, search_id: str, console: Console) -> None:
    lease = claim(store, search_id, lease_owner())
    if lease is None:
        raise ValueError(f"search {search_id} is run by another controller; `spinesearch search watch {search_id}`")
    stop = StopFlag()
    stop.listen()
    after = 0
    with running_search(home, store, lease) as search, SearchProgress(console) as display:
        for _state in run_search(search):
            entries = store.read_ledger(search_id, after)
            after = entries[-1].sequence if entries else after
            events = [Event(e.sequence, e.kind, e.trial_number, dict(e.payload)) for e in entries]
            display.update(_detail(store, search_id), events)
            if stop.is_set:
                break


def _detail(store: Store, search_id: str) -> dict[str, Any]:
    return search_detail(store, store.get_search(search_id), now()).model_dump(mode="json")


def _print_end(store: Store, search: Search, console: Console, *, as_json: bool) -> None:
    config = SearchConfig.from_document(search.config)
    best = _best(store, search.id, config)
    reason = f" ({search.reason})" if search.reason else ""
    console.print(f"search {search.id} {search.state}{reason}")
    print_best(console, best.model_dump(mode="json"))
    improvement = _improvement(store, search.id, config)
    if improvement is not None:
        console.print(f"A searched trial is {improvement_text(improvement)}.", style="dim")
    if as_json:
        print(json.dumps(_summary(store, search, config.front, improvement), indent=2))


def _best(store: Store, search_id: str, config: SearchConfig) -> BestTrials:
    """The best trials; of a search for a front the best one under each target, each once."""
    if config.front is None:
        return best_trials(store, search_id, config.reevaluate.top or 3)
    under = [best_trials(store, search_id, 1, max_multiply_adds=ceiling) for ceiling in config.front.ceilings]
    trials = {trial.number: trial for best in under for trial in best.trials}
    return under[0].model_copy(update={"trials": list(trials.values())})


def _improvement(store: Store, search_id: str, config: SearchConfig) -> dict[str, Any] | None:
    """Whether the search beat random: what `GET /v1/searches/{id}/controller` says of it."""
    insight = restored(config, store.read_insight(search_id)) or Insight(config)
    follow(store, search_id, insight)
    return improvement_fields(insight.improvement)


def _summary(
    store: Store, search: Search, front: WantedFront | None, improvement: dict[str, Any] | None
) -> dict[str, Any]:
    """What a script wants to know at the end."""
    counts = store.count_trials(search.id)
    best = next(iter(store.best_trials(search.id, 1)), None)
    return {
        "search": search.id,
        "state": search.state,
        "reason": search.reason,
        "improvement": improvement,
        "trials": {str(state): count for state, count in sorted(counts.by_state.items())},
        "best": None if best is None else {**_found(TrialSummary.of(best)), "spec": best.draft.spec},
        "front": [] if front is None else _under_targets(store, search.id, front),
    }


def _under_targets(store: Store, search_id: str, front: WantedFront) -> list[dict[str, Any]]:
    """The best trial under each target; a target that nothing is under has none."""
    pairs = zip(front.targets, front.ceilings, strict=True)
    under = [(target, store.best_summaries(search_id, 1, max_multiply_adds=ceiling)) for target, ceiling in pairs]
    return [{"target": target, "best": _found(best[0]) if best else None} for target, best in under]


def _found(trial: TrialSummary) -> dict[str, Any]:
    return {
        "number": trial.number,
        "ap": trial.average_precision,
        "val_ap": trial.val_average_precision,
        "standard_error": trial.val_standard_error,
        "multiply_adds": trial.target_cost.backbone_multiply_adds,
        "fingerprint": trial.fingerprint,
    }
