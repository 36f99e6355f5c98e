import json
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.records import Artifact
from nas_controller.store.base import Store
from search_space.reference import REFERENCES, reference
from search_space.spec import ArchitectureSpec
from spinesearch.client import Client
from tests.api.searches import START, SearchWriter, write_small_search
from tests.api.serving import TOKEN
from tests.conformance.store_cases import make_artifact

BASE = "/v1/searches/blood-cells-000001"


@pytest.fixture(autouse=True)
def writer(store: Store) -> SearchWriter:
    return write_small_search(store)


def test_trials_are_paged_by_number(client: httpx.Client) -> None:
    first = client.get(f"{BASE}/trials", params={"page_size": 4}).json()
    assert [trial["number"] for trial in first["trials"]] == [1, 2, 3, 4]
    second = client.get(f"{BASE}/trials", params={"page_size": 4, "page_token": first["next_page_token"]}).json()
    assert [trial["number"] for trial in second["trials"]] == [5, 6]
    assert second["next_page_token"] is None


def test_trials_can_be_asked_for_by_state(client: httpx.Client) -> None:
    page = client.get(f"{BASE}/trials", params={"state": ["failed", "infeasible"]}).json()
    assert [(trial["number"], trial["state"]) for trial in page["trials"]] == [(2, "infeasible"), (3, "failed")]


def test_trials_can_be_asked_for_by_number(client: httpx.Client) -> None:
    page = client.get(f"{BASE}/trials", params={"number": [4, 2, 4]}).json()
    assert ([trial["number"] for trial in page["trials"]], page["next_page_token"]) == ([2, 4], None)
    page = client.get(f"{BASE}/trials", params={"number": [2, 3, 4], "state": "failed"}).json()
    assert [trial["number"] for trial in page["trials"]] == [3]
    assert client.get(f"{BASE}/trials", params={"number": 7}).status_code == 404
    assert client.get(f"{BASE}/trials", params={"number": list(range(1, 102))}).status_code == 422


def test_a_trial_shows_jobs_attempts_and_the_failure(client: httpx.Client) -> None:
    trial = client.get(f"{BASE}/trials/3").json()
    assert trial["failure"] == "loss is not a number at step 17"
    (job,) = trial["jobs"]
    assert (job["kind"], job["state"]) == ("proxy", "failed")
    failure = job["attempts"][0]["failure"]
    assert (failure["reason"], failure["kind"]) == ("diverged", "model")
    assert failure["traceback"].startswith("Traceback")
    completed = client.get(f"{BASE}/trials/4").json()
    assert [job["kind"] for job in completed["jobs"]] == ["proxy", "reevaluate", "reevaluate", "reevaluate"]
    assert completed["jobs"][0]["evaluation"]["average_precision"] == 0.25
    assert completed["spec"]["schema_version"] == 2


def test_a_reused_reward_names_the_trial_that_was_trained(
    client: httpx.Client, store: Store, writer: SearchWriter
) -> None:
    measured = store.get_trial(writer.search_id, 4)
    assert writer.reuse(measured) == 7
    trial = client.get(f"{BASE}/trials/7").json()
    assert trial["reused_from"] == {"search": "blood-cells-000001", "trial": 4}
    assert (trial["state"], trial["reward"], trial["average_precision"]) == ("completed", 0.25, 0.25)
    assert (trial["jobs"], trial["started_at"]) == ([], None)
    assert client.get(f"{BASE}/trials/4").json()["reused_from"] is None
    listed = client.get(f"{BASE}/trials", params={"page_token": "6"}).json()["trials"]
    assert [entry["reused_from"] for entry in listed] == [trial["reused_from"]]
    assert client.get(BASE).json()["counts"]["trained"] == 4  # 1 and 4 completed, 3 failed, 7 reused
    history = client.get(f"{BASE}/history").json()
    assert (history["state"][6], history["reward"][6]) == ("completed", 0.25)
    events = client.get(f"{BASE}/events", params={"after": history["sequence"] - 1, "poll": True}).json()["events"]
    assert events[0]["payload"]["reused_from"] == trial["reused_from"]


