"""The JSON Schema of a search document, with the names that only code knows: spaces, references, proxy presets."""

from functools import cache
from typing import Any

from pydantic import TypeAdapter

from nas_controller.search_config import SearchConfig
from search_space.reference import REFERENCES
from search_space.spaces import SPACES
from trainer.task import COCO_EVALUATORS, PRESETS, ProxyTask

_CHOICES = {
    "optimizer": ["adamw", "sgd"],
    "schedule": ["cosine", "step"],
    "precision": ["auto", "bf16", "fp32"],
    "coco_eval": list(COCO_EVALUATORS),
}


@cache
def search_schema() -> dict[str, Any]:
    """What `SearchConfig` accepts, for editors and forms."""
    schema = SearchConfig.model_json_schema()
    schema["properties"]["space"]["enum"] = list(SPACES)
    budget, reevaluation = schema["$defs"]["Budget"], schema["$defs"]["Reevaluation"]
    budget["properties"]["relative_to"]["anyOf"][0]["enum"] = list(REFERENCES)
    reevaluation["properties"]["references"]["items"]["enum"] = list(REFERENCES)
    schema["properties"]["proxy"] |= _proxy()
    return schema


def _proxy() -> dict[str, Any]:
    """Every field of a proxy task, none of them wanted: the preset has a value for each."""
    fields = TypeAdapter(ProxyTask).json_schema()["properties"]
    for field in fields.values():
        field.pop("default", None)
    for name, choices in _CHOICES.items():
        fields[name]["enum"] = choices
    preset = {"type": "string", "enum": list(PRESETS), "title": "Preset", "description": "fills in what is left out"}
    examples = [{"preset": name, **task.to_document()} for name, task in PRESETS.items()]
    return {"properties": {"preset": preset, **fields}, "additionalProperties": False, "examples": examples}
