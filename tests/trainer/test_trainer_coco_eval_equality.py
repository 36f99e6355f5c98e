"""faster-coco-eval and pycocotools give the same twelve numbers, on real annotations and on cases made to be hard.

Legend: D detections, 7 = image id, x, y, width, height, score, category id.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from search_space.reference import REFERENCES
from trainer.coco_eval import METRIC_NAMES, CocoScores, coco_scores
from trainer.data.dataset import coco_ground_truth
from trainer.evaluate import evaluate_architecture
from trainer.task import CocoSource, DataSource, EvaluationRequest, ProxyTask, TaskError

Document = dict[str, Any]
Rows = NDArray[np.float64]
IMAGE = {"width": 640, "height": 480}
SMALL, MEDIUM = 32.0**2, 96.0**2  # where COCO's area ranges meet


def both(document: Document, rows_D7: Rows) -> CocoScores:
    """The scores, after making sure that both libraries agree on all of them."""
    faster, slow = coco_scores(document, rows_D7), coco_scores(document, rows_D7, "pycocotools")
    assert list(faster.metrics) == list(slow.metrics) == list(METRIC_NAMES)
    assert len(METRIC_NAMES) == 12
    assert faster.metrics == pytest.approx(slow.metrics, rel=0, abs=1e-12)
    assert faster.class_average_precision == pytest.approx(slow.class_average_precision, rel=0, abs=1e-12)
    return faster


# Real annotations


def real_document(root: Path, name: str) -> Document:
    source = CocoSource(images=root / name, annotations=root / "annotations" / f"instances_{name}.json")
    return coco_ground_truth(DataSource(train=source, val=source), "val")


def perturbed(document: Document, seed: int, *, noise: float, copies: int, decimals: int) -> Rows:
    """Each object found `copies` times, more or less; every tenth as another category; and boxes on nothing. Scores
    are rounded, so that many are equal."""
    rng = np.random.default_rng(seed)
    categories = [category["id"] for category in document["categories"]]
    rows = []
    for annotation in document["annotations"]:
        box = np.array(annotation["bbox"], dtype=np.float64)
        for _ in range(rng.integers(0, copies + 1)):
            found = box + rng.normal(0, noise, 4) * box[[2, 3, 2, 3]]
            category = annotation["category_id"] if rng.random() < 0.9 else rng.choice(categories)
            rows.append([annotation["image_id"], *found[:2], *np.maximum(found[2:], 1), rng.random(), category])
    for image in document["images"]:
        corner, sides = rng.uniform(0, 300, 2), np.exp(rng.uniform(0, 6, 2))
        rows.append([image["id"], *corner, *sides, rng.random(), rng.choice(categories)])
    rows_D7 = np.array(rows)
    rows_D7[:, 5] = rows_D7[:, 5].round(decimals)
    return rows_D7


DETECTORS = pytest.mark.parametrize(
    ("noise", "copies", "decimals"),
    [(0.02, 1, 9), (0.1, 3, 2), (0.3, 2, 1)],
    ids=["good", "with duplicates", "bad with ties"],
)


@DETECTORS
@pytest.mark.parametrize("name", ["train", "val"])
def test_blood_cells(bccd: Path, name: str, noise: float, copies: int, decimals: int) -> None:
    document = real_document(bccd, name)
    scores = both(document, perturbed(document, 0, noise=noise, copies=copies, decimals=decimals))
    assert 0.005 < scores.metrics["ap"] < 0.95


@DETECTORS
def test_coco_photos_with_crowds_and_category_ids_with_gaps(
    coco128: Path, noise: float, copies: int, decimals: int
) -> None:
    document = real_document(coco128, "train2017")
    assert sum(annotation["iscrowd"] for annotation in document["annotations"]) == 10
    scores = both(document, perturbed(document, 1, noise=noise, copies=copies, decimals=decimals))
    assert 0.005 < scores.metrics["ap"] < 0.95
    assert all(scores.metrics[f"ap_{size}"] > 0 for size in ("small", "medium", "large"))


def test_perfect_detections_of_real_photos(bccd: Path) -> None:
    document = real_document(bccd, "val")
    rows = [[a["image_id"], *a["bbox"], 0.9, a["category_id"]] for a in document["annotations"]]
    assert both(document, np.array(rows)).metrics["ap50"] == pytest.approx(1.0)


# Cases made to be hard


def annotated(objects: list[dict[str, Any]], num_images: int = 2) -> Document:
    """A document of objects given by `bbox` and, where not the usual, `image_id`, `category_id`, `area`, `iscrowd`."""
    usual = {"image_id": 1, "category_id": 1, "iscrowd": 0}
    annotations = [
        {**usual, "area": one["bbox"][2] * one["bbox"][3], **one, "id": number} for number, one in enumerate(objects, 1)
    ]
    images = [{"id": number, "file_name": f"{number}.jpg", **IMAGE} for number in range(1, num_images + 1)]
    categories = [{"id": 1, "name": "a"}, {"id": 5, "name": "b"}]
    return {"info": {}, "images": images, "categories": categories, "annotations": annotations}


def rows_of(*detections: tuple[int, list[float], float, int]) -> Rows:
    return np.array([[image, *box, score, category] for image, box, score, category in detections])


BOX = [100.0, 100.0, 50.0, 40.0]


def test_no_detections() -> None:
    scores = both(annotated([{"bbox": BOX}]), np.zeros((0, 7)))
    assert (scores.metrics["ap"], scores.metrics["ap_medium"], scores.metrics["ap_small"]) == (0.0, 0.0, -1.0)


@pytest.mark.parametrize("objects", [[], [{"bbox": BOX, "iscrowd": 1}]], ids=["nothing", "only a crowd"])
def test_no_object_that_counts(objects: list[dict[str, Any]]) -> None:
    document = annotated(objects)
    for rows_D7 in (rows_of((1, BOX, 0.9, 1), (2, BOX, 0.5, 5)), np.zeros((0, 7))):
        assert set(both(document, rows_D7).metrics.values()) == {-1.0}


def test_detections_on_a_crowd_neither_help_nor_harm() -> None:
    objects: list[dict[str, Any]] = [{"bbox": BOX}, {"bbox": [300.0, 100, 200, 200], "iscrowd": 1}]
    on_crowd = [(1, [310.0 + 20 * i, 120.0, 30.0, 60.0], 0.95, 1) for i in range(5)]
    assert both(annotated(objects), rows_of(*on_crowd, (1, BOX, 0.5, 1))).metrics["ap"] == pytest.approx(1.0)


@pytest.mark.parametrize("right_first", [True, False])
def test_of_equal_scores_the_order_of_the_detections_decides(right_first: bool) -> None:
    right, wrong = (1, BOX, 0.5, 1), (1, [400.0, 300.0, 50.0, 40.0], 0.5, 1)
    rows_D7 = rows_of(*([right, wrong] if right_first else [wrong, right]))
    # One object: found first the precision is 1 at every recall, found second it is 1/2.
    assert both(annotated([{"bbox": BOX}]), rows_D7).metrics["ap"] == pytest.approx(1.0 if right_first else 0.5)


@pytest.mark.parametrize("step", [-1e-9, 0.0, 1e-9])
@pytest.mark.parametrize("border", [SMALL, MEDIUM])
def test_areas_at_the_borders_of_the_ranges(border: float, step: float) -> None:
    side = border**0.5
    box = [50.0, 50.0, side, side]
    document = annotated([{"bbox": box, "area": border + step}, {"bbox": BOX, "image_id": 2}])
    scores = both(document, rows_of((1, box, 0.9, 1), (2, BOX, 0.8, 1), (2, [300.0, 300, side, side], 0.95, 1)))
    # An area on the border counts in the ranges on both sides.
    ranges = {"small": border == SMALL and step <= 0, "large": border == MEDIUM and step >= 0}
    assert {name: scores.metrics[f"ap_{name}"] >= 0 for name in ranges} == ranges


def test_every_further_detection_of_an_object_is_false() -> None:
    rows_D7 = rows_of((1, BOX, 0.9, 1), (1, BOX, 0.8, 1), (1, BOX, 0.7, 1), (2, BOX, 0.6, 1))
    document = annotated([{"bbox": BOX}, {"bbox": BOX, "image_id": 2}])
    # The second of two objects comes fourth: precision 1 up to recall 1/2 (51 of the 101 places), 2 of 4 beyond.
    assert both(document, rows_D7).metrics["ap"] == pytest.approx((51 * 1 + 50 * 0.5) / 101)


def test_more_than_100_detections_of_an_image_count_for_nothing() -> None:
    boxes = [[6.0 * i, 10.0, 5.0, 5.0] for i in range(104)]
    rows_D7 = rows_of(*[(1, box, 0.99 - 0.001 * i, 1) for i, box in enumerate(boxes)], (2, BOX, 0.9, 1))
    scores = both(annotated([{"bbox": box} for box in boxes]), rows_D7)
    # All right, in falling order; those after the 100th are not seen. Recall 1 is of 1, 10 and 100 of 104.
    expected = {"ar_1": 1 / 104, "ar_10": 10 / 104, "ar_100": 100 / 104}
    assert {name: scores.metrics[name] for name in expected} == pytest.approx(expected)


def test_detections_of_no_size_and_outside_of_the_image() -> None:
    rows_D7 = rows_of(
        (1, [100.0, 100.0, 0.0, 0.0], 0.9, 1), (1, [-500.0, -500.0, 50.0, 40.0], 0.8, 1), (1, BOX, 0.7, 1)
    )
    assert both(annotated([{"bbox": BOX}]), rows_D7).metrics["ap"] == pytest.approx(1 / 3)


whole = st.integers(0, 12).map(float)
boxes = st.tuples(whole, whole, whole, whole).map(lambda b: [10 * b[0], 10 * b[1], 8 * (b[2] + 1), 8 * (b[3] + 1)])
places = {"image_id": st.integers(1, 3), "category_id": st.sampled_from([1, 5])}
objects = st.fixed_dictionaries({"bbox": boxes, "iscrowd": st.sampled_from([0, 0, 0, 1]), **places})
found = st.tuples(st.integers(1, 3), boxes, st.sampled_from([0.1, 0.5, 0.9]), st.sampled_from([1, 5]))


@given(st.lists(objects, max_size=8), st.lists(found, min_size=1, max_size=15))
@settings(max_examples=60, deadline=None)
def test_few_places_few_sizes_few_scores(
    objects: list[dict[str, Any]], detections: list[tuple[int, list[float], float, int]]
) -> None:
    both(annotated(objects, num_images=3), rows_of(*detections))


TASK = ProxyTask(
    image_size=64,
    width_scale=0.125,
    endpoint_channels=8,
    head_channels=8,
    head_convs=0,
    steps=2,
    batch_size=2,
    learning_rate=1e-3,
)


def test_the_proxy_task_chooses_the_library(small_data: DataSource, monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = {"faster": "faster_coco_eval", "pycocotools": "pycocotools"}
    measured = []
    for name, library in libraries.items():
        for module in [module for module in sys.modules if module.split(".")[0] in libraries.values()]:
            monkeypatch.delitem(sys.modules, module)
        task = ProxyTask.from_document({**TASK.to_document(), "coco_eval": name})
        request = EvaluationRequest(
            spec=REFERENCES["spinenet-49"].spec, task=task, data=small_data, seed=0, device="cpu"
        )
        measured.append(evaluate_architecture(request))
        assert {one for one in libraries.values() if one in sys.modules} == {library}
    first, second = measured
    assert first.average_precision == second.average_precision
    assert first.metrics == pytest.approx(second.metrics, rel=0, abs=1e-12)


def test_another_library_is_refused() -> None:
    assert TASK.coco_eval == "faster"
    with pytest.raises(TaskError, match=r"proxy\.coco_eval: 'mine': must be faster or pycocotools"):
        ProxyTask.from_document({**TASK.to_document(), "coco_eval": "mine"})
