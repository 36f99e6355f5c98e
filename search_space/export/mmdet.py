"""An architecture as one Python file for MMDetection: its backbone as a class, and a configuration around it."""

from string import Template

from search_space.export.mmdet_source import backbone, config
from search_space.export.network_source import network_sections, network_values
from search_space.export.pytorch_source import frame
from search_space.heads import RetinaNetHead
from search_space.plan import NetworkPlan, TargetNetwork, resolve
from search_space.spec import ArchitectureSpec

CLASS = "SearchedBackbone"
PAPERS_CLASSES, COCO_CLASSES = 91, 80


def export_mmdet(spec: ArchitectureSpec, target: TargetNetwork) -> str:
    """The source of a module with the class `SearchedBackbone`, `CONFIG`, and a `main` that writes the latter.

    The class needs torch alone and registers itself where there is a registry. The head is MMDetection's
    `RetinaSepBNHead` (shared convolutions, batch norms for each level) of the target's size; dense where the
    target's is separable, which MMDetection lacks.
    """
    plan = resolve(spec, target)
    sections = [
        backbone.HEADER,
        *network_sections(plan),
        frame.BUILD,
        backbone.CLASS,
        config.CONFIG,
        frame.SPEC,
        backbone.MAIN,
    ]
    return Template("".join(sections)).substitute({**network_values(plan), **_head_values(plan)})


def _head_values(plan: NetworkPlan) -> dict[str, str | int]:
    head = plan.head
    default = RetinaNetHead(channels=plan.endpoints[0].out_channels)
    own = head if isinstance(head, RetinaNetHead) else default
    return {
        "CLASS": CLASS,
        "NUM_CLASSES": COCO_CLASSES if plan.num_classes == PAPERS_CLASSES else plan.num_classes,
        "NUM_CONVS": own.num_convs,
        "HEAD_CHANNELS": own.channels,
        "DENSE": ", not separable" if own.separable else "",
    }
