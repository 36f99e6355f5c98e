"""`bench ...`: measurements that print their table."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Quick = Annotated[bool, typer.Option("--quick", help="a small run, to see that it works")]


class Report(Protocol):
    """What a measurement says."""

    def to_document(self) -> dict[str, Any]:
        """As plain data, ready for JSON."""


R = TypeVar("R", bound=Report)


def _show(
    report: R,
    print_report: "Callable[[R, Console], None]",
    *,
    as_json: bool,
    as_markdown: Callable[[R], str] | None = None,
) -> None:
    """Prints a report as JSON, as Markdown, or for a terminal."""
    from spinesearch.progress import make_console

    if as_json:
        print(json.dumps(report.to_document(), indent=2))
    elif as_markdown is not None:
        print(as_markdown(report))
    else:
        print_report(report, make_console())


@app.callback()
def bench() -> None:
    """Measurements; each prints its table."""


@app.command()
def noise(
    file: Annotated[Path | None, typer.Argument(help="a search document; by default the embedded demo's")] = None,
    architectures: Annotated[int | None, typer.Option(min=2, help="random architectures inside the budget")] = None,
    seeds: Annotated[int | None, typer.Option(min=2, help="trainings of each")] = None,
    as_json: AsJson = False,
    quick: Quick = False,
) -> None:
    """Can the proxy rank? Random architectures, several seeds each: spread, seed noise, intraclass correlation."""
    from nas_controller.search_config import SearchConfig, load_search_file
    from search_space.spaces import find_space
    from spinesearch.bench import noise as bench_noise
    from spinesearch.composition import data_source
    from spinesearch.demo import demo_document
    from spinesearch.home import Home
    from spinesearch.progress import make_console

    config = load_search_file(file) if file else SearchConfig.from_document(demo_document(trials=1))
    report = bench_noise.run_noise(
        space=find_space(config.space),
        budget=config.flops_budget(),
        target=config.target_network(),
        task=config.task(),
        data=data_source(config, Home.from_environment()),
        num_architectures=architectures
        or (bench_noise.QUICK_ARCHITECTURES if quick else bench_noise.NUM_ARCHITECTURES),
        num_seeds=seeds or (bench_noise.QUICK_SEEDS if quick else bench_noise.NUM_SEEDS),
        console=make_console(stderr=True),
    )
    _show(report, bench_noise.print_noise, as_json=as_json)


@app.command()
def proxy(
    file: Annotated[Path | None, typer.Argument(help="a search document; by default `cpu-small` on drawn data")] = None,
    reference: Annotated[str, typer.Option(help="the architecture that is trained")] = "spinenet-49",
    seeds: Annotated[int | None, typer.Option(min=1, help="trainings of each contender")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="of a training; by default the document's, or 150")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="that compute; by default all cores")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    as_json: AsJson = False,
    quick: Quick = False,
) -> None:
    """How fast is a proxy training? Ours against torchvision's detector on the same backbone, and the bare network."""
    from dataclasses import replace

    from nas_controller.search_config import SearchConfig, load_search_file
    from search_space.reference import reference as reference_spec
    from spinesearch.bench import proxy as bench_proxy
    from spinesearch.bench.proxy_table import print_proxy
    from spinesearch.composition import data_source
    from spinesearch.home import Home
    from spinesearch.progress import make_console

    config = load_search_file(file) if file else SearchConfig.from_document(bench_proxy.DEFAULT_DOCUMENT)
    task = replace(config.task(), steps=steps, epochs=None) if steps else config.task()
    report = bench_proxy.run_proxy(
        name=reference,
        spec=reference_spec(reference),
        task=bench_proxy.quick_task(task) if quick else task,
        data=data_source(config, Home.from_environment()),
        num_seeds=seeds or (1 if quick else bench_proxy.NUM_SEEDS),
        device=device,
        threads=threads,
        console=make_console(stderr=True),
    )
    _show(report, print_proxy, as_json=as_json)


