"""Average precision: both backends agree, on hard cases too."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.coco_eval import METRIC_NAMES, coco_scores


def random_case(seed: int, num_images: int = 12) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Objects of all sizes, some crowds, category ids with gaps, an image without objects; detections with ties."""
    rng = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = []
    rows = []
    for image_id in range(1, num_images + 1):
        for _ in range(rng.integers(0, 6) if image_id > 1 else 0):
            x, y = rng.uniform(0, 300, 2)
            width, height = np.exp(rng.uniform(np.log(8), np.log(250), 2))
            category = int(rng.choice([2, 7, 9]))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": category,
                    "bbox": [x, y, width, height],
                    "area": width * height * 0.8,
                    "iscrowd": int(rng.random() < 0.2),
                }
            )
            for _ in range(rng.integers(0, 4)):
                noise = rng.normal(0, 0.1, 4) * [width, height, width, height]
                box = np.maximum(np.array([x, y, width, height]) + noise, 1)
                guess = category if rng.random() < 0.8 else int(rng.choice([2, 7, 9]))
                rows.append([image_id, *box, round(rng.random(), 1), guess])
        rows.append([image_id, *rng.uniform(1, 100, 4), round(rng.random(), 1), 2])
    document = {
        "info": {},
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in range(1, num_images + 1)],
        "categories": [{"id": 2, "name": "a"}, {"id": 7, "name": "b"}, {"id": 9, "name": "c"}],
        "annotations": annotations,
    }
    return document, np.array(rows)


@pytest.mark.parametrize("seed", range(5))
def test_both_backends_agree(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    document, rows_D7 = random_case(seed)
    faster = coco_scores(document, rows_D7)
    slow = coco_scores(document, rows_D7, backend="pycocotools")
    assert list(faster.metrics) == list(METRIC_NAMES)
    assert faster.metrics == pytest.approx(slow.metrics, abs=1e-12)
    assert faster.class_average_precision == pytest.approx(slow.class_average_precision, abs=1e-12)
    assert 0.05 < faster.metrics["ap"] < 0.95
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("backend", ["faster", "pycocotools"])
def test_perfect_and_no_detections(backend: str) -> None:
    document, _ = random_case(0)
    document["annotations"] = [a for a in document["annotations"] if not a["iscrowd"]]
    perfect_D7 = np.array([[a["image_id"], *a["bbox"], 0.9, a["category_id"]] for a in document["annotations"]])
    assert coco_scores(document, perfect_D7, backend).metrics["ap"] == pytest.approx(1.0)
    assert coco_scores(document, np.zeros((0, 7)), backend).metrics["ap"] == 0.0


@pytest.mark.parametrize("backend", ["faster", "pycocotools"])
def test_a_category_without_objects_is_minus_one_and_not_in_the_mean(backend: str) -> None:
    document, _ = random_case(0)
    document["annotations"] = [a for a in document["annotations"] if not a["iscrowd"] and a["category_id"] != 9]
    perfect_D7 = np.array([[a["image_id"], *a["bbox"], 0.9, a["category_id"]] for a in document["annotations"]])
    scores = coco_scores(document, perfect_D7, backend)
    assert scores.class_average_precision == pytest.approx({"a": 1.0, "b": 1.0, "c": -1.0})
    assert scores.metrics["ap"] == pytest.approx(1.0)
