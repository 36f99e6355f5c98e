"""`latency`: how long a network takes on this machine."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spinesearch.commands.architecture import (
    HeadName,
    ImageSize,
    NumClasses,
    ReferenceName,
    SpecPath,
    WidthScale,
    architecture_at,
)

if TYPE_CHECKING:
    from trainer.latency_task import DeviceFingerprint

MAX_BATCH = 1024


def latency(
    spec: SpecPath = None,
    reference: ReferenceName = None,
    against: Annotated[
        str | None, typer.Option(metavar="NAME", help="a published architecture, measured in the same run")
    ] = None,
    image_size: ImageSize = None,
    head: HeadName = "retinanet",
    num_classes: NumClasses = 91,
    width_scale: WidthScale = None,
    batch_size: Annotated[int, typer.Option(min=1, max=MAX_BATCH, help="images at a time")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="of the processor")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or xla")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, bf16 or fp32")] = "auto",
    rounds: Annotated[int, typer.Option(min=6, max=10_000, help="each with a median of its own")] = 30,
    slack: Annotated[
        float, typer.Option(min=0, help="a round counts where the device was at most so much slower than usual")
    ] = 0.1,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Measure how long the network takes for a batch, without what comes after it; weights are random."""
    import torch

    from search_space.cost import cost as count
    from search_space.plan import resolve
    from trainer.device import choose_device
    from trainer.latency import fingerprint_of, network_latency
    from trainer.latency_task import LatencyProtocol

    named = [architecture_at(spec, reference, image_size, head, num_classes, width_scale)]
    if against is not None:
        named.append(architecture_at(None, against, image_size, head, num_classes, width_scale))
    on = choose_device(device, precision)
    torch.set_num_threads(threads)
    rows = []
    for architecture, target in named:
        plan = resolve(architecture, target)
        timing = network_latency(plan, on, batch_size, LatencyProtocol(rounds=rounds, slack=slack))
        size = "x".join(map(str, target.height_and_width))
        counted = {"image_size": size, "multiply_adds": count(plan).multiply_adds}
        rows.append({"name": architecture.name, **counted, **asdict(timing)})
    found = fingerprint_of(on)
    if as_json:
        print(json.dumps({"fingerprint": found.digest, **asdict(found), "batch_size": batch_size, "networks": rows}))
    else:
        _print(rows, found, batch_size)


def _print(rows: list[dict[str, Any]], found: "DeviceFingerprint", batch_size: int) -> None:
    from rich.console import Console
    from rich.table import Table

    threads = f"{found.threads} thread" + "s" * (found.threads > 1)
    table = Table(title=f"{found.device}, {threads}, {batch_size} at a time")
    table.add_column("network")
    for column in ("pixels", "multiply-adds", "ms, median", "95 % interval", "rounds left out", "to the first"):
        table.add_column(column, justify="right")
    for row in rows:
        low, high = (f"{1000 * end:.2f}" for end in row["interval"])
        ratio = row["median"] / rows[0]["median"]
        took = f"{1000 * row['median']:.2f}"
        counted = (row["image_size"], f"{row['multiply_adds']:,}")
        table.add_row(row["name"], *counted, took, f"{low} to {high}", str(row["discarded"]), f"{ratio:.2f}")
    console = Console()
    console.print(table)
    console.print(f"comparable with latencies of {found.digest} only: {found.processor}, torch {found.torch}")
