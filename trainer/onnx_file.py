"""A backbone as an ONNX file, held against torch by ONNX Runtime: `write_onnx(plan, path) -> OnnxCheck`.

It needs the extra `[onnx]`.

Legend: B images, C channels, H and W height and width.
"""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from search_space.plan import NetworkPlan
from trainer.model.backbone import Backbone
from trainer.model.network import build_network

OPSET = 20
CHECKED_BATCHES = (1, 3)
TOLERANCE = 1e-3
"""Largest difference allowed, relative to the largest value of a feature: both sum floats in orders of their own."""


class OnnxError(ValueError):
    """No ONNX file was written, or it is not the network; the message says why."""


class OnnxCheck(NamedTuple):
    """What ONNX Runtime found: the largest difference from torch, relative to the largest value of its feature."""

    opset: int
    largest_difference: float


class NamedPyramid(nn.Module):
    """The backbone of which tracing sees plain tensors alone."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images_BCHW: Tensor) -> tuple[Tensor, ...]:
        """The features, from the largest on."""
        return tuple(self.backbone(images_BCHW))


def write_onnx(
    plan: NetworkPlan, path: Path, *, seed: int = 0, weights: Mapping[str, Tensor] | None = None
) -> OnnxCheck:
    """Writes the backbone for images (B, 3, H, W) of the target's size, B left open, and checks what was written.

    Inputs and outputs are called ``images`` and ``p3``, ``p4``, ... The file holds the weights.

    Args:
        seed: of new weights.
        weights: by the names of `Backbone`; None for new ones.

    Raises:
        OnnxError: the extra is missing, the weights do not fit, or ONNX Runtime computes something else; a file that
            was written stays where it is.
    """
    _require_extra()
    model = _backbone(plan, seed, weights)
    height, width = plan.target.height_and_width
    generator = torch.Generator().manual_seed(seed)
    images_BCHW = torch.rand(max(CHECKED_BATCHES), 3, height, width, generator=generator)
    names = [f"p{endpoint.level}" for endpoint in plan.endpoints]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        torch.onnx.export(
            NamedPyramid(model).eval(),
            (images_BCHW,),
            path,
            input_names=["images"],
            output_names=names,
            opset_version=OPSET,
            dynamic_shapes={"images_BCHW": {0: torch.export.Dim("batch")}},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    return OnnxCheck(OPSET, _largest_difference(path, model, images_BCHW, names))


def _require_extra() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise OnnxError(f"{error}: ONNX needs the extra: pip install 'spinesearch[onnx]'") from error


def _backbone(plan: NetworkPlan, seed: int, weights: Mapping[str, Tensor] | None) -> Backbone:
    plan = replace(plan, head=None)
    model = build_network(plan, torch.Generator().manual_seed(seed))
    assert isinstance(model, Backbone)
    if weights is not None:
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise OnnxError(f"the weights are of another network: {str(error).splitlines()[-1].strip()}") from error
    return model.eval()


def _largest_difference(path: Path, model: Backbone, images_BCHW: Tensor, names: list[str]) -> float:
    """Of all features at all checked batch sizes.

    Raises:
        OnnxError: it is above `TOLERANCE`.
    """
    import onnx
    import onnxruntime

    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    largest = 0.0
    for batch in CHECKED_BATCHES:
        outputs = session.run(names, {"images": images_BCHW[:batch].numpy()})
        with torch.inference_mode():
            features = model(images_BCHW[:batch])
        for name, output, feature_BCHW in zip(names, outputs, features, strict=True):
            if output.shape != tuple(feature_BCHW.shape):
                raise OnnxError(f"{path}: {name} is of shape {output.shape}; torch gives {tuple(feature_BCHW.shape)}")
            difference = (torch.from_numpy(output) - feature_BCHW).abs().max() / feature_BCHW.abs().max()
            largest = max(largest, float(difference))
    if not largest <= TOLERANCE:
        raise OnnxError(f"{path}: ONNX Runtime's features differ from torch's by {largest:.1e} of their largest value")
    return largest
