"""Random mirroring and scaling of a batch on its device, without a loop over images.

Legend: B images, C channels, H and W pixels, M boxes, 4 = x0, y0, x1, y1.
"""

from typing import NamedTuple

import torch
from torch.nn import functional

from trainer.data.images import PADDING_RGB
from trainer.data.tensors import PADDING_LABEL
from trainer.device import moved

MIN_SIDE = 1.0  # pixels; a box with a shorter side after scaling is dropped


class Batch(NamedTuple):
    """Images with their boxes, as in `DetectionTensors`."""

    images_BCHW: torch.Tensor
    boxes_BM4: torch.Tensor
    labels_BM: torch.Tensor
    crowd_BM: torch.Tensor


def augment(
    images_BCHW: torch.Tensor,
    boxes_BM4: torch.Tensor,
    labels_BM: torch.Tensor,
    crowd_BM: torch.Tensor,
    valid_sizes_B2: torch.Tensor,
    *,
    flip: bool,
    scale_jitter: tuple[float, float],
    generator: torch.Generator,
) -> Batch:
    """The batch mirrored and scaled at random; the input is unchanged where nothing is asked for.

    Args:
        images_BCHW: uint8 or float in 0 to 255, each image top-left in its square.
        valid_sizes_B2: height and width of the image inside the square.
        flip: mirror each image left to right with probability 1/2.
        scale_jitter: range of a uniform factor on the size. A larger image is cropped to the square at a
            random place; a smaller one stays top-left.
        generator: a CPU generator; the draws are the same on every device.
    """
    batch = Batch(images_BCHW, boxes_BM4, labels_BM, crowd_BM)
    num_images, device = images_BCHW.shape[0], images_BCHW.device
    valid_sizes_B2 = moved(valid_sizes_B2, device)
    if flip:
        mirrored_B = moved(torch.rand(num_images, generator=generator), device) < 0.5
        batch = flip_images(batch, valid_sizes_B2, mirrored_B)
    if scale_jitter != (1.0, 1.0):
        low, high = scale_jitter
        factor_B = moved(low + (high - low) * torch.rand(num_images, generator=generator), device)
        place_B2 = moved(torch.rand(num_images, 2, generator=generator), device)
        batch = scale_images(batch, valid_sizes_B2, factor_B, place_B2)
    return batch


def flip_images(batch: Batch, valid_sizes_B2: torch.Tensor, mirrored_B: torch.Tensor) -> Batch:
    """The batch with the chosen images mirrored left to right within their valid width."""
    images_BCHW, boxes_BM4, labels_BM, crowd_BM = batch
    size = images_BCHW.shape[3]
    x_W = torch.arange(size, device=images_BCHW.device)
    width_B1 = valid_sizes_B2[:, 1:]
    is_moved_BW = mirrored_B[:, None] & (x_W < width_B1)
    source_BW = torch.where(is_moved_BW, width_B1 - 1 - x_W, x_W)
    flipped_BCHW = images_BCHW.gather(3, source_BW[:, None, None, :].expand_as(images_BCHW))
    x0_BM, y0_BM, x1_BM, y1_BM = boxes_BM4.unbind(2)
    mirrored_BM4 = torch.stack([width_B1 - x1_BM, y0_BM, width_B1 - x0_BM, y1_BM], dim=2)
    is_box_moved_BM = mirrored_B[:, None] & (labels_BM != PADDING_LABEL)
    flipped_BM4 = torch.where(is_box_moved_BM[:, :, None], mirrored_BM4, boxes_BM4)
    return Batch(flipped_BCHW, flipped_BM4, labels_BM, crowd_BM)


def scale_images(batch: Batch, valid_sizes_B2: torch.Tensor, factor_B: torch.Tensor, place_B2: torch.Tensor) -> Batch:
    """The batch with each image scaled by its factor and cropped to, or padded in, the same square.

    Args:
        place_B2: in [0, 1], y and x: where in the part that does not fit the crop begins.
    """
    images_BCHW, boxes_BM4, labels_BM, crowd_BM = batch
    size = images_BCHW.shape[3]
    scaled_B2 = valid_sizes_B2 * factor_B[:, None]
    offset_B2 = place_B2 * (scaled_B2 - size).clamp(min=0)
    pixel_S = torch.arange(size, device=images_BCHW.device) + 0.5
    source_B2S = (pixel_S + offset_B2[:, :, None]) / factor_B[:, None, None]
    is_inside_B2S = source_B2S < valid_sizes_B2[:, :, None]
    # A source beyond the last pixel's centre would mix in padding: it reads that pixel instead.
    source_B2S = torch.minimum(source_B2S, valid_sizes_B2[:, :, None] - 0.5)
    grid_B2S = source_B2S * (2.0 / size) - 1.0
    grid_BHW2 = torch.stack(
        [grid_B2S[:, 1, None, :].expand(-1, size, -1), grid_B2S[:, 0, :, None].expand(-1, -1, size)], dim=3
    )
    sampled_BCHW = functional.grid_sample(
        images_BCHW.float(), grid_BHW2, mode="bilinear", padding_mode="border", align_corners=False
    )
    is_inside_B1HW = (is_inside_B2S[:, 0, :, None] & is_inside_B2S[:, 1, None, :])[:, None]
    padding_C11 = moved(torch.tensor(PADDING_RGB, dtype=torch.float32), images_BCHW.device)[:, None, None]
    scaled_BCHW = torch.where(is_inside_B1HW, sampled_BCHW, padding_C11)
    if not images_BCHW.is_floating_point():
        scaled_BCHW = scaled_BCHW.round()
    scaled_BM4, is_left_BM = _scale_boxes(boxes_BM4, factor_B, offset_B2, scaled_B2.clamp(max=size))
    is_kept_BM = is_left_BM & (labels_BM != PADDING_LABEL)
    return Batch(
        scaled_BCHW.to(images_BCHW.dtype),
        torch.where(is_kept_BM[:, :, None], scaled_BM4, torch.zeros_like(scaled_BM4)),
        torch.where(is_kept_BM, labels_BM, torch.full_like(labels_BM, PADDING_LABEL)),
        crowd_BM & is_kept_BM,
    )


def _scale_boxes(
    boxes_BM4: torch.Tensor, factor_B: torch.Tensor, offset_B2: torch.Tensor, visible_B2: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes in the new square, clipped to what is visible, and whether something of them is left."""
    offset_B14 = offset_B2.flip(1).repeat(1, 2)[:, None, :]
    limit_B14 = visible_B2.flip(1).repeat(1, 2)[:, None, :]
    moved_BM4 = boxes_BM4 * factor_B[:, None, None] - offset_B14
    clipped_BM4 = torch.minimum(moved_BM4.clamp(min=0), limit_B14)
    sides_BM2 = clipped_BM4[:, :, 2:] - clipped_BM4[:, :, :2]
    return clipped_BM4, (sides_BM2 >= MIN_SIDE).all(dim=2)