@app.command()
def profile(
    file: Annotated[Path | None, typer.Argument(help="a search document; by default `cpu-small` on drawn data")] = None,
    reference: Annotated[str, typer.Option(help="the architecture that is trained")] = "spinenet-49",
    steps: Annotated[int | None, typer.Option(min=1, help="of the training; by default the document's, or 150")] = None,
    threads: Annotated[int, typer.Option(min=1, help="that compute")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    as_json: AsJson = False,
    quick: Quick = False,
) -> None:
    """Where does the time of a proxy training go, and how near is that to what the machine can do?"""
    from dataclasses import replace

    from nas_controller.search_config import SearchConfig, load_search_file
    from search_space.reference import reference as reference_spec
    from spinesearch.bench import proxy as bench_proxy
    from spinesearch.bench.profile import run_profile
    from spinesearch.bench.profile_table import print_profile
    from spinesearch.composition import data_source
    from spinesearch.home import Home

    config = load_search_file(file) if file else SearchConfig.from_document(bench_proxy.DEFAULT_DOCUMENT)
    task = replace(config.task(), steps=steps, epochs=None) if steps else config.task()
    report = run_profile(
        name=reference,
        spec=reference_spec(reference),
        task=bench_proxy.quick_task(task) if quick else task,
        data=data_source(config, Home.from_environment()),
        threads=threads,
        device=device,
    )
    _show(report, print_profile, as_json=as_json)


@app.command()
def choices(
    file: Annotated[Path | None, typer.Argument(help="a search document; by default `cpu-small` on drawn data")] = None,
    reference: Annotated[str, typer.Option(help="the architecture that is trained")] = "spinenet-49",
    rounds: Annotated[int | None, typer.Option(min=1, help="in which the variants take turns")] = None,
    threads: Annotated[int, typer.Option(min=1, help="that compute")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    compiler: Annotated[bool, typer.Option("--compiler", help="torch.compile as well: takes minutes")] = False,
    as_json: AsJson = False,
    quick: Quick = False,
) -> None:
    """What is each choice about arithmetic and memory worth? The bare network's step without each of them."""
    from nas_controller.search_config import SearchConfig, load_search_file
    from search_space.reference import reference as reference_spec
    from spinesearch.bench import choices as bench_choices
    from spinesearch.bench import proxy as bench_proxy
    from spinesearch.composition import data_source
    from spinesearch.home import Home
    from spinesearch.progress import make_console

    config = load_search_file(file) if file else SearchConfig.from_document(bench_proxy.DEFAULT_DOCUMENT)
    report = bench_choices.run_choices(
        name=reference,
        spec=reference_spec(reference),
        task=bench_proxy.quick_task(config.task()) if quick else config.task(),
        data=data_source(config, Home.from_environment()),
        threads=threads,
        device=device,
        num_rounds=rounds or (1 if quick else bench_choices.NUM_ROUNDS),
        with_compiler=compiler,
        console=make_console(stderr=True),
    )
    _show(report, bench_choices.print_choices, as_json=as_json)


@app.command()
def packing(
    file: Annotated[Path | None, typer.Argument(help="a search document; by default the embedded demo's")] = None,
    reference: Annotated[str, typer.Option(help="the architecture that is trained")] = "spinenet-49",
    trials: Annotated[
        int | None, typer.Option(min=1, help="of a packing in a round; by default its most workers")
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="in which the packings take turns")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="of a training; by default the document's")] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="to divide among the trainings; by default all")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    as_json: AsJson = False,
    quick: Quick = False,
) -> None:
    """How many trainings at once are best here? The same trials by few and many workers, and the best `workers:`."""
    from dataclasses import replace

    from nas_controller.dispatch.ray_cluster import RayDispatcher
    from nas_controller.dispatch.worker import DETECTION
    from nas_controller.search_config import SearchConfig, load_search_file
    from search_space.reference import reference as reference_spec
    from spinesearch.bench import packing as bench_packing
    from spinesearch.bench.packing_table import print_packing
    from spinesearch.bench.proxy import quick_task
    from spinesearch.composition import search_setup
    from spinesearch.demo import demo_document
    from spinesearch.home import Home
    from spinesearch.progress import make_console
    from trainer.task import EvaluationRequest

    config = load_search_file(file) if file else SearchConfig.from_document(demo_document(trials=1))
    setup = search_setup("packing", config, Home.from_environment())
    task = replace(setup.task, steps=steps, epochs=None) if steps else setup.task
    request = EvaluationRequest(
        spec=reference_spec(reference),
        task=quick_task(task) if quick else task,
        data=setup.data,
        seed=0,
        cache=setup.cache,
        device=device,
    )
    report = bench_packing.run_packing(
        name=reference,
        request=request,
        open_dispatcher=lambda pools: RayDispatcher(pools, DETECTION),
        cores=cores,
        num_trials=trials,
        num_rounds=rounds or (1 if quick else bench_packing.NUM_ROUNDS),
        console=make_console(stderr=True),
    )
    _show(report, print_packing, as_json=as_json)


