"""`bench ...`: measurements of trainings, networks and the service; each prints its table."""

import json
from pathlib import Path
from typing import Annotated

import typer

from spinesearch.commands import bench_searches
from spinesearch.commands.reports import AsJson, Quick, show

app = typer.Typer(no_args_is_help=True)


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
    show(report, bench_noise.print_noise, as_json=as_json)


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
    show(report, print_proxy, as_json=as_json)


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
    show(report, print_profile, as_json=as_json)


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
    show(report, bench_choices.print_choices, as_json=as_json)


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
    show(report, print_packing, as_json=as_json)


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
    show(report, print_api, as_json=as_json)


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
    show(report, print_pages, as_json=as_json)


@app.command()
def cost(as_json: AsJson = False, quick: Quick = False) -> None:
    """How fast is a network counted? Our formulas against building it and tracing it."""
    from spinesearch.bench.cost import print_cost_bench, run_cost

    report = run_cost(quick=quick)
    show(report, print_cost_bench, as_json=as_json)


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
    show(report, print_dispatch, as_json=as_json)


app.command()(bench_searches.front)
app.command()(bench_searches.algorithms)
app.command()(bench_searches.searches)
app.command()(bench_searches.trained_table)
app.command()(bench_searches.warm_start)
