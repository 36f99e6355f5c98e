"""Calls and modules that turn somebody's bytes into code, files or requests, found in a source by reading it.

Names are followed through imports (`import numpy as np`, `from torch import load`). A name counts also where it is not
called: `reader = torch.load` is as good as a call. What is looked up at run time (`getattr(torch, "lo" + "ad")`) is
not found: the rules keep the honest from slipping, no more.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

UNPICKLERS = (
    *("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal", "joblib", "jsonpickle"),
    *("torch.load", "torch.jit.load", "torch.export.load", "torch.hub", "torch.package", "torch.serialization"),
    *("ray.cloudpickle", "pandas.read_pickle", "multiprocessing.managers"),
    *("multiprocessing.connection.Client", "multiprocessing.connection.Listener"),
)
"""Reading what somebody wrote with these runs what they wrote."""
ARCHIVES = ("tarfile", "zipfile", "shutil.unpack_archive")
DOWNLOADS = ("urllib.request", "urllib3", "requests", "aiohttp", "http.client", "ftplib", "torch.utils.model_zoo")
OTHER_PARSERS = ("orjson", "ujson", "simplejson", "json5", "xml.dom", "xml.etree", "xml.sax.parse", "lxml")
"""JSON is read by `json`; there is no XML to read."""
SHELLS = ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty")
FORBIDDEN = (*UNPICKLERS, *ARCHIVES, *DOWNLOADS, *OTHER_PARSERS, *SHELLS)
BUILTINS = ("eval", "exec", "compile", "__import__")
YAML_ALLOWED = ("yaml.safe_load", "yaml.safe_dump", "yaml.YAMLError")
HTTP_CLIENT = "httpx"


class Finding(NamedTuple):
    """What is refused, and in which line."""

    line: int
    name: str


def findings(source: str, *, may_import_by_name: bool = False, may_ask_http: bool = False) -> list[Finding]:
    """What the rules refuse in a Python source, by line.

    Args:
        may_import_by_name: whether `importlib.import_module` may get a name that is not in the source.
        may_ask_http: whether it is a client of our own service, or carries webhooks.
    """
    tree = ast.parse(source)
    names = _imported_names(tree)
    safe_loads = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_plain_load(node)}
    found = set()
    for node in ast.walk(tree):
        for name in _names_used(node, names):
            if _is_refused(name, may_ask_http) and not (name == "numpy.load" and id(node) in safe_loads):
                found.add(Finding(_line(node), name))
        if isinstance(node, ast.Call):
            found |= set(_call_findings(node, names, may_import_by_name))
    return sorted(found)


def findings_in(path: Path, **allowed: bool) -> list[str]:
    """The findings in a file, as `file:line: name`."""
    return [f"{path}:{line}: {name}" for line, name in findings(path.read_text(encoding="utf-8"), **allowed)]


def _imported_names(tree: ast.AST) -> dict[str, str]:
    """What the names that imports bind stand for, e.g. `np` for `numpy`."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                names[bound] = alias.name if alias.asname else bound
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _names_used(node: ast.AST, names: dict[str, str]) -> Iterator[str]:
    """Dotted names that a node imports or refers to; builtins as they are."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Attribute | ast.Name):
        name = _dotted(node, names)
        if name is not None:
            yield name


def _dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    """`np.load` as `numpy.load`; None for what does not begin with an imported name or a builtin of ours."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id if node.id in BUILTINS else None)
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value, names)
        return None if before is None else f"{before}.{node.attr}"
    return None


def _is_refused(name: str, may_ask_http: bool) -> bool:
    if name in BUILTINS or name == "numpy.load":
        return True
    if name.startswith("yaml."):
        return name not in YAML_ALLOWED
    if name.partition(".")[0] == HTTP_CLIENT:
        return not may_ask_http
    return any(name == refused or name.startswith(f"{refused}.") for refused in FORBIDDEN)


def _is_plain_load(call: ast.Call) -> bool:
    """Whether a call says that it takes no pickled objects."""
    return any(
        keyword.arg == "allow_pickle" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        for keyword in call.keywords
    )


def _call_findings(call: ast.Call, names: dict[str, str], may_import_by_name: bool) -> Iterator[Finding]:
    """What is refused for its arguments."""
    for keyword in call.keywords:
        is_false = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        if keyword.arg in ("shell", "allow_pickle") and not is_false:
            yield Finding(call.lineno, f"{keyword.arg}=")
    if _dotted(call.func, names) == "importlib.import_module":
        argument = call.args[0] if call.args else None
        if not isinstance(argument, ast.Constant):
            if not may_import_by_name:
                yield Finding(call.lineno, "importlib.import_module")
        elif _is_refused(str(argument.value), may_ask_http=False):
            yield Finding(call.lineno, str(argument.value))


def _line(node: ast.AST) -> int:
    line: int = getattr(node, "lineno", 0)
    return line
