"""What a terminal says of trials."""

import io

from rich.console import Console

from api.views import best_trials, search_detail
from nas_controller.store.memory import MemoryStore
from spinesearch.client import Event
from spinesearch.progress import SearchProgress, print_best
from tests.api.searches import SearchWriter, write_small_search


def lines_of(writer: SearchWriter, store: MemoryStore, *, is_terminal: bool = False) -> list[str]:
    """What is printed of all events of a search at once."""
    console = Console(file=io.StringIO(), width=160, force_terminal=is_terminal)
    entries = store.read_ledger(writer.search_id)
    search = search_detail(store, store.get_search(writer.search_id), writer.now).model_dump(mode="json")
    with SearchProgress(console) as display:
        display.update(search, [Event(e.sequence, e.kind, e.trial_number, dict(e.payload)) for e in entries])
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_what_is_measured_on_the_way_is_said_in_the_live_line_only() -> None:
    store = MemoryStore()
    writer = write_small_search(store)
    quiet = lines_of(writer, store)
    writer.measure(5, 75, 0.05)
    assert lines_of(writer, store) == quiet
    assert any("trial 5 at 25%: AP 0.050" in line for line in lines_of(writer, store, is_terminal=True))
    writer.stop(5, 150, 0.09)
    assert lines_of(writer, store) == [*quiet, "trial 5: stopped early, reward 0.090"]


def test_a_reused_reward_is_said_to_be_one() -> None:
    store = MemoryStore()
    first = write_small_search(store)
    measured = store.get_trial(first.search_id, 4)
    second = SearchWriter(store, "blood-cells-000002")
    second.run()
    first.reuse(measured)
    second.reuse(measured)
    console = Console(file=io.StringIO(), width=120)
    for writer in (first, second):
        entries = store.read_ledger(writer.search_id)
        events = [Event(e.sequence, e.kind, e.trial_number, dict(e.payload)) for e in entries]
        search = search_detail(store, store.get_search(writer.search_id), writer.now).model_dump(mode="json")
        with SearchProgress(console) as display:
            display.update(search, events)
    print_best(console, best_trials(store, second.search_id, 3).model_dump(mode="json"))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert "trial 4: reward 0.250" in lines
    assert "trial 7: reward 0.250 (reused from trial 4)" in lines
    assert "trial 1: reward 0.250 (reused from trial 4 of blood-cells-000001)" in lines
    assert "trial 1: reward reused from trial 4 of blood-cells-000001" in lines
