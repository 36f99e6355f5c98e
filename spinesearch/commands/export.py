"""`export`: a found or published architecture in a format that other code can use."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from torch import Tensor

    from api.provenance import FoundArchitecture

TEXT_FORMATS = "spec, pytorch, torchvision, tf-vision, mmdet, svg, card"


def export(
    search: Annotated[str | None, typer.Argument(help="search id")] = None,
    trial: Annotated[int | None, typer.Option(help="trial number; by default the best")] = None,
    reference: Annotated[str | None, typer.Option("--reference", help="a published architecture by name")] = None,
    format_name: Annotated[str, typer.Option("--format", help=f"{TEXT_FORMATS} or onnx")] = "spec",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="file; by default standard output")] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE.safetensors", help="of the backbone, for onnx; by default new ones")
    ] = None,
    trained: Annotated[
        bool, typer.Option("--trained", help="pytorch at the size of the trainings, for weights of a full one")
    ] = False,
) -> None:
    """Write a found or published architecture in a format that other code can use."""
    from search_space.export.formats import ONNX, export_text

    if (search is None) == (reference is None):
        raise ValueError("give either a search id or --reference NAME")
    if reference is not None and trial is not None:
        raise ValueError("--trial is one of a search; --reference NAME has none")
    if trained and (search is None or format_name != "pytorch"):
        raise ValueError("--trained goes with a search and --format pytorch")
    if weights is not None and format_name != ONNX:
        raise ValueError(f"--weights are for --format {ONNX} only: the other formats hold none")
    found = _published(reference) if reference is not None else _found(str(search), trial, is_trained=trained)
    if format_name == ONNX:
        _write_onnx(found, output, weights)
        return
    text = export_text(found.spec, found.target, format_name, found.provenance).text
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")


def _write_onnx(found: "FoundArchitecture", output: Path | None, weights: Path | None) -> None:
    from search_space.plan import resolve
    from trainer.onnx_file import write_onnx

    if output is None:
        raise ValueError("give -o FILE.onnx: ONNX is no text")
    check = write_onnx(resolve(found.spec, found.target), output, weights=None if weights is None else _read(weights))
    print(
        f"{output}: opset {check.opset}, any batch, {'the given' if weights else 'new'} weights; ONNX Runtime differs "
        f"from torch by {check.largest_difference:.0e} of the largest value"
    )


def _read(weights: Path) -> dict[str, "Tensor"]:
    """The tensors of a safetensors file; those of a detector's backbone alone where it is one."""
    import safetensors.torch
    from safetensors import SafetensorError

    try:
        tensors = safetensors.torch.load_file(weights)
    except SafetensorError as error:
        raise ValueError(f"{weights}: no safetensors file: {error}") from error
    own = {name.removeprefix("backbone."): value for name, value in tensors.items() if name.startswith("backbone.")}
    return own or tensors


def _published(name: str) -> "FoundArchitecture":
    from api.provenance import FoundArchitecture
    from search_space.export.provenance import Provenance
    from search_space.reference import REFERENCES, published_target
    from search_space.reference import reference as find_reference

    spec, target = find_reference(name), published_target(name)
    return FoundArchitecture(spec, target, Provenance(source=REFERENCES[name].source))


def _found(search_id: str, number: int | None, *, is_trained: bool) -> "FoundArchitecture":
    from api.provenance import ExportSize, found_architecture
    from nas_controller.store.base import NotFoundError
    from spinesearch.composition import open_home_store
    from spinesearch.home import Home

    store = open_home_store(Home.from_environment())
    try:
        search = store.get_search(search_id)
        if number is None:
            best = store.best_trials(search_id, 1)
            if not best:
                raise NotFoundError(f"search {search_id} has no completed trial yet")
            number = best[0].number
        size = ExportSize.TRAINED if is_trained else ExportSize.TARGET
        return found_architecture(store, search, store.get_trial(search_id, number), size)
    finally:
        store.close()
