"""JSON merge patches (RFC 7396), and the document of a clone."""

from collections.abc import Mapping
from typing import Any


def merge_patch(document: Any, patch: Any) -> Any:
    """The document with what the patch says: members that are null there are gone, mappings are merged.

    >>> merge_patch({"a": 1, "b": {"c": 2, "d": 3}}, {"a": None, "b": {"c": 4}})
    {'b': {'c': 4, 'd': 3}}
    """
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(document) if isinstance(document, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def cloned_document(config: Mapping[str, Any], patch: Mapping[str, Any]) -> Any:
    """A search's document with a merge patch.

    The stored document has every default filled in. What there only follows from something that the patch may change is
    left out first, so that it follows again: the horizon from `limits.trials`, `proxy.measure_at` from
    `early_stopping`, a proxy task from its preset, settings from the algorithm, budget and image size from the space.
    """
    document = {name: dict(value) if isinstance(value, Mapping) else value for name, value in config.items()}
    algorithm = document["algorithm"] = {**config["algorithm"], "settings": dict(config["algorithm"]["settings"])}
    if algorithm["settings"].get("horizon") == config["limits"]["trials"]:
        del algorithm["settings"]["horizon"]
    if _changes(config["algorithm"], patch.get("algorithm"), "name"):
        algorithm["settings"] = {}
    if config["early_stopping"]["rule"] != "none":
        document["proxy"].pop("measure_at", None)
    if isinstance(patch.get("proxy"), Mapping) and "preset" in patch["proxy"]:
        document["proxy"] = {}
    if _changes(config, patch, "space"):
        document["budget"] = document["front"] = None
        document["target"].pop("image_size", None)
    return merge_patch(document, patch)


def _changes(document: Mapping[str, Any], patch: Any, name: str) -> bool:
    return isinstance(patch, Mapping) and name in patch and patch[name] != document[name]
