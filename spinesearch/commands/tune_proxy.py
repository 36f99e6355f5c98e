"""`tune-proxy`: the cheapest proxy recipe that ranks."""

from pathlib import Path
from typing import Annotated

import typer

from spinesearch.commands.reports import AsJson, Quick, show

NUM_RECIPES, QUICK_RECIPES = 30, 3
NUM_ARCHITECTURES, QUICK_ARCHITECTURES = 40, 8
REFERENCE_FACTOR, QUICK_FACTOR = 8.0, 2.0


def tune_proxy(
    file: Annotated[Path, typer.Argument(help="a search document: its space, budget, data, proxy and workers")],
    tau: Annotated[float, typer.Option(min=0, max=1, help="Kendall's tau to the reference that is wanted")] = 0.6,
    recipes: Annotated[int | None, typer.Option(min=1, help="recipes that are tried")] = None,
    architectures: Annotated[
        int | None, typer.Option(min=4, help="that judge: half for all recipes, half for the best")
    ] = None,
    reference_factor: Annotated[
        float | None, typer.Option(min=1, help="so many times the document's steps has the reference training")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="of architectures, recipes and trainings")] = 0,
    as_json: AsJson = False,
    quick: Quick = False,
) -> None:
    """Which short training orders architectures like a long one, for the fewest seconds? Ray Tune and Optuna look."""
    from nas_controller.search_config import load_search_file
    from spinesearch.bench.noise import random_architectures
    from spinesearch.composition import search_setup
    from spinesearch.home import Home
    from spinesearch.progress import make_console
    from spinesearch.proxy_tuning.run import print_tuning, ray_for, tune_proxy
    from spinesearch.proxy_tuning.trainings import Judges
    from spinesearch.proxy_tuning.tuning import Plan

    config, home = load_search_file(file), Home.from_environment()
    setup = search_setup("tune-proxy", config, home)
    pool = config.workers[0]
    plan = Plan(
        base=setup.task,
        num_recipes=recipes or (QUICK_RECIPES if quick else NUM_RECIPES),
        wanted_tau=tau,
        reference_factor=reference_factor or (QUICK_FACTOR if quick else REFERENCE_FACTOR),
        num_workers=pool.count,
        cpus=pool.cpus,
        gpus=pool.gpus,
        seed=seed,
    )
    number = architectures or (QUICK_ARCHITECTURES if quick else NUM_ARCHITECTURES)
    specs = random_architectures(setup.space, setup.budget, setup.target, number, seed)
    judges = Judges(specs=(), data=setup.data, evaluator=config.evaluator, cache=setup.cache)
    with ray_for(plan, home.ray_address):
        report = tune_proxy(specs, judges, plan, make_console(stderr=True))
    show(report, print_tuning, as_json=as_json)
