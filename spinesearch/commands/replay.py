"""`replay SEARCH`: does everything that a search asked and told follow from its document?"""

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from nas_controller.verification import Difference, Verification


def replay(
    search: Annotated[str, typer.Argument(metavar="SEARCH", help="id of a search of this home")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Derive every sampled architecture and the state of the algorithm again, and name the first difference.

    Reads the database only, also of a search that runs. Exit status 1 for a difference.
    """
    from nas_controller.algorithms.versions import versions_here
    from spinesearch.progress import make_console

    began = time.perf_counter()
    versions = versions_here()
    verification = _verified(search, versions, make_console(stderr=True))
    seconds = time.perf_counter() - began
    if as_json:
        print(json.dumps({**asdict(verification), "seconds": round(seconds, 3), "versions": versions}, indent=2))
    else:
        _print(verification, seconds)
    raise typer.Exit(0 if verification.difference is None else 1)


def _verified(search_id: str, versions: dict[str, str], console: "Console") -> "Verification":
    """What came out, with a bar on the way where there is a terminal."""
    from rich.progress import Progress

    from nas_controller.verification import verify
    from spinesearch.composition import open_home_store
    from spinesearch.home import Home

    store = open_home_store(Home.from_environment())
    try:
        with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
            task = progress.add_task(f"replaying {search_id}", total=None)

            def show(sequence: int, last_sequence: int) -> None:
                progress.update(task, completed=sequence, total=last_sequence)

            return verify(store, search_id, versions, show)
    finally:
        store.close()


def _print(verification: "Verification", seconds: float) -> None:
    print(
        f"search {verification.search_id}: {verification.num_asks} asks and {verification.num_tells} tells derived "
        f"again from {verification.num_entries} entries in {seconds:.1f} s"
    )
    last = f", the last at entry {verification.last_state_at}" if verification.num_states else ""
    print(f"recorded states that are equal: {verification.num_states}{last}")
    print(f"sha256 of the state: {verification.state_sha256}")
    if verification.difference is None:
        print("no difference")
    else:
        _print_difference(verification.difference)


def _print_difference(difference: "Difference") -> None:
    trial = "" if difference.trial_number is None else f", trial {difference.trial_number}"
    print(f"first difference: entry {difference.sequence}{trial}: {difference.mismatch.what}")
    print(f"  recorded:      {difference.mismatch.recorded}")
    print(f"  derived again: {difference.mismatch.rederived}")
    if difference.versions is None:
        print("  versions: none were recorded before it")
    elif not difference.versions:
        print("  versions: the same then and here")
    for name, (then, here) in sorted((difference.versions or {}).items()):
        print(f"  {name}: then {then}, here {here}")
