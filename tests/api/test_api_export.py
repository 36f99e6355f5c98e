"""Exports over REST: every text format of a trial and of a reference, with where it comes from."""

import ast
import json

import httpx
import pytest

from nas_controller.store.base import Store
from search_space.export.formats import FORMATS, export_text
from search_space.export.provenance import Provenance
from search_space.reference import REFERENCES
from search_space.spec import ArchitectureSpec
from spinesearch.client import Client
from tests.api.searches import SearchWriter, write_small_search
from tests.api.serving import TOKEN

TRIALS = "/v1/searches/blood-cells-000001/trials"
MEDIA_TYPES = {"spec": "application/json", "svg": "image/svg+xml", "card": "text/markdown; charset=utf-8"}
PYTHON = "text/x-python; charset=utf-8"


@pytest.fixture(autouse=True)
def writer(store: Store) -> SearchWriter:
    return write_small_search(store)


def exported(client: httpx.Client, path: str, format_name: str) -> httpx.Response:
    return client.get(f"{path}/export", params={"format": format_name})


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_trial_comes_in_every_format_under_a_name_of_its_own(client: httpx.Client, format_name: str) -> None:
    answer = exported(client, f"{TRIALS}/6", format_name)  # SpineNet-49, which has every form
    assert answer.status_code == 200
    assert answer.headers["content-type"] == MEDIA_TYPES.get(format_name, PYTHON)
    assert f'filename="spinenet-49{FORMATS[format_name].suffix}"' in answer.headers["content-disposition"]
    if FORMATS[format_name].suffix.endswith(".py"):
        ast.parse(answer.text)
    with Client(str(client.base_url), TOKEN) as ours:
        assert ours.export("blood-cells-000001", 6, format_name) == answer.text


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_reference_comes_in_every_format_as_the_library_writes_it(client: httpx.Client, format_name: str) -> None:
    answer = exported(client, "/v1/references/spinenet-49", format_name)
    entry = REFERENCES["spinenet-49"]
    expected = export_text(entry.spec, entry.target, format_name, Provenance(source=entry.source))
    assert answer.text == expected.text
    assert answer.headers["content-disposition"] == f'attachment; filename="spinenet-49{expected.suffix}"'
    with Client(str(client.base_url), TOKEN) as ours:
        assert ours.export_reference("spinenet-49", format_name) == answer.text


def test_a_trials_spec_says_which_search_proxy_seeds_and_precision(client: httpx.Client) -> None:
    document = exported(client, f"{TRIALS}/4", "spec").json()
    trial = client.get(f"{TRIALS}/4").json()
    assert ArchitectureSpec.from_document(document) == ArchitectureSpec.from_document(trial["spec"]).renamed(
        "blood cells trial 4"
    )
    assert document["fingerprint"] == trial["fingerprint"]
    origin = document["provenance"]
    assert (origin["search"], origin["search_name"], origin["trial"]) == ("blood-cells-000001", "blood cells", 4)
    assert (origin["algorithm"], origin["search_seed"], origin["seed"]) == ("mixed", 7, 4)
    assert origin["proxy"] == client.get("/v1/searches/blood-cells-000001").json()["config"]["proxy"]
    assert (origin["reward"], origin["average_precision"]) == (0.25, 0.25)
    assert origin["num_trained"] == 3  # 1 and 4 completed, 3 failed
    val = origin["val"]
    assert val["seeds"] == [1000, 1001, 1002]
    # 0.24, 0.25 and 0.26: mean 0.25, deviation 0.01, over the root of 3.
    assert (val["average_precision"], val["standard_error"]) == (pytest.approx(0.25), pytest.approx(0.01 / 3**0.5))
    (reference,) = origin["references"]
    assert (reference["name"], reference["val"]["seeds"]) == ("spinenet-49", [1000, 1001, 1002])
    best = client.get("/v1/searches/blood-cells-000001/trials:best").json()["trials"][0]["difference"]
    assert (reference["difference"], reference["half_width"]) == (best["value"], best["half_width"])
    assert origin["proxy_backbone"]["parameters"] == trial["proxy_cost"]["backbone_parameters"]


def test_a_references_trial_names_its_source_and_is_not_compared_with_itself(client: httpx.Client) -> None:
    origin = exported(client, f"{TRIALS}/6", "spec").json()["provenance"]
    assert origin["source"] == REFERENCES["spinenet-49"].source
    assert (origin["arm"], origin["references"], origin["seed"]) == ("reference", [], None)


def test_a_trial_that_runs_yet_has_no_measurement(client: httpx.Client) -> None:
    origin = exported(client, f"{TRIALS}/5", "spec").json()["provenance"]
    assert (origin["reward"], origin["seed"], origin["val"]["seeds"]) == (None, None, [])
    assert "How far chance goes" in exported(client, f"{TRIALS}/5", "card").text


def test_a_card_says_no_significant_difference_where_there_is_none(client: httpx.Client) -> None:
    assert "no significant difference" in exported(client, f"{TRIALS}/4", "card").text


def test_no_path_of_the_users_data_is_exported(client: httpx.Client, store: Store) -> None:
    split = {"images": "secret-images", "annotations": "secret.json"}
    document = {"name": "own", "space": "spinenet-49", "data": {"root": "/secret", "train": split, "val": split}}
    writer = SearchWriter(store, "own-000002", document)
    writer.run()
    writer.complete(writer.add(REFERENCES["spinenet-49"].spec), 0.2)
    for format_name in FORMATS:
        answer = exported(client, "/v1/searches/own-000002/trials/1", format_name)
        assert (answer.status_code, "secret" in answer.text) == (200, False)


def test_what_a_format_cannot_express_is_refused_with_the_reason(client: httpx.Client) -> None:
    answer = exported(client, "/v1/references/eff-spinenet-d0", "tf-vision")
    assert (answer.status_code, answer.json()["code"]) == (422, "export.refused")
    assert "block 0 is an MBConv" in answer.json()["detail"]


def test_onnx_goes_with_the_size_of_the_target_only(client: httpx.Client) -> None:
    answer = client.get(f"{TRIALS}/4/export", params={"format": "onnx", "size": "trained"})
    assert (answer.status_code, answer.json()["errors"][0]["place"]) == (422, "query.size")


def test_an_unknown_reference_is_not_found_and_an_unknown_format_names_those_known(client: httpx.Client) -> None:
    assert exported(client, "/v1/references/spinenet-50", "spec").status_code == 404
    problem = exported(client, "/v1/references/spinenet-49", "caffe")
    assert (problem.status_code, problem.json()["code"]) == (422, "export.format_unknown")
    assert ", ".join(FORMATS) in problem.json()["detail"]


def test_a_reference_is_for_those_with_a_token(client: httpx.Client) -> None:
    answer = httpx.get(f"{client.base_url}/v1/references/spinenet-49/export")
    assert answer.status_code == 401


def test_the_default_is_the_spec(client: httpx.Client) -> None:
    answer = client.get("/v1/references/r0-sp53/export")
    assert json.loads(answer.text)["name"] == "r0-sp53"
