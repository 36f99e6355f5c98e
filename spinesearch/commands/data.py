"""`data ...`: the generated data set, and whether a data set can be used."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DIR")]


@app.command()
def generate(directory: Folder, seed: Annotated[int, typer.Option(help="decides every pixel")] = 0) -> None:
    """Write a small COCO-format detection data set."""
    from trainer.data.generated import generate as generate_data

    generate_data(directory, seed=seed)
    print(f"wrote {directory}")


@app.command()
def check(directory: Folder) -> None:
    """Read a data set completely and say what is in it, or what is wrong with it."""
    from trainer.data.coco import check_directory

    for report in check_directory(directory):
        print(report)
