"""`evaluator ...`: a function of the user's own that measures architectures."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from spinesearch.evaluator_check import Finding

app = typer.Typer(no_args_is_help=True)


@app.callback()
def evaluator() -> None:
    """Functions of your own that measure architectures."""


@app.command()
def check(
    name: Annotated[str, typer.Argument(metavar="PACKAGE.MODULE:FUNCTION")],
    search: Annotated[
        Path | None, typer.Option(metavar="FILE", help="take proxy task and data set from this search")
    ] = None,
) -> None:
    """Call an evaluator as a worker would, and say in one line each which rules it keeps and which it breaks.

    Its module must be importable: installed, or its folder in $PYTHONPATH. Exit status 1 where a rule is broken.
    """
    findings = _of_search(name, search) if search else _of_small_data(name)
    for finding in findings:
        word = "wrong " if finding.is_wrong else "advice" if finding.problem else "ok    "
        print(f"{word}  {finding.rule}" + (f": {finding.problem}" if finding.problem else ""))
    raise typer.Exit(1 if any(finding.is_wrong for finding in findings) else 0)


def _of_search(name: str, file: Path) -> list["Finding"]:
    from nas_controller.search_config import load_search_file
    from spinesearch.composition import data_source
    from spinesearch.evaluator_check import check_evaluator_rules
    from spinesearch.home import Home

    config = load_search_file(file)
    return check_evaluator_rules(name, data_source(config, Home.from_environment()), config.task())


def _of_small_data(name: str) -> list["Finding"]:
    from spinesearch.evaluator_check import check_evaluator_rules
    from trainer.data.generated import generate

    with tempfile.TemporaryDirectory() as folder:
        data = generate(Path(folder) / "data", num_train=20, num_val=6, image_size=64)
        return check_evaluator_rules(name, data)
