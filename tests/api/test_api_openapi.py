import json
from pathlib import Path

from api.app import create_app
from nas_controller.store.memory import MemoryStore
from tests.api.serving import make_settings

GOLDEN = Path(__file__).parents[1] / "golden" / "openapi.json"
COMMAND = "python -m tests.api.test_api_openapi"


def document() -> dict[str, object]:
    return create_app(MemoryStore(), None, make_settings()).openapi()  # type: ignore[arg-type]


def test_the_published_interface_is_the_golden_one() -> None:
    assert document() == json.loads(GOLDEN.read_text()), f"the REST interface changed; if you mean it: {COMMAND}"


def test_every_operation_has_an_id_a_summary_and_its_errors() -> None:
    paths = document()["paths"]
    assert isinstance(paths, dict)
    operations = [operation for path in paths.values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    for operation in operations:
        assert operation["summary"]
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"], (operation["operationId"], status)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(document(), indent=1, sort_keys=True) + "\n")
