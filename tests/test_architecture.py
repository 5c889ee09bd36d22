"""The house rules that imports must keep: downwards only, no cycles, nothing heavy before it is used."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import seisloom

PACKAGE = Path(seisloom.__file__).parent
ROOT = "seisloom"
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
# A part may import itself and the parts on levels below its own; parts on one level know nothing of each other.
LEVELS = (
    {"cores", "errors", "geo", "memory", "words"},
    {"one_run", "target"},
    {"config", "stations", "picks", "catalog", "traveltime", "faults", "stores"},
    {"waveforms", "storage", "compute"},
    {"noise", "associate", "out_folder"},
    {"picking"},
    {"plot", "export"},
    {"figures"},
    {"phaselink_figures"},
    {"jobs"},
    {"demo"},
    {"web"},
    {"cli"},
    {"__main__"},
)
LEVEL = {part: number for number, parts in enumerate(LEVELS) for part in parts}
MAX_LINES = 350
HEAVY = {
    "dask", "distributed", "ducc0", "fastapi", "h5py", "httpx", "matplotlib", "nicegui", "numba", "numpy", "obspy", "obstore", "pandas",
    "pydantic", "pymseed", "pyproj", "scipy", "seisbench", "torch", "uvicorn", "xarray", "zarr",
}  # fmt: skip


@cache
def modules() -> dict[str, ast.Module]:
    """Syntax tree of every module by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text("utf-8"))
    return found


def running(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree but for what is there for type checkers only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            continue
        yield node
        yield from running(node)


def imported(tree: ast.AST) -> Iterator[str]:
    """The seisloom modules that a module imports when it runs, at its top or later."""
    for node in running(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == ROOT)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == ROOT:
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                yield below if below in modules() else node.module


@cache
def graph() -> dict[str, set[str]]:
    return {name: set(imported(tree)) - {name} for name, tree in modules().items()}


def part_of(module: str) -> str:
    """The first name below the package, empty for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def reached(start: str) -> set[str]:
    """Every module that a module imports, directly or through others."""
    seen, ahead = set(), [start]
    while ahead:
        for name in graph()[ahead.pop()] - seen:
            seen.add(name)
            ahead.append(name)
    return seen


def in_part(*parts: str) -> list[str]:
    return [name for name in modules() if part_of(name) in parts]


def test_the_graph_is_not_empty() -> None:
    assert "seisloom.noise.pipeline" in graph()["seisloom.cli.noise"]  # an import inside a function
    assert "seisloom.geo" in graph()["seisloom.noise.pairs"]
    assert "seisloom.noise.archive" not in graph()["seisloom"]  # for type checkers only
    assert "seisloom.storage" in reached("seisloom.cli.noise")


@pytest.mark.parametrize("module", [name for name in modules() if part_of(name)])
def test_imports_run_downwards(module: str) -> None:
    part = part_of(module)
    assert part in LEVEL, f"{part} has no place in LEVELS of this test"
    for other in map(part_of, graph()[module]):
        # The package itself holds no more than its version and lazy names.
        assert other in ("", part) or LEVEL[other] < LEVEL[part], f"{module} imports {other}"


def test_the_package_itself_imports_nothing() -> None:
    assert graph()[ROOT] == set()


def test_noise_and_association_know_nothing_of_each_other() -> None:
    for one, other in (("noise", "associate"), ("associate", "noise")):
        for module in in_part(one):
            assert other not in {part_of(name) for name in reached(module)}, module


@pytest.mark.parametrize("module", in_part("plot"))
def test_figures_take_data_and_do_not_fetch_it(module: str) -> None:
    forbidden = {"waveforms", "storage", "compute"}
    for name in reached(module):
        assert part_of(name) not in forbidden, f"{module} reaches {name}"
        assert not name.endswith(".pipeline"), f"{module} reaches {name}"


def test_no_import_cycles() -> None:
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("module", modules())
def test_imports_are_absolute_and_named(module: str) -> None:
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            assert "*" not in [alias.name for alias in node.names], f"line {node.lineno}: wildcard import"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_modules_stay_short(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= MAX_LINES, f"{lines} lines: one concept a module, at most about 300 lines"


@pytest.mark.parametrize("name", ["seisloom", "seisloom.cli"])
def test_nothing_heavy_is_imported_before_it_is_used(name: str) -> None:
    code = f"import sys, {name}; print(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = set(made.stdout.split())
    assert "seisloom" in found
    assert found & HEAVY == set()


def test_everything_in_the_package_is_installed_with_it() -> None:
    settings = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text("utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"][ROOT]
    named = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    files = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {path for path in files if path.suffix != ".py"} - named == set()


def test_the_app_opens_without_torch() -> None:
    # PyTorch is an extra, and takes longer to import than all the rest.
    code = "import sys, seisloom.web.app; print('torch' in sys.modules)"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.split() == ["False"]


@pytest.mark.parametrize("name", seisloom.__all__)
def test_public_names_are_there(name: str) -> None:
    assert getattr(seisloom, name)
    tree = modules()[ROOT]
    hinted = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert name == "__version__" or name in hinted  # type checkers see the same names


def test_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'seisloom' has no attribute 'corelate'"):
        _ = seisloom.corelate


@pytest.mark.parametrize("module", [name for name in modules() if not name.endswith("__main__")])
def test_every_module_imports_and_says_what_it_is(module: str) -> None:
    assert importlib.import_module(module).__doc__, f"{module} has no docstring"


@pytest.mark.parametrize("path", [*BENCHMARKS.glob("*.py"), *BENCHMARKS.glob("[!.]*/*.py")], ids=lambda path: path.stem)
def test_names_that_benchmarks_import_are_there(path: Path) -> None:
    """Benchmarks run seldom, and many of their imports are within functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == ROOT:
            module = importlib.import_module(node.module)
            lacking = {name.name for name in node.names if not hasattr(module, name.name)}
            assert not lacking - {one.rpartition(".")[2] for one in modules()}, f"{path.name}: {ast.unparse(node)}"
