"""A trial's origin as a service would put it together, for the tests of exports."""

from search_space.export.provenance import Provenance, ReferencePrecision, TrialOrigin, ValPrecision
from search_space.operations import Cost

ORIGIN = TrialOrigin(
    search="cells-1",
    search_name="cells",
    trial=4,
    arm="policy",
    space="spinenet-49",
    algorithm="reinforce",
    search_seed=7,
    budget="28.26 B multiply-adds ± 5%",
    data="generated",
    proxy={"image_size": 128, "width_scale": 0.25, "steps": 300, "scale_jitter": [0.8, 1.2]},
    proxy_backbone=Cost(100, 1000),
    proxy_detector=Cost(200, 2000),
    num_trained=40,
    reward=0.3,
    average_precision=0.3,
    seed=4,
    val=ValPrecision(average_precision=0.25, standard_error=0.006, seeds=(1000, 1001, 1002)),
    references=(
        ReferencePrecision(
            name="spinenet-49",
            val=ValPrecision(average_precision=0.23, standard_error=0.006, seeds=(1000, 1001, 1002)),
            difference=0.02,
            half_width=0.0227,
        ),
        ReferencePrecision(
            name="resnet-50-fpn",
            val=ValPrecision(average_precision=0.2, standard_error=0.006, seeds=(1000, 1001, 1002)),
            difference=0.05,
            half_width=0.0227,
        ),
    ),
    versions={"torch": "2.15.0", "data": "ab" * 8},
)
FOUND = Provenance(trial=ORIGIN)
