"""The block spec as JSON: one block a line, so that people can read it and a diff shows what changed."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from search_space.spec import ArchitectureSpec, BlockSpec

_BLOCK_DEFAULTS = {f.name: f.default for f in fields(BlockSpec) if f.name not in ("block_type", "parents")}


def export_spec(spec: ArchitectureSpec) -> str:
    """The spec as JSON text that `ArchitectureSpec.from_json` reads back to an equal spec."""
    return written(spec.to_document(), "") + "\n"


def short_document(spec: ArchitectureSpec) -> dict[str, Any]:
    """`spec.to_document()` without what every block leaves at its default; `from_document` reads it as well."""
    document = spec.to_document()
    document["blocks"] = [_short(block) for block in document["blocks"]]
    document["stem"]["blocks"] = [_short(block) for block in document["stem"]["blocks"]]
    return document


def _short(block: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if value != _BLOCK_DEFAULTS.get(name, MISSING)}


def written(value: Any, indent: str = "") -> str:
    """JSON text of a document; only what holds a list of objects is spread over lines."""
    deeper = indent + "  "
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        items = [deeper + json.dumps(item, sort_keys=True) for item in value]
        return "[\n" + ",\n".join(items) + f"\n{indent}]"
    if isinstance(value, dict) and (indent == "" or any(isinstance(item, list) for item in value.values())):
        items = [f"{deeper}{json.dumps(key)}: {written(item, deeper)}" for key, item in sorted(value.items())]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    return json.dumps(value, sort_keys=True)
