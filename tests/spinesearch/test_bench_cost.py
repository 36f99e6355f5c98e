"""The benchmark of the cost model runs, agrees with torch's counter and prints its ratios."""

import json
from dataclasses import asdict

import torch
from rich.console import Console

from spinesearch.bench.cost import per_second, print_cost_bench, run_cost


def test_a_quick_run_counts_alike_and_prints_every_row() -> None:
    threads = torch.get_num_threads()
    report = run_cost(quick=True)
    assert torch.get_num_threads() == threads
    assert report.multiply_adds == 85_281_555_200  # published: 85.4 B
    assert all(speed.per_second > 0 for speed in (*report.ours, *report.peers))
    assert set(report.ratios) == {peer.what for peer in report.peers}
    assert json.loads(json.dumps(asdict(report)))["memory_rounds"] == report.memory_rounds
    console = Console(record=True, width=120)
    print_cost_bench(report, console)
    text = console.export_text()
    assert "torch.utils.flop_counter" in text
    assert "joint: decode within the budget" in text
    assert report.memory_bytes < 100_000


def test_per_second_counts_runs() -> None:
    calls = []
    rate = per_second(lambda: calls.append(1), 0.01)
    assert len(calls) > 1
    assert rate > 0
