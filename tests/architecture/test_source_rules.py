"""No source of ours unpickles, evaluates, unpacks, downloads or runs a shell; the rules find each of these."""

from pathlib import Path

import pytest

from tests.architecture.source_rules import findings, findings_in

ROOT = Path(__file__).parents[2]
PACKAGES = ("api", "nas_controller", "search_space", "trainer", "spinesearch")
IMPORTS_BY_NAME = {"nas_controller/dispatch/worker.py"}
"""It looks up evaluators, which `spinesearch.admission` let pass."""
CLIENTS = {
    "spinesearch/cli.py",
    "spinesearch/client.py",
    "spinesearch/demo.py",
    "spinesearch/bench/api.py",
    "spinesearch/bench/page.py",
    "nas_controller/webhooks/courier.py",
}
"""They ask our own service; the courier, hosts that the operator allowed. Nothing else can be reached through the
service, Ray included."""


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def test_no_source_breaks_a_rule() -> None:
    found = []
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        found += findings_in(path, may_import_by_name=name in IMPORTS_BY_NAME, may_ask_http=name in CLIENTS)
    assert found == []


def test_all_packages_are_read_and_every_exception_is_needed() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in sources()}
    assert len(names) > 100
    assert {name.partition("/")[0] for name in names} == set(PACKAGES)
    assert all(findings_in(ROOT / name) for name in IMPORTS_BY_NAME | CLIENTS)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import pickle", "pickle"),
        ("from pickle import loads", "pickle.loads"),
        ("import cloudpickle", "cloudpickle"),
        ("import dill as d", "dill"),
        ("import shelve", "shelve"),
        ("from marshal import load", "marshal.load"),
        ("import ray.cloudpickle", "ray.cloudpickle"),
        ("from ray import cloudpickle", "ray.cloudpickle"),
        ("import torch\ntorch.load(path)", "torch.load"),
        ("import torch as t\nread = t.load", "torch.load"),
        ("from torch import load", "torch.load"),
        ("def f():\n    import torch\n    return torch.load(p, weights_only=True)", "torch.load"),
        ("import torch\ntorch.hub.load('a', 'b')", "torch.hub.load"),
        ("import numpy as np\nnp.load(path)", "numpy.load"),
        ("import numpy as np\nnp.load(path, allow_pickle=True)", "numpy.load"),
        ("import numpy as np\nnp.load(path, allow_pickle=flag)", "allow_pickle="),
        ("import numpy as np\nread = np.load", "numpy.load"),
        ("from numpy import load\nload(path, allow_pickle=False)", "numpy.load"),
        ("from multiprocessing.connection import Listener", "multiprocessing.connection.Listener"),
        ("import yaml\nyaml.load(text, Loader=yaml.SafeLoader)", "yaml.load"),
        ("import yaml\nyaml.unsafe_load(text)", "yaml.unsafe_load"),
        ("import yaml\nyaml.full_load(text)", "yaml.full_load"),
        ("from yaml import load_all", "yaml.load_all"),
        ("from yaml import *", "yaml.*"),
        ("eval(text)", "eval"),
        ("exec(text)", "exec"),
        ("compile(text, '', 'exec')", "compile"),
        ("__import__(name)", "__import__"),
        ("import subprocess\nsubprocess.run(line, shell=True)", "shell="),
        ("import subprocess\nsubprocess.run(line, shell=flag)", "shell="),
        ("import os\nos.system(line)", "os.system"),
        ("from subprocess import getoutput", "subprocess.getoutput"),
        ("import tarfile", "tarfile"),
        ("from zipfile import ZipFile", "zipfile.ZipFile"),
        ("import shutil\nshutil.unpack_archive(path)", "shutil.unpack_archive"),
        ("import urllib.request", "urllib.request"),
        ("from urllib import request", "urllib.request"),
        ("from urllib.request import urlopen", "urllib.request.urlopen"),
        ("import requests", "requests"),
        ("import httpx", "httpx"),
        ("import orjson", "orjson"),
        ("import xml.etree.ElementTree as E", "xml.etree.ElementTree"),
        ("import importlib\nimportlib.import_module(name)", "importlib.import_module"),
        ("from importlib import import_module\nimport_module('pickle')", "pickle"),
    ],
)
def test_each_rule_finds_what_it_is_for(source: str, name: str) -> None:
    assert name in [finding.name for finding in findings(source)]


@pytest.mark.parametrize(
    "source",
    [
        "import yaml\nyaml.safe_load(text)",
        "import numpy as np\nnp.load(path, allow_pickle=False)",
        "import subprocess\nsubprocess.run(['a'], shell=False)",
        "import re\nre.compile('a')",
        "model.eval()",
        "import json\njson.loads(text)",
        "import safetensors.torch\nsafetensors.torch.load(content)",
        "import importlib\nimportlib.import_module('torch_xla')",
        "from urllib.parse import quote",
        "from xml.sax.saxutils import escape",
        "import torch\ntorch.save",
    ],
)
def test_what_is_safe_passes(source: str) -> None:
    assert findings(source) == []


def test_a_finding_says_where(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("import json\n\nimport pickle\n")
    assert findings_in(file) == [f"{file}:3: pickle"]
