"""The block spec as JSON: one block a line, so that people can read it and a diff shows what changed."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from search_space.export.provenance import Provenance
from search_space.fingerprint import fingerprint
from search_space.heads import head_name
from search_space.plan import TargetNetwork, resolve
from search_space.spec import ArchitectureSpec, BlockSpec

_BLOCK_DEFAULTS = {f.name: f.default for f in fields(BlockSpec) if f.name != "block_type"} | {"parents": []}


def export_spec(spec: ArchitectureSpec, target: TargetNetwork, provenance: Provenance) -> str:
    """The spec as JSON text that `ArchitectureSpec.from_json` reads back to an equal spec.

    Beside the spec stand its fingerprint, the target that this is of, and where the spec comes from: `spec.NOTES`.
    """
    notes = {
        "fingerprint": fingerprint(resolve(spec, target)),
        "target": {
            "image_size": list(target.height_and_width),
            "width_scale": target.width_scale,
            "head": head_name(target.head),
            "num_classes": target.num_classes,
        },
        "provenance": provenance.to_document(),
    }
    return written({**spec.to_document(), **notes}, "") + "\n"


def short_document(spec: ArchitectureSpec) -> dict[str, Any]:
    """`spec.to_document()` without what every block leaves at its default; `from_document` reads it as well."""
    document = spec.to_document()
    document["blocks"] = [_short(block) for block in document["blocks"]]
    document["stem"]["blocks"] = [_short(block) for block in document["stem"]["blocks"]]
    return document


def _short(block: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if value != _BLOCK_DEFAULTS.get(name, MISSING)}


def written(value: Any, indent: str = "", line_length: int | None = None) -> str:
    """JSON text of a document; only what holds a list of objects is spread over lines.

    Args:
        line_length: longer objects of a list go on in the next line; None leaves them long.
    """
    deeper = indent + "  "
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        items = [deeper + _item(item, deeper, line_length) for item in value]
        return "[\n" + ",\n".join(items) + f"\n{indent}]"
    if isinstance(value, dict) and (indent == "" or any(isinstance(item, list) for item in value.values())):
        pairs = sorted(value.items())
        items = [f"{deeper}{json.dumps(key)}: {written(item, deeper, line_length)}" for key, item in pairs]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    return json.dumps(value, sort_keys=True)


def _item(value: Mapping[str, Any], indent: str, line_length: int | None) -> str:
    """An object in a list, on as many lines as it needs; continued lines stand one further in."""
    text = json.dumps(value, sort_keys=True)
    if line_length is None or len(indent + text) < line_length:  # a comma may follow
        return text
    lines = [""]
    for name in sorted(value):
        pair = json.dumps({name: value[name]}, sort_keys=True)[1:-1]
        if len(f"{indent} {lines[-1]}{pair},") > line_length:
            lines.append("")
        lines[-1] += f"{pair}, "
    return "{" + f"\n{indent} ".join(line.rstrip() for line in lines).rstrip(",") + "}"
