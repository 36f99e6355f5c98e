"""A decoded split: images and boxes as tensors of one size.

Legend: N images, B images of a batch, C channels, H and W pixels, M boxes at most in an image, 4 = x0, y0, x1, y1.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trainer.data.pixels import Pixels, results_in_order

PADDING_LABEL = -1
READING_THREADS = 2  # on CUDA: one batch is read while another is handed over


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class StoredImages:
    """Images that are read when a batch is put together, indexed like a tensor (N, 3, H, W) of uint8.

    Args:
        rows_N: where each image is in the store: the parts of a split are selections from one store.
        image_size: H and W.
        read: the images of some rows (B, H, W, 3) in memory of their own; called from any thread.
        is_encoded: reading decodes, which takes time.
    """

    rows_N: np.ndarray[Any, Any]
    image_size: int
    read: Callable[[np.ndarray[Any, Any]], Pixels]
    is_encoded: bool

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """As of the tensor with all images."""
        return len(self.rows_N), 3, self.image_size, self.image_size

    def __getitem__(self, index: torch.Tensor | slice) -> torch.Tensor:
        """The images (B, 3, H, W) of a vector of positions or of a slice, channels last in memory."""
        rows_B = self.rows_N[index if isinstance(index, slice) else index.numpy()]
        return torch.from_numpy(self.read(rows_B)).permute(0, 3, 1, 2)


def pixel_batches(
    images: torch.Tensor | StoredImages, parts: Iterable[torch.Tensor | slice], device: torch.device
) -> Iterator[torch.Tensor]:
    """The images of each part in turn (B, 3, H, W), on the device.

    Where reading takes time, the next batches are read while the caller works on one. What is yielded does not
    depend on it.
    """
    is_cuda = device.type == "cuda"
    is_encoded = isinstance(images, StoredImages) and images.is_encoded

    def read(part: torch.Tensor | slice) -> torch.Tensor:
        # Only from pinned memory is a copy to the device asynchronous.
        return images[part].pin_memory() if is_cuda else images[part]

    if is_cuda or is_encoded:
        num_threads = max(READING_THREADS, torch.get_num_threads()) if is_cuda else torch.get_num_threads()
        for pixels_BCHW in results_in_order(read, parts, num_threads):
            yield pixels_BCHW.to(device, non_blocking=True)
        return
    for part in parts:
        yield images[part].to(device)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DetectionTensors:
    """Images resized to one square, with their boxes.

    The aspect is kept: the longer side has `image_size` pixels, the image lies top-left and the rest has the
    colour `PADDING_RGB`.

    Args:
        images_NCHW: uint8, RGB; read in batches by `pixel_batches`.
        boxes_NM4: float32, in pixels of the resized image; zero where padding.
        labels_NM: int64, 0 to number of categories less 1 in the order of `category_ids`; -1 is padding.
        crowd_NM: bool, regions that stand for many objects.
        valid_sizes_N2: int64, height and width of the image inside its square.
        scales_N2: float32, resized by original size, y and x.
        image_ids_N: int64, ids of the COCO file.
        category_ids, category_names: of the label with the same position.
    """

    images_NCHW: torch.Tensor | StoredImages
    boxes_NM4: torch.Tensor
    labels_NM: torch.Tensor
    crowd_NM: torch.Tensor
    valid_sizes_N2: torch.Tensor
    scales_N2: torch.Tensor
    image_ids_N: torch.Tensor
    category_ids: tuple[int, ...]
    category_names: tuple[str, ...]

    @property
    def num_images(self) -> int:
        """Number of images."""
        return self.images_NCHW.shape[0]

    @property
    def num_classes(self) -> int:
        """Number of categories, those without a box included."""
        return len(self.category_ids)
