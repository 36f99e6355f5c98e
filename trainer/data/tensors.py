"""A decoded split: images and boxes as tensors of one size.

Legend: N images, C channels, H and W pixels, M boxes at most in an image, 4 = x0, y0, x1, y1.
"""

from dataclasses import dataclass

import torch

PADDING_RGB = (124, 116, 104)  # the usual mean colour: close to zero after normalisation
PADDING_LABEL = -1


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DetectionTensors:
    """Images resized to one square, with their boxes.

    The aspect is kept: the longer side has `image_size` pixels, the image lies top-left and the rest has the
    colour `PADDING_RGB`.

    Args:
        images_NCHW: uint8, RGB.
        boxes_NM4: float32, in pixels of the resized image; zero where padding.
        labels_NM: int64, 0 to number of categories less 1 in the order of `category_ids`; -1 is padding.
        crowd_NM: bool, regions that stand for many objects.
        valid_sizes_N2: int64, height and width of the image inside its square.
        scales_N2: float32, resized by original size, y and x.
        image_ids_N: int64, ids of the COCO file.
        category_ids, category_names: of the label with the same position.
    """

    images_NCHW: torch.Tensor
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
