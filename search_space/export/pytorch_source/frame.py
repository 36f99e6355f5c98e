"""The table of every exported PyTorch file, and what builds its backbone.

The modules of this package hold sections of that file as text; `export.network_source` puts those together that a
plan needs. Lines have at most 88 characters, and what is spread over lines ends in a comma, so that a formatter
leaves the file as it is, be its limit 88 or 120. ``$NAME`` stands for a value.
"""

TABLE = '''

class Block(NamedTuple):
    """`repeats` copies of an operation at 1 / 2**level of the image.

$BLOCK_DOCSTRING
    """

    feature: int
    level: int
    kind: str
    channels: int
$BLOCK_FIELDS


IMAGE_SIZE = ($HEIGHT, $WIDTH)  # height, width
STEM_CHANNELS = $STEM_CHANNELS
CHANNELS = $CHANNELS
$CONSTANTS# Level of the pyramid: the feature it is made of.
PYRAMID = $PYRAMID
# $COLUMNS.
BLOCKS = (
$BLOCKS
)


def activate(x: Tensor) -> Tensor:
    return functional.$ACTIVATION(x)
'''

BUILD = '''

def build_backbone() -> $BACKBONE:
    """The backbone with new weights (He et al. 2015)."""
    backbone = $BACKBONE()
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return backbone
'''

SPEC = '''

def load_spec() -> dict[str, Any]:
    """The architecture as spinesearch reads it; what is left out has its default."""
    spec: dict[str, Any] = json.loads(SPEC_JSON)
    return spec


SPEC_JSON = r"""
$SPEC_JSON
"""
'''
