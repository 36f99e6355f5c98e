import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.data.augment import Batch, augment, flip_images, scale_images
from trainer.data.images import PADDING_RGB
from trainer.data.tensors import PADDING_LABEL

SIZE = 64
GREEN = torch.tensor([0, 255, 0], dtype=torch.uint8)


def green_box(x0: int, y0: int, x1: int, y1: int, height: int = SIZE, width: int = SIZE) -> tuple[Batch, torch.Tensor]:
    """One black image of height x width in its square, with one green box, and a padding row."""
    image = torch.tensor(PADDING_RGB, dtype=torch.uint8)[:, None, None].repeat(1, SIZE, SIZE)
    image[:, :height, :width] = 0
    image[:, y0:y1, x0:x1] = GREEN[:, None, None]
    boxes = torch.tensor([[[x0, y0, x1, y1], [0, 0, 0, 0]]], dtype=torch.float32)
    labels = torch.tensor([[2, PADDING_LABEL]])
    crowd = torch.tensor([[True, False]])
    return Batch(image[None], boxes, labels, crowd), torch.tensor([[height, width]])


def found_box(images_BCHW: torch.Tensor) -> list[int]:
    """Where the image is mostly green: x0, y0, x1, y1."""
    red, green, blue = images_BCHW[0].float()
    is_green = (green > 127) & (red < 60) & (blue < 60)
    y, x = torch.nonzero(is_green, as_tuple=True)
    return [int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1]


def test_nothing_asked_for_changes_nothing() -> None:
    batch, sizes = green_box(10, 20, 30, 50, height=60)
    result = augment(*batch, sizes, flip=False, scale_jitter=(1.0, 1.0), generator=torch.Generator().manual_seed(0))
    for before, after in zip(batch, result, strict=True):
        assert torch.equal(before, after)


def test_scaling_by_one_changes_nothing() -> None:
    batch, sizes = green_box(10, 20, 30, 50, height=60, width=50)
    result = scale_images(batch, sizes, torch.ones(1), torch.zeros(1, 2))
    for before, after in zip(batch, result, strict=True):
        assert torch.equal(before, after)


def test_a_mirrored_box_lies_where_its_pixels_are() -> None:
    batch, sizes = green_box(10, 20, 30, 50, height=60, width=50)
    result = flip_images(batch, sizes, torch.tensor([True]))
    # Mirrored within the valid width of 50: 50 - 30 = 20 and 50 - 10 = 40.
    assert result.boxes_BM4[0].tolist() == [[20, 20, 40, 50], [0, 0, 0, 0]]
    assert found_box(result.images_BCHW) == [20, 20, 40, 50]
    assert torch.equal(result.images_BCHW[:, :, :, 50:], batch.images_BCHW[:, :, :, 50:])
    twice = flip_images(result, sizes, torch.tensor([True]))
    assert torch.equal(twice.images_BCHW, batch.images_BCHW)
    assert torch.equal(twice.boxes_BM4, batch.boxes_BM4)


def test_only_the_chosen_images_are_mirrored() -> None:
    batch, sizes = green_box(10, 20, 30, 50)
    two = Batch(*(torch.cat([tensor, tensor]) for tensor in batch))
    result = flip_images(two, sizes.repeat(2, 1), torch.tensor([False, True]))
    assert torch.equal(result.images_BCHW[0], batch.images_BCHW[0])
    assert result.boxes_BM4[:, 0, 0].tolist() == [10, 34]  # 64 - 30


@settings(deadline=None, max_examples=40)
@given(factor=st.floats(0.4, 2.5), y=st.floats(0, 1), x=st.floats(0, 1))
def test_a_scaled_box_lies_where_its_pixels_are(factor: float, y: float, x: float) -> None:
    batch, sizes = green_box(16, 12, 48, 44, height=60, width=56)
    result = scale_images(batch, sizes, torch.tensor([factor]), torch.tensor([[y, x]]))
    if result.labels_BM[0, 0] == PADDING_LABEL:
        return
    x0, y0, x1, y1 = result.boxes_BM4[0, 0].tolist()
    assert 0 <= x0 < x1 <= SIZE
    assert 0 <= y0 < y1 <= SIZE
    if min(x1 - x0, y1 - y0) >= 4:  # the green of a thinner sliver may be too pale to be found
        assert found_box(result.images_BCHW) == pytest.approx([x0, y0, x1, y1], abs=1.01)


def test_a_box_that_is_cropped_away_becomes_padding() -> None:
    batch, sizes = green_box(0, 0, 10, 10)
    # Twice as large and cropped from the far corner: the box lies at -64 to -44.
    result = scale_images(batch, sizes, torch.tensor([2.0]), torch.ones(1, 2))
    assert result.labels_BM.tolist() == [[PADDING_LABEL, PADDING_LABEL]]
    assert result.boxes_BM4.abs().sum() == 0
    assert not result.crowd_BM.any()


def test_a_shrunken_image_is_padded() -> None:
    batch, sizes = green_box(0, 0, 64, 64)
    result = scale_images(batch, sizes, torch.tensor([0.5]), torch.zeros(1, 2))
    assert result.boxes_BM4[0, 0].tolist() == [0, 0, 32, 32]
    assert result.crowd_BM[0, 0]
    assert result.images_BCHW.dtype == torch.uint8
    assert torch.equal(result.images_BCHW[0, :, :32, :32], GREEN[:, None, None].expand(3, 32, 32))
    assert result.images_BCHW[0, :, 40, 10].tolist() == list(PADDING_RGB)
    assert result.images_BCHW[0, :, 10, 40].tolist() == list(PADDING_RGB)


def test_one_seed_gives_one_augmentation() -> None:
    batch, sizes = green_box(10, 20, 30, 50)
    eight = Batch(*(torch.cat([tensor] * 8) for tensor in batch))

    def drawn(seed: int) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        return augment(*eight, sizes.repeat(8, 1), flip=True, scale_jitter=(0.5, 1.5), generator=generator)

    first, same, other = drawn(1), drawn(1), drawn(2)
    assert all(torch.equal(a, b) for a, b in zip(first, same, strict=True))
    assert not torch.equal(first.boxes_BM4, other.boxes_BM4)
    assert len(set(first.boxes_BM4[:, 0, 2].tolist())) == 8  # each image has its own draw
