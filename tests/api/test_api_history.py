import httpx
import pytest

from api.history import history_fields
from api.insights import Insights
from nas_controller.insight.keeping import InsightKeeping
from nas_controller.insight.kept import KeptInsight
from nas_controller.records import SearchState, TrialState
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import Store
from nas_controller.store.memory import MemoryStore
from tests.api.searches import START, SearchWriter, write_small_search


def history(insights: Insights, store: Store, search_id: str) -> dict[str, object]:
    with insights.of(store.get_search(search_id)) as insight:
        return history_fields(insight, START, 5000)


def test_the_history_tells_each_trial_in_order(client: httpx.Client, store: Store) -> None:
    write_small_search(store)
    history = client.get("/v1/searches/blood-cells-000001/history").json()
    assert history["number"] == [1, 2, 3, 4, 5, 6]
    assert history["arm"] == ["policy"] * 5 + ["reference"]
    assert history["state"] == ["completed", "infeasible", "failed", "completed", "running", "completed"]
    assert history["reward"] == [0.21, None, None, 0.25, None, None]
    assert history["best_so_far"] == [0.21, 0.21, 0.21, 0.25, 0.25, 0.25]
    assert history["smoothed"] == [0.21, None, None, pytest.approx(0.23), None, None]
    # The clock moves 5 s with each call: claim at 5, trial 1 added at 10, started at 15, completed at 20.
    assert history["seconds"][0] == 15.0
    assert history["is_reduced"] is False
    assert history["sequence"] == store.get_search("blood-cells-000001").last_sequence
    costs = [trial.draft.target_cost for trial in store.list_trials("blood-cells-000001", 10)]
    assert history["multiply_adds"] == [cost.backbone_multiply_adds for cost in costs]
    assert history["parameters"] == [cost.backbone_parameters for cost in costs]


def test_asking_again_continues_the_fold() -> None:
    store = MemoryStore()
    insights = Insights(store)
    writer = write_small_search(store)
    before = history(insights, store, writer.search_id)
    store.request_state(writer.search_id, SearchState.CANCELLED, "", writer.tick())
    after = history(insights, store, writer.search_id)
    assert before["state"][4] is TrialState.RUNNING  # type: ignore[index]
    assert after == history(Insights(store), store, writer.search_id)
    assert after["state"][4] is TrialState.CANCELLED  # type: ignore[index]


def test_what_the_controller_kept_since_takes_the_place_of_what_was_folded() -> None:
    store = MemoryStore()
    insights = Insights(store)
    writer = write_small_search(store)
    folded = history(insights, store, writer.search_id)
    config = SearchConfig.from_document(store.get_search(writer.search_id).config)
    keeping = InsightKeeping(store, writer.search_id, config)
    keeping.write(writer.lease, writer.tick())
    with insights.of(store.get_search(writer.search_id)) as insight:
        assert insight == keeping.insight
        assert insight is not keeping.insight
    assert history(insights, store, writer.search_id) == folded


def test_a_row_of_another_release_is_left_out() -> None:
    store = MemoryStore()
    insights = Insights(store)
    writer = write_small_search(store)
    folded = history(insights, store, writer.search_id)
    sequence = store.get_search(writer.search_id).last_sequence
    row = KeptInsight(search_id=writer.search_id, sequence=sequence, document={"format": 0}, written_at=START)
    store.write_insight(writer.lease, row)
    assert history(insights, store, writer.search_id) == folded
    assert history(Insights(store), store, writer.search_id) == folded


def test_a_search_without_an_entry_after_the_row_is_read_from_the_row_alone() -> None:
    store = MemoryStore()
    writer = SearchWriter(store, "blood-cells-000001")
    writer.run()
    config = SearchConfig.from_document(store.get_search(writer.search_id).config)
    keeping = InsightKeeping(store, writer.search_id, config)
    keeping.write(writer.lease, writer.tick())
    with Insights(store).of(store.get_search(writer.search_id)) as insight:
        assert insight == keeping.insight