def test_the_curve_of_a_trial_grows_while_it_runs(client: httpx.Client, writer: SearchWriter) -> None:
    assert client.get(f"{BASE}/trials/5/measurements").json() == {"measurements": []}
    writer.measure(5, 75, 0.05)
    first = {"step": 75, "num_steps": 300, "loss": 4.0, "average_precision": 0.05, "seconds": 18.75}
    assert client.get(f"{BASE}/trials/5/measurements").json() == {"measurements": [first]}
    with Client(str(client.base_url), TOKEN) as ours:
        assert ours.list_measurements(writer.search_id, 5) == [first]
        (event,) = ours.read_events(writer.search_id, after=client.get(BASE).json()["last_sequence"] - 1)
    assert (event.kind, event.trial_number, event.content) == ("trial.measured", 5, first)
    assert client.get(f"{BASE}/trials/99/measurements").status_code == 404


def test_a_trial_that_was_stopped_is_shown_as_such_and_is_no_best(client: httpx.Client, writer: SearchWriter) -> None:
    writer.stop(5, 150, 0.9)
    trial = client.get(f"{BASE}/trials/5").json()
    assert (trial["state"], trial["reward"], trial["average_precision"]) == ("stopped_early", 0.9, 0.9)
    assert trial["jobs"][0]["evaluation"]["stopped_at_step"] == 150
    search = client.get(BASE).json()
    assert (search["counts"]["stopped_early"], search["counts"]["trained"], search["best"]["number"]) == (1, 4, 4)
    assert [best["number"] for best in client.get(f"{BASE}/trials:best").json()["trials"]] == [4, 1]
    history = client.get(f"{BASE}/history").json()
    assert (history["state"][4], history["reward"][4]) == ("stopped_early", 0.9)
    assert (history["best_so_far"][4], history["smoothed"][4]) == (0.25, None)


def test_the_best_come_first_with_their_distance_to_the_reference(client: httpx.Client) -> None:
    best = client.get(f"{BASE}/trials:best").json()
    assert [trial["number"] for trial in best["trials"]] == [4, 1]
    assert [trial["name"] for trial in best["references"]] == ["spinenet-49"]
    difference = best["trials"][0]["difference"]
    # 0.25 - 0.23; both have standard deviation 0.01 and n = 3, so Welch gives 4 degrees of freedom: t = 2.776.
    assert difference["reference"] == "spinenet-49"
    assert difference["value"] == pytest.approx(0.02)
    assert difference["half_width"] == pytest.approx(2.776 * (2 * 0.01**2 / 3) ** 0.5)
    assert difference["is_significant"] is False  # 0.02 < 0.0227
    assert best["trials"][1]["difference"] is None


def test_what_was_made_from_a_trial_is_paged(client: httpx.Client, writer: SearchWriter) -> None:
    made = [writer.add(reference("spinenet-49"), parents=parents) for parents in ((1,), (1, 4), (4,), (1,))]
    assert made == [7, 8, 9, 10]
    first = client.get(f"{BASE}/trials/1/children", params={"page_size": 2}).json()
    assert ([child["number"] for child in first["trials"]], first["total"]) == ([7, 8], 3)
    second = client.get(f"{BASE}/trials/1/children", params={"page_token": first["next_page_token"]}).json()
    assert second["trials"] == client.get(f"{BASE}/trials", params={"page_token": 9}).json()["trials"]
    assert (second["total"], second["next_page_token"]) == (3, None)
    with Client(str(client.base_url), TOKEN) as ours:
        assert [child["number"] for child in ours.list_children(writer.search_id, 4)] == [8, 9]
    childless = client.get(f"{BASE}/trials/10/children").json()
    assert childless == {"trials": [], "next_page_token": None, "total": 0}
    assert client.get(f"{BASE}/trials/11/children").status_code == 404


