"""What tells one data set from another: a hash that needs neither torch nor the pixels."""

import hashlib

from trainer.data.coco import CocoIndex
from trainer.data.images import image_path
from trainer.data.pixels import ENCODINGS
from trainer.task import DataSource, ImageForm, TaskError


def content_hash(data: DataSource, train: CocoIndex, val: CocoIndex, form: ImageForm = ImageForm.RAW) -> str:
    """A hash of what AP depends on: annotations, names and sizes of the image files, and the held-out images.

    Images that are encoded again are other images: their form is in it.

    Raises:
        TaskError: an image is missing.
    """
    digest = hashlib.sha256(f"{data.reward_split}/{data.split_seed}".encode())
    if form is not ImageForm.RAW:
        digest.update(ENCODINGS[form].encode())
    for source, index in ((data.train, train), (data.val, val)):
        digest.update(source.annotations.read_bytes())
        for image in index.images:
            path = image_path(source, image.file_name)
            try:
                digest.update(f"{image.file_name}/{path.stat().st_size}\n".encode())
            except OSError as error:
                raise TaskError(f"{path}: no such image") from error
    return digest.hexdigest()