@app.command()
def api(
    trials: Annotated[int | None, typer.Option(min=200, help="of the search; by default 100,000")] = None,
    as_json: AsJson = False,
    quick: Quick = False,
) -> None:
    """How fast does the API answer when a search is long? Every route, cold, warm, and while trials come in."""
    from spinesearch.bench.api import run_api
    from spinesearch.bench.api_table import print_api
    from spinesearch.progress import make_console

    report = run_api(num_trials=trials, quick=quick, console=make_console(stderr=True))
    _show(report, print_api, as_json=as_json)


@app.command()
def page(
    trials: Annotated[int | None, typer.Option(min=200, help="of the search; by default 10,000")] = None,
    as_json: AsJson = False,
    quick: Quick = False,
) -> None:
    """How soon can a page of the dashboard be used when a search is long? In Chromium, which must be there."""
    from spinesearch.bench.page import print_pages, run_pages
    from spinesearch.progress import make_console

    report = run_pages(num_trials=trials, quick=quick, console=make_console(stderr=True))
    _show(report, print_pages, as_json=as_json)


@app.command()
def cost(as_json: AsJson = False, quick: Quick = False) -> None:
    """How fast is a network counted? Our formulas against building it and tracing it."""
    from spinesearch.bench.cost import print_cost_bench, run_cost

    report = run_cost(quick=quick)
    _show(report, print_cost_bench, as_json=as_json)


@app.command()
def spaces(
    as_json: AsJson = False,
    quick: Quick = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="print the table of docs/spaces.md")] = False,
) -> None:
    """How large is each space, how often does it repeat itself, and how much of it meets its budget?"""
    from spinesearch.bench import spaces as bench_spaces
    from spinesearch.progress import make_console

    rows = bench_spaces.measure_spaces(quick=quick)
    if as_json:
        print(json.dumps(bench_spaces.to_document(rows), indent=2))
    elif markdown:
        print(bench_spaces.as_markdown(rows))
    else:
        bench_spaces.print_spaces(rows, make_console())


@app.command()
def dispatch(
    trials: Annotated[int | None, typer.Option(min=100, help="no-op trials of ours")] = None,
    as_json: AsJson = False,
    quick: Quick = False,
) -> None:
    """What does a trial cost beside its training? No-op trials, against Ray Tune and Optuna."""
    from spinesearch.bench.dispatch import run_dispatch
    from spinesearch.bench.dispatch_table import print_dispatch
    from spinesearch.progress import make_console

    report = run_dispatch(num_trials=trials, quick=quick, console=make_console(stderr=True))
    _show(report, print_dispatch, as_json=as_json)


@app.command()
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
    _show(report, print_front, as_json=as_json, as_markdown=as_markdown if markdown else None)


@app.command()
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
    _show(report, print_algorithms, as_json=as_json, as_markdown=as_markdown if markdown else None)


@app.command()
def searches(
    file: Annotated[Path, typer.Argument(help="a search document; its seed is the first")],
    against: Annotated[list[str] | None, typer.Option(help="an algorithm; can be given several times")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="searches with each algorithm")] = None,
    as_json: AsJson = False,
    quick: Quick = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="print the tables of docs/search-efficiency.md")] = False,
) -> None:
    """Does a real search find better networks than random? Whole searches, with their trainings, measured on val."""
    from nas_controller.search_config import load_search_file
    from spinesearch.bench import whole_searches as bench_searches
    from spinesearch.bench.whole_searches_table import as_markdown, print_whole_searches
    from spinesearch.composition import open_home_store
    from spinesearch.home import Home
    from spinesearch.progress import make_console
    from spinesearch.validation import check_search

    config, home = load_search_file(file), Home.from_environment()
    if quick:
        config = bench_searches.shortened(config)
    check_search(config, home)
    report = bench_searches.run_whole_searches(
        config,
        algorithms=(config.algorithm.name, *(against or ("random",))),
        num_seeds=seeds or (bench_searches.QUICK_SEEDS if quick else bench_searches.NUM_SEEDS),
        store=open_home_store(home),
        home=home,
        console=make_console(stderr=True),
    )
    _show(report, print_whole_searches, as_json=as_json, as_markdown=as_markdown if markdown else None)


@app.command("trained-table")
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


@app.command("warm-start")
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
    _show(report, print_warm_start, as_json=as_json, as_markdown=as_markdown if markdown else None)
