"""An architecture as one Python file that trains it: its backbone in torchvision's RetinaNet."""

from string import Template

from search_space.export.network_source import network_sections, network_values
from search_space.export.pytorch_source import frame
from search_space.export.torchvision_source import detector, training
from search_space.plan import TargetNetwork, resolve
from search_space.spec import ArchitectureSpec


def export_torchvision(spec: ArchitectureSpec, target: TargetNetwork) -> str:
    """The source of a module with `build_backbone()`, `build_detector(num_classes)`, `load_spec()` and a `main`.

    The head is torchvision's whatever the target's is. Parameter names of the backbone are those of
    `trainer.model.backbone.Backbone`.
    """
    plan = resolve(spec, target)
    sections = [
        detector.HEADER,
        *network_sections(plan),
        detector.DETECTOR,
        frame.BUILD,
        detector.BUILD_DETECTOR,
        training.IMAGES,
        training.TRAINING,
        frame.SPEC,
        training.MAIN,
    ]
    return Template("".join(sections)).substitute(network_values(plan, backbone_class="DetectorBackbone"))
