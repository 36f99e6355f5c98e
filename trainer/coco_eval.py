"""COCO average precision of detections, by faster-coco-eval (equal to pycocotools, and quicker).

Legend: D detections, 7 = image id, x, y, width, height, score, category id.
"""

import contextlib
import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

logging.getLogger("faster_coco_eval").setLevel(logging.WARNING)  # it logs the tables that the other one prints

METRIC_NAMES = (
    "ap",
    "ap50",
    "ap75",
    "ap_small",
    "ap_medium",
    "ap_large",
    "ar_1",
    "ar_10",
    "ar_100",
    "ar_small",
    "ar_medium",
    "ar_large",
)


@dataclass(frozen=True, slots=True)
class CocoScores:
    """The COCO numbers of a set of detections.

    Args:
        metrics: by `METRIC_NAMES`, in [0, 1]; -1 where the split has no object that counts.
        class_average_precision: AP by category name; -1 where the split has no object of it.
    """

    metrics: Mapping[str, float]
    class_average_precision: Mapping[str, float]

    @property
    def average_precision(self) -> float:
        """AP in [0, 1], 0 where the split has no object that counts."""
        return max(0.0, self.metrics["ap"])


def coco_scores(ground_truth: Mapping[str, Any], rows_D7: NDArray[np.float64], backend: str = "faster") -> CocoScores:
    """The scores of box detections against a COCO document.

    Args:
        ground_truth: COCO instances as plain data, with `images`, `categories` and `annotations`.
        rows_D7: detections; boxes in pixels of the original images. There may be none.
        backend: ``faster`` or ``pycocotools``.
    """
    category_names = {category["id"]: category["name"] for category in ground_truth["categories"]}
    if not len(rows_D7):
        # Both libraries refuse an empty list of detections; a row with score 0 on no object counts the same.
        rows_D7 = np.array([[ground_truth["images"][0]["id"], 0, 0, 0, 0, 0, ground_truth["categories"][0]["id"]]])
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = _run(dict(ground_truth), rows_D7.astype(np.float64), backend)
    metrics = {name: float(value) for name, value in zip(METRIC_NAMES, evaluation.stats, strict=False)}
    precision_TRKAM = evaluation.eval["precision"]
    by_class = {
        category_names[category]: _mean_of_counted(precision_TRKAM[:, :, k, 0, -1])
        for k, category in enumerate(evaluation.params.catIds)
    }
    return CocoScores(metrics, by_class)


def _run(ground_truth: dict[str, Any], rows_D7: NDArray[np.float64], backend: str) -> Any:
    if backend == "faster":
        from faster_coco_eval import COCO, COCOeval_faster

        truth = COCO(ground_truth)
        evaluation = COCOeval_faster(truth, truth.loadRes(rows_D7), "bbox")
    else:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        truth = COCO()
        truth.dataset = ground_truth
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(rows_D7), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


def _mean_of_counted(precision: NDArray[np.float64]) -> float:
    counted = precision[precision > -1]
    return float(counted.mean()) if counted.size else -1.0
