"""Pictures of what a network finds: images with their true boxes and those that were found. No torch.

They are files of an attempt: the images, and `ALBUM`, a JSON document that says what is to be seen on each.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trainer.session import TrainingSession

ALBUM = "pictures.json"
SUFFIXES = {"image/webp": ".webp", "image/jpeg": ".jpg"}
MAX_PICTURES = 24
MAX_BOXES = 100
"""Of each kind on one picture: those with the best scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureBox:
    """A box on a picture.

    Args:
        x, y, width, height: in pixels of the picture; x and y are of the corner at the top left.
        label: position of its class in the names that the album has.
        score: in [0, 1]; None for a true box.
    """

    x: float
    y: float
    width: float
    height: float
    label: int
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image and what is on it.

    Args:
        name: for people.
        content: the encoded image.
        media_type: one of `SUFFIXES`.
        width, height: of the image in pixels.
    """

    name: str
    content: bytes
    media_type: str
    width: int
    height: int
    truth: tuple[PictureBox, ...]
    found: tuple[PictureBox, ...]

    def __post_init__(self) -> None:
        if self.media_type not in SUFFIXES:
            raise ValueError(f"picture {self.name}: {self.media_type}: must be one of {', '.join(SUFFIXES)}")


def keep_pictures(
    session: TrainingSession, pictures: Sequence[Picture], class_names: Sequence[str], min_score: float = 0.0
) -> None:
    """Makes the pictures files of the attempt; does nothing where the session keeps no files.

    Args:
        min_score: boxes with lower scores were left out of `found` already.

    Raises:
        ValueError: more than `MAX_PICTURES`, or a box whose label has no name.
    """
    if len(pictures) > MAX_PICTURES:
        raise ValueError(f"{len(pictures)} pictures: at most {MAX_PICTURES} are kept")
    entries = []
    for number, picture in enumerate(pictures, start=1):
        boxes = [_plain(picture.truth, class_names), _plain(picture.found, class_names)]
        name = f"picture-{number}{SUFFIXES[picture.media_type]}"
        key = session.keep_file(name, picture.media_type, picture.content)
        if not key:
            return
        size = {"width": picture.width, "height": picture.height}
        entries.append({"name": picture.name, "key": key, **size, "truth": boxes[0], "found": boxes[1]})
    document = {"classes": list(class_names), "min_score": min_score, "pictures": entries}
    session.keep_file(ALBUM, "application/json", json.dumps(document, allow_nan=False).encode())


def _plain(boxes: Sequence[PictureBox], class_names: Sequence[str]) -> list[dict[str, Any]]:
    """The best boxes as JSON, to a tenth of a pixel."""
    for box in boxes:
        if not 0 <= box.label < len(class_names):
            raise ValueError(f"box label {box.label}: there are {len(class_names)} class names")
    best = sorted(boxes, key=lambda box: -(box.score or 0.0))[:MAX_BOXES]
    return [
        {
            "box": [round(value, 1) for value in (box.x, box.y, box.width, box.height)],
            "label": box.label,
            **({} if box.score is None else {"score": round(box.score, 4)}),
        }
        for box in best
    ]
