"""What the loop keeps of a search is what its ledger says, whoever ran it and however often it was cut off."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from nas_controller.insight.insight import Insight
from nas_controller.insight.keeping import MAX_ENTRIES_BEHIND, InsightKeeping
from nas_controller.insight.kept import KeptInsight
from nas_controller.records import SearchState
from nas_controller.search_loop import run_search
from nas_controller.store import rules
from nas_controller.store.base import LeaseLostError
from tests.nas_controller.insight_cases import BEGAN_AT
from tests.nas_controller.test_search_loop import SEARCH, Bench


def kept(bench: Bench) -> KeptInsight:
    found = bench.store.read_insight(SEARCH)
    assert found is not None
    return found


def in_ledger(document: Mapping[str, Any]) -> dict[str, Any]:
    """All but what an algorithm says of itself: that is in no ledger."""
    policy = {name: part for name, part in document["policy"].items() if name != "diagnostics"}
    return rules.plain({**document, "policy": policy})


def folded(bench: Bench) -> dict[str, Any]:
    """The whole ledger, from its beginning."""
    insight = Insight(bench.config)
    for entry in bench.store.read_ledger(SEARCH, limit=100_000):
        insight.apply(entry)
    return in_ledger(insight.to_document())


def test_a_search_that_ended_is_kept_whole() -> None:
    bench = Bench(trials=30)
    assert list(run_search(bench.claim()))[-1] is SearchState.SUCCEEDED
    row = kept(bench)
    assert row.sequence == bench.store.get_search(SEARCH).last_sequence
    assert in_ledger(row.document) == folded(bench)
    assert row.written_at == bench.clock.now()


def test_a_claim_goes_on_with_the_row_of_the_one_before() -> None:
    bench = Bench(trials=30)
    for _turn, _ in zip(range(12), run_search(bench.claim()), strict=False):
        pass
    first = kept(bench)
    assert 0 < first.sequence < bench.store.get_search(SEARCH).last_sequence
    list(run_search(bench.claim()))
    assert in_ledger(kept(bench).document) == folded(bench)


def test_a_row_of_another_release_is_folded_again() -> None:
    bench = Bench(trials=6)
    search = bench.claim()
    for _turn, _ in zip(range(5), run_search(search), strict=False):
        pass
    row = kept(bench)
    bench.store.write_insight(search.lease, replace(row, document={"format": 0}))
    list(run_search(bench.claim()))
    assert in_ledger(kept(bench).document) == folded(bench)


def test_rows_are_written_now_and_then_not_once_a_trial() -> None:
    bench = Bench(trials=200)
    search = bench.claim()
    sequences = set()
    for _ in run_search(search):
        sequences.add(kept(bench).sequence)
    entries = bench.store.read_ledger(SEARCH, limit=100_000)
    took = (entries[-1].at - entries[0].at).total_seconds()
    # At the claim, at the end, and in between one each ten seconds or five hundred entries at the most.
    assert len(sequences) <= 2 + took / 10 + len(entries) / MAX_ENTRIES_BEHIND
    assert len(sequences) > took / 30


def test_a_row_is_due_after_ten_seconds_with_something_new_or_five_hundred_entries() -> None:
    bench = Bench()
    search = bench.claim()
    keeping = InsightKeeping(bench.store, SEARCH, bench.config)
    assert keeping.is_due(1, BEGAN_AT)
    keeping.write(search.lease, BEGAN_AT)
    sequence = kept(bench).sequence
    assert not keeping.is_due(sequence, BEGAN_AT + timedelta(hours=1))
    assert not keeping.is_due(sequence + 1, BEGAN_AT + timedelta(seconds=9.9))
    assert keeping.is_due(sequence + 1, BEGAN_AT + timedelta(seconds=10))
    assert not keeping.is_due(sequence + 499, BEGAN_AT)
    assert keeping.is_due(sequence + 500, BEGAN_AT)


def test_a_controller_that_lost_the_search_writes_no_row() -> None:
    bench = Bench()
    search = bench.claim()
    keeping = InsightKeeping(bench.store, SEARCH, bench.config)
    bench.store.release_lease(search.lease)
    bench.claim()
    with pytest.raises(LeaseLostError):
        keeping.write(search.lease, BEGAN_AT)
    assert bench.store.read_insight(SEARCH) is None