def test_the_exported_spec_builds_the_trials_architecture(client: httpx.Client) -> None:
    answer = client.get(f"{BASE}/trials/6/export", params={"format": "spec"})
    assert answer.headers["content-type"].startswith("application/json")
    document = json.loads(answer.text)
    exported = ArchitectureSpec.from_document(document.get("spec", document))
    assert exported.blocks == reference("spinenet-49").blocks
    assert "spinenet-49" in unquote(answer.headers["content-disposition"])


def test_the_exported_drawing_is_svg_and_the_file_is_python(client: httpx.Client) -> None:
    drawing = client.get(f"{BASE}/trials/4/export", params={"format": "svg"})
    assert ET.fromstring(drawing.text).tag == "{http://www.w3.org/2000/svg}svg"
    program = client.get(f"{BASE}/trials/4/export", params={"format": "pytorch"})
    compile(program.text, "exported.py", "exec")
    assert 'filename="blood-cells-trial-4.py"' in program.headers["content-disposition"]


def test_an_unknown_format_names_those_known(client: httpx.Client) -> None:
    answer = client.get(f"{BASE}/trials/4/export", params={"format": "caffe"})
    assert answer.status_code == 422
    assert "spec, pytorch, torchvision" in answer.json()["detail"]
    assert answer.json()["errors"][0]["place"] == "query.format"


def test_spaces_and_references_are_listed(client: httpx.Client) -> None:
    names = [space["name"] for space in client.get("/v1/spaces").json()["spaces"]]
    assert "spinenet-49" in names
    references = {entry["name"]: entry for entry in client.get("/v1/references").json()["references"]}
    assert references["spinenet-49"]["cost"]["detector_parameters"] == 28_543_383  # counted, issue 2 item 4
    assert set(references) == set(REFERENCES)
    assert (references["eff-spinenet-d0"]["image_size"], references["eff-spinenet-d0"]["head"]) == (512, "retinanet")
    assert client.get("/v1/schema/search").json()["properties"]["limits"]


def test_a_file_of_a_trial_can_be_downloaded(client: httpx.Client, store: Store, tmp_path: Path) -> None:
    files = DirectoryArtifactStore(tmp_path)  # the one that the client's application serves
    key = files.put(b"step 1: loss 2.5\n")
    store.add_artifact(
        Artifact(
            key=key,
            search_id="blood-cells-000001",
            trial_number=4,
            name='a "log".txt',
            media_type="text/html",
            num_bytes=17,
            created_at=START,
        )
    )
    assert [artifact["key"] for artifact in client.get(f"{BASE}/trials/4").json()["artifacts"]] == [key]
    answer = client.get(f"{BASE}/artifacts/{key}")
    assert answer.content == b"step 1: loss 2.5\n"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="a-log-.txt"'
    assert client.get(f"{BASE}/artifacts/{'0' * 64}").status_code == 404
    assert client.get(f"{BASE}/artifacts/..%2Ftoken").status_code == 404
    files.delete(key)
    assert client.get(f"{BASE}/artifacts/{key}").json()["code"] == "artifact.deleted"


@pytest.mark.parametrize(
    ("content", "media_type", "shown_as"),
    [
        (b"RIFF\x00\x01\x02\x03WEBPVP8 ", "image/webp", "image/webp"),
        (b"\xff\xd8\xff\xe0 jfif", "image/jpeg", "image/jpeg"),
        (b"<script>alert(1)</script>", "image/webp", "application/octet-stream"),
        (b"\xff\xd8\xff\xe0 jfif", "image/svg+xml", "application/octet-stream"),
    ],
)
def test_only_what_is_a_picture_is_served_as_one(
    client: httpx.Client, store: Store, tmp_path: Path, content: bytes, media_type: str, shown_as: str
) -> None:
    key = DirectoryArtifactStore(tmp_path).put(content)
    store.add_artifact(make_artifact("blood-cells-000001", key=key, media_type=media_type))
    answer = client.get(f"{BASE}/artifacts/{key}")
    assert (answer.content, answer.headers["content-type"]) == (content, shown_as)
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"
