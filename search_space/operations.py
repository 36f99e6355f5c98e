"""What single operations cost; `area` is that of the output, in pixels, everywhere."""

from typing import NamedTuple


class Cost(NamedTuple):
    """Parameters and multiply-adds of an operation, or of a sum of them."""

    parameters: int = 0
    multiply_adds: int = 0

    def plus(self, other: "Cost") -> "Cost":
        """The sum of both."""
        return Cost(self.parameters + other.parameters, self.multiply_adds + other.multiply_adds)

    def times(self, count: int) -> "Cost":
        """`count` separate copies of the operation."""
        return Cost(self.parameters * count, self.multiply_adds * count)


def area(size: tuple[int, int]) -> int:
    """Pixels of a feature."""
    return size[0] * size[1]


def convolution_norm(kernel: int, in_channels: int, out_channels: int, area: int) -> Cost:
    """Without bias, with batch norm: k*k*c_in*c_out + 2*c_out parameters, k*k*c_in*c_out * area multiply-adds."""
    weights = kernel * kernel * in_channels * out_channels
    return Cost(weights + 2 * out_channels, weights * area)


def convolution(kernel: int, in_channels: int, out_channels: int, area: int) -> Cost:
    """With bias: k*k*c_in*c_out + c_out parameters, k*k*c_in*c_out * area multiply-adds."""
    weights = kernel * kernel * in_channels * out_channels
    return Cost(weights + out_channels, weights * area)


def separable_convolution(kernel: int, in_channels: int, out_channels: int, area: int) -> Cost:
    """Depthwise kxk without bias, then 1x1 with bias."""
    depthwise, pointwise = kernel * kernel * in_channels, in_channels * out_channels
    return Cost(depthwise + pointwise + out_channels, (depthwise + pointwise) * area)


def fully_connected(in_features: int, out_features: int, rows: int = 1) -> Cost:
    """With bias, on `rows` vectors: c_in*c_out + c_out parameters, c_in*c_out * rows multiply-adds."""
    return Cost(in_features * out_features + out_features, in_features * out_features * rows)
