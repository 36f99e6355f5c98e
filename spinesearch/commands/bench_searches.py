"""`bench ...`: measurements of searches, simulated ones and one kind of real ones."""

from pathlib import Path
from typing import Annotated

import typer

from spinesearch.commands.reports import AsJson, Quick, show


def front(
    seeds: Annotated[int | None, typer.Option(min=1, help="instances")] = None,
    trials: Annotated[int | None, typer.Option(min=20, help="of all searches of a contender: the last budget")] = None,
    as_json: AsJson = False,
    quick: Quick = False,
    space: Annotated[list[str] | None, typer.Option(help="can be given several times")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="print the tables of the decision's page")] = False,
) -> None:
    """Is one search for a front better than one for each target? Simulated workers, objectives without training."""
    from spinesearch.bench import front as bench_front
    from spinesearch.bench.algorithm_tasks import up_to
    from spinesearch.bench.front_table import as_markdown, print_front
    from spinesearch.progress import make_console

    budgets = bench_front.QUICK_BUDGETS if quick else bench_front.BUDGETS
    if trials:
        budgets = up_to(trials, budgets)
    report = bench_front.run_front(
        spaces=space or tuple(bench_front.FRONTS),
        budgets=budgets,
        num_seeds=seeds or (bench_front.QUICK_SEEDS if quick else bench_front.NUM_SEEDS),
        console=make_console(stderr=True),
    )
    show(report, print_front, as_json=as_json, as_markdown=as_markdown if markdown else None)


def algorithms(
    seeds: Annotated[int | None, typer.Option(min=1, help="instances of each kind of objective")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="simulated workers")] = None,
    trials: Annotated[int | None, typer.Option(min=100, help="of each search: the largest budget")] = None,
    as_json: AsJson = False,
    quick: Quick = False,
    only: Annotated[list[str] | None, typer.Option(help="a contender; can be given several times")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="of objectives; can be given several times")] = None,
    space: Annotated[list[str] | None, typer.Option(help="can be given several times")] = None,
    ablations: Annotated[bool, typer.Option("--ablations", help="variants of reinforce: each choice off")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="print the tables of docs/search-efficiency.md")] = False,
    keep: Annotated[Path | None, typer.Option(help="a file of results: an interrupted run goes on from it")] = None,
) -> None:
    """How many trainings does each algorithm need? Searches with simulated workers, on objectives without training."""
    from spinesearch.bench.ablations import with_ablations
    from spinesearch.bench.algorithm_tasks import QUICK_PLAN, Plan
    from spinesearch.bench.algorithms import run_algorithms
    from spinesearch.bench.algorithms_table import as_markdown, print_algorithms
    from spinesearch.bench.kept_results import KeptResults
    from spinesearch.progress import make_console

    plan = (QUICK_PLAN if quick else Plan()).narrowed(num_seeds=seeds, num_workers=workers, num_trials=trials)
    if ablations:
        plan = with_ablations(plan)
    plan = plan.only(contenders=only or (), kinds=kind or (), spaces=space or ())
    kept = KeptResults(keep) if keep else None
    report = run_algorithms(plan, kept, console=make_console(stderr=True))
    show(report, print_algorithms, as_json=as_json, as_markdown=as_markdown if markdown else None)


def searches(
    file: Annotated[Path, typer.Argument(help="a search document; its seed is the first")],
    against: Annotated[list[str] | None, typer.Option(help="an algorithm; can be given several times")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="searches with each algorithm")] = None,
    as_json: AsJson = False,
    quick: Quick = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="print the tables of docs/search-efficiency.md")] = False,
) -> None:
    """Does a real search find better networks than random? Whole searches, with their trainings, measured on val."""
    from contextlib import closing

    from nas_controller.search_config import load_search_file
    from nas_controller.store.patience import patient
    from spinesearch.bench import whole_searches as bench_searches
    from spinesearch.bench.whole_searches_table import as_markdown, print_whole_searches
    from spinesearch.composition import open_home_store
    from spinesearch.home import Home
    from spinesearch.logs import set_up_logging
    from spinesearch.progress import make_console
    from spinesearch.validation import check_search

    set_up_logging("foreground", "warning")
    config, home = load_search_file(file), Home.from_environment()
    if quick:
        config = bench_searches.shortened(config)
    check_search(config, home)
    with closing(patient(open_home_store(home))) as store:
        report = bench_searches.run_whole_searches(
            config,
            algorithms=(config.algorithm.name, *(against or ("random",))),
            num_seeds=seeds or (bench_searches.QUICK_SEEDS if quick else bench_searches.NUM_SEEDS),
            store=store,
            home=home,
            console=make_console(stderr=True),
        )
    show(report, print_whole_searches, as_json=as_json, as_markdown=as_markdown if markdown else None)


def trained_table(
    search: Annotated[str, typer.Argument(help="a search whose trainings make the table")],
    out: Annotated[Path | None, typer.Option(help="the file to write; by default nothing is written")] = None,
) -> None:
    """How well can short trainings be predicted? The surrogate that `bench algorithms` searches, made and judged."""
    from spinesearch.bench import trained_table as bench_trained_table
    from spinesearch.composition import open_home_store
    from spinesearch.home import Home
    from spinesearch.progress import make_console

    table = bench_trained_table.collect(open_home_store(Home.from_environment()), search)
    bench_trained_table.print_ranking(table, bench_trained_table.ranking(table), make_console())
    if out:
        out.write_text(table.to_text(), encoding="utf-8")


def warm_start(
    seeds: Annotated[int | None, typer.Option(min=1, help="instances of the objective")] = None,
    as_json: AsJson = False,
    quick: Quick = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="print the table of docs/warm-start.md")] = False,
    keep: Annotated[Path | None, typer.Option(help="a file of results: an interrupted run goes on from it")] = None,
) -> None:
    """What is an earlier search worth? The default algorithm cold, and warm in several ways, on simulated workers."""
    from dataclasses import replace

    from spinesearch.bench import warm_start as bench_warm_start
    from spinesearch.bench.algorithm_tasks import held_out
    from spinesearch.bench.kept_results import KeptResults
    from spinesearch.bench.warm_start_table import as_markdown, print_warm_start
    from spinesearch.progress import make_console

    plan = bench_warm_start.QUICK_PLAN if quick else bench_warm_start.WarmStartPlan()
    if seeds:
        plan = replace(plan, seeds=held_out(seeds))
    kept = KeptResults(keep) if keep else None
    report = bench_warm_start.run_warm_start(plan, kept, console=make_console(stderr=True))
    show(report, print_warm_start, as_json=as_json, as_markdown=as_markdown if markdown else None)
