"""The block spec as JSON: one block a line, so that people can read it and a diff shows what changed."""

import json
from typing import Any

from search_space.spec import ArchitectureSpec


def export_spec(spec: ArchitectureSpec) -> str:
    """The spec as JSON text that `ArchitectureSpec.from_json` reads back to an equal spec."""
    return _written(spec.to_document(), "") + "\n"


def _written(value: Any, indent: str) -> str:
    """JSON text of a value; only what holds objects is spread over lines."""
    deeper = indent + "  "
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        items = [deeper + json.dumps(item, sort_keys=True) for item in value]
        return "[\n" + ",\n".join(items) + f"\n{indent}]"
    if isinstance(value, dict) and (indent == "" or any(isinstance(item, list) for item in value.values())):
        items = [f"{deeper}{json.dumps(key)}: {_written(item, deeper)}" for key, item in sorted(value.items())]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    return json.dumps(value, sort_keys=True)
