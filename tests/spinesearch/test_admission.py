import sys
from pathlib import Path

import pytest

from nas_controller.search_config import SearchConfig, SearchConfigError
from spinesearch.admission import Admission

SPLIT = {"images": "images", "annotations": "a.json"}


def config_of(root: Path | str, evaluator: str = "spinesearch.detection", **changes: dict[str, str]) -> SearchConfig:
    data = {"root": str(root), "train": SPLIT, "val": SPLIT, **changes}
    return SearchConfig.from_document({"space": "spinenet-49", "data": data, "evaluator": evaluator})


def refused_place(admission: Admission, config: SearchConfig) -> str:
    with pytest.raises(SearchConfigError) as caught:
        admission.check(config)
    return caught.value.place


def test_data_below_a_root_is_allowed_whether_it_is_there_or_not(tmp_path: Path) -> None:
    admission = Admission(data_roots=(tmp_path / "one", tmp_path / "two"))
    admission.check(config_of(tmp_path / "two" / "photos"))
    admission.check(config_of(tmp_path / "one"))
    admission.check(config_of(tmp_path / "one" / "a" / ".." / "b"))


@pytest.mark.parametrize("root", ["/etc", "/", "{}/one/../..", "{}/one-more", "{}", "\0", "../../.."])
def test_data_elsewhere_is_refused(tmp_path: Path, root: str) -> None:
    admission = Admission(data_roots=(tmp_path / "one",))
    assert refused_place(admission, config_of(root.format(tmp_path))) == "data.root"


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("key", ["images", "annotations"])
@pytest.mark.parametrize("path", ["/etc/passwd", "../../outside", "x/../../y/../../z"])
def test_a_split_cannot_lead_out_of_the_root(tmp_path: Path, split: str, key: str, path: str) -> None:
    data = {"train": SPLIT, "val": SPLIT, split: {**SPLIT, key: path}}
    config = config_of(tmp_path / "one", train=data["train"], val=data["val"])
    assert refused_place(Admission(data_roots=(tmp_path / "one",)), config) == f"data.{split}.{key}"


def test_links_are_followed_before_they_are_judged(tmp_path: Path) -> None:
    root, outside = tmp_path / "one", tmp_path / "outside"
    for folder in (root / "photos" / "images", outside):
        folder.mkdir(parents=True)
    (outside / "a.json").touch()
    (root / "photos" / "a.json").symlink_to(outside / "a.json")
    admission = Admission(data_roots=(root,))
    assert refused_place(admission, config_of(root / "photos")) == "data.train.annotations"
    (root / "link").symlink_to(outside)
    assert refused_place(admission, config_of(root / "link")) == "data.root"
    (root / "inside").symlink_to(root / "photos")
    admission.check(
        config_of(root / "inside", train={**SPLIT, "annotations": "b.json"}, val=SPLIT | {"annotations": "c"})
    )
    (root / "loop").symlink_to(root / "loop")
    assert refused_place(admission, config_of(root / "loop")) == "data.root"


@pytest.mark.parametrize(
    ("name", "is_allowed"),
    [
        ("spinesearch.detection", True),
        ("own.measure:ap", True),
        ("own.measure:other", False),
        ("lab.evaluators:any", True),
        ("lab.evaluators.deep.er:any", True),
        ("lab.evaluators_too:any", False),
        ("lab:any", False),
        ("own.measure", False),
        ("os:system", False),
        ("spinesearch.detection:x", False),
    ],
)
def test_an_evaluator_is_allowed_by_name_or_by_its_module(name: str, is_allowed: bool) -> None:
    admission = Admission(data_roots=(Path("/"),), evaluators=("own.measure:ap", "lab.evaluators"))
    if is_allowed:
        admission.check(config_of("/x", name))
    else:
        assert refused_place(admission, config_of("/x", name)) == "evaluator"


def test_a_refused_module_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "canary_module.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert refused_place(Admission(data_roots=()), config_of("/x", "canary_module:evaluate")) == "evaluator"
    assert "canary_module" not in sys.modules


def test_the_environment_says_what_is_allowed(tmp_path: Path) -> None:
    environment = {"SPINESEARCH_DATA_ROOTS": f"{tmp_path}:/data", "SPINESEARCH_EVALUATORS": " a.b:c , d.e,"}
    assert Admission.from_environment(environment, Path("/home"), Path("/work")) == Admission(
        data_roots=(tmp_path.resolve(), Path("/data").resolve()), evaluators=("a.b:c", "d.e")
    )


def test_without_a_word_it_is_the_home_and_the_working_directory() -> None:
    for environment in ({}, {"SPINESEARCH_DATA_ROOTS": "", "SPINESEARCH_EVALUATORS": ""}):
        allowed = Admission.from_environment(environment, Path("/x/home"), Path("/x/work"))
        assert allowed == Admission(data_roots=(Path("/x/home"), Path("/x/work")))
    in_a_container = Admission.from_environment({}, Path("/x/home"), Path("/"))
    assert in_a_container.data_roots == (Path("/x/home"),)


def test_links_in_a_root_itself_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real" / "photos").mkdir(parents=True)
    (tmp_path / "data").symlink_to(tmp_path / "real")
    environment = {"SPINESEARCH_DATA_ROOTS": str(tmp_path / "data")}
    Admission.from_environment(environment, tmp_path, tmp_path).check(config_of(tmp_path / "data" / "photos"))
