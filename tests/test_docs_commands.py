"""The pages do what they say: their commands and Python run, and the references leave nothing out.

CONTRIBUTING.md (Documentation) describes the conventions. Pages that use a data centre meet servers on the loopback
interface that hold synthetic records under Californian names.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, util
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import typer
from obspy import Inventory, Stream, Trace
from obspy.clients.fdsn.header import URL_MAPPINGS

import seisloom
from seisloom.catalog import Catalog
from seisloom.cli import app, main
from seisloom.noise.stack import METHODS
from seisloom.waveforms import KINDS, s3
from seisloom.waveforms.synthetic import NetworkSettings
from tests import test_catalog_nonlinloc as nonlinloc
from tests.california import california
from tests.fdsn_server import FdsnServer
from tests.web_support import serving

ROOT = Path(__file__).parents[1]
NOISE, ASSOCIATION = "docs/tutorials/noise.md", "docs/tutorials/association.md"
GOES_ON = {page: f"[tutorial](../{page.removeprefix('docs/')}), in its folder" for page in (NOISE, ASSOCIATION)}
PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"]
PAGES += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}

BUCKET = "scedc-pds"
ADDRESS = "http://127.0.0.1:8642"

# The reference of the exports reads files that it does not make.
PREPARATION = {
    "docs/reference/files.md": [
        "seisloom export workspace --format npz -o out.npz",
        "seisloom export workspace --format netcdf -o out.nc",
    ]
}
LANGUAGES = ("console", "python", "sh", "json", "ini", "nginx", "julia", "")
NAMESPACE = {"docs/reference/files.md": ("json", "numpy", "xarray")}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    line: int


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page that begin at the margin."""
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(m[1], m[2], text.count("\n", 0, m.start()) + 2) for m in found]


def runs(page: str) -> bool:
    """Whether anything on a page is run."""
    return any(block.language in ("console", "python") for block in blocks(TEXTS[page]))


def commands(block: Block) -> list[tuple[str, str]]:
    """(command, expected output) of a console block."""
    assert block.text.startswith("$ "), f"line {block.line}: a console block begins with a command, '$ ...'"
    parts = (part.partition("\n") for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:])
    return [(command, expected) for command, _, expected in parts]


def says(expected: str, output: str) -> bool:
    """Whether an output is the expected one, in which ``...`` stands for anything."""
    pattern = ".*".join(re.escape(part.strip("\n")) for part in expected.strip().split("..."))
    return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None


def run_seisloom(command: str) -> tuple[int, str]:
    """Exit status and output of a seisloom command, run in this process."""
    words = shlex.split(command)
    output = io.StringIO()
    with (
        mock.patch.object(sys, "argv", words),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
    ):
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0), output.getvalue()
    return 0, output.getvalue()


def run_shell(command: str) -> tuple[int, str]:
    """Exit status and output of a command in a shell that finds seisloom."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=120, env=os.environ | {"PATH": path}
    )
    return done.returncode, done.stdout + done.stderr


def on_this_machine(command: str) -> str:
    """The command for a machine without a GPU."""
    if "--device cuda" not in command:
        return command
    if util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    import torch

    return command if torch.cuda.is_available() else command.replace("--device cuda", "--device torch:cpu")


def run_page(page: str) -> None:
    """Run the console and python blocks of a page, in order, in the current directory, beside the server that it names."""
    text = TEXTS[page]
    if ADDRESS not in text:
        run_blocks(page, text)
        return
    command = re.search(r"^seisloom serve (\S+)(.*)$", text, re.MULTILINE)
    assert command, f"{page}: uses {ADDRESS} and does not say how the server is started"
    with serving(command[1], *shlex.split(command[2])) as server:
        run_blocks(page, text.replace(ADDRESS, server.url))


def run_blocks(page: str, text: str) -> None:
    namespace: dict[str, Any] = {name: import_module(name) for name in NAMESPACE.get(page, ())}
    for command in PREPARATION.get(page, []):
        assert run_seisloom(command)[0] == 0
    for block in blocks(text):
        if block.language == "python":
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile("\n" * (block.line - 1) + block.text, str(ROOT / page), "exec"), namespace)
        elif block.language == "console":
            for command, expected in commands(block):
                run_command(f"{page}: {command}", on_this_machine(command), expected)


def run_command(label: str, command: str, expected: str) -> None:
    # A worker is a process for itself: what it forbids Python holds for the rest of the process.
    within = command.startswith("seisloom ") and not command.startswith("seisloom work ")
    run = run_seisloom if within else run_shell
    status, output = run(command)
    fails = re.search("^seisloom: ", expected, re.MULTILINE) is not None
    assert (status != 0) == fails, f"{label}\nexit status {status}\n{output}"
    assert not expected.strip() or says(expected, output), f"{label}\nexpected\n{expected}\ngot\n{output}"


@pytest.fixture(scope="module")
def records() -> tuple[Inventory, Stream]:
    """Synthetic records and metadata of five stations of network CI, three days."""
    return california(3)


@pytest.fixture(scope="module")
def data_centre(records: tuple[Inventory, Stream]) -> Iterator[str]:
    """``fdsn:SCEDC`` for this module."""
    with FdsnServer(*records) as server, mock.patch.dict(URL_MAPPINGS, {"SCEDC": server.url}):
        yield server.url


@pytest.fixture(scope="module")
def bucket(records: tuple[Inventory, Stream]) -> Iterator[str]:
    """``s3:scedc``, and the bucket ``results`` under the usual variables, for this module."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    with (
        mock.patch.dict(os.environ, keys | {"AWS_ENDPOINT_URL": url}),
        mock.patch.dict(s3.PUBLIC, {"scedc": (BUCKET, url)}),
    ):
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="results")
        client.create_bucket(Bucket=BUCKET, ACL="public-read")
        for key, data in open_data(*records).items():
            client.put_object(Bucket=BUCKET, Key=key, Body=data, ACL="public-read")
        yield url
    server.stop()


def open_data(inventory: Inventory, stream: Stream) -> dict[str, bytes]:
    """Objects as SCEDC publishes them."""
    layout, objects = s3.LAYOUTS["scedc"], {}
    for trace in stream:
        codes = {k: trace.stats[k] for k in ("network", "station", "channel", "location")}
        day = layout.day.format(**codes, year=trace.stats.starttime.year, day=trace.stats.starttime.julday)
        objects[day] = as_bytes(trace, "MSEED")
        metadata = layout.stationxml[0].format(**codes)
        objects[metadata] = as_bytes(inventory.select(station=codes["station"]), "STATIONXML")
    return objects


def as_bytes(thing: Inventory | Trace, form: str) -> bytes:
    buffer = io.BytesIO()
    thing.write(buffer, format=form)
    return buffer.getvalue()


@pytest.fixture(scope="module", autouse=True)
def short_training() -> Iterator[None]:
    """Two short passes in place of minutes, on one thread: the same network on any machine, however busy."""
    from seisloom.associate.train import TrainSettings

    def settings(**values: Any) -> TrainSettings:
        return TrainSettings(**values | {"n_epochs": 2, "max_minutes": None})

    with (
        mock.patch("seisloom.associate.trained.TrainSettings", settings),
        mock.patch("seisloom.associate.trained._EPOCH_WINDOWS", 6000),
        mock.patch("os.sched_getaffinity", return_value={0}, create=True),
    ):
        yield


def worked_through(page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a tutorial has been worked through."""
    folder = tmp_path_factory.mktemp("tutorial")
    with contextlib.chdir(folder):
        run_page(page)
    return folder


@pytest.fixture(scope="module")
def noise_tutorial(data_centre: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return worked_through(NOISE, tmp_path_factory)


@pytest.fixture(scope="module")
def association_tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return worked_through(ASSOCIATION, tmp_path_factory)


def test_noise_tutorial_runs_and_leaves_its_results(noise_tutorial: Path) -> None:
    figures = ["stations", "record-section", "virtual-shot", "correlogram", "hourly", "california-map", "california"]
    assert {path.stem for path in noise_tutorial.glob("*.png")} == set(figures)
    assert seisloom.open_stacks(noise_tutorial / "workspace", "pws_all").sizes["pair"] == 66
    assert seisloom.open_correlations(noise_tutorial / "california")["ccf"].notnull().all()


def test_association_tutorial_runs_and_leaves_the_documented_files(association_tutorial: Path) -> None:
    section_text = section("docs/reference/files.md", "The catalogue folder")
    documented = {name for names, _ in rows(section_text, 2) for name in names}
    figures = {path.name for path in (association_tutorial / "catalog").glob("event-*.png")}
    assert len(figures) == 3
    made = {f"{path.name}/" * path.is_dir() or path.name for path in (association_tutorial / "catalog").iterdir()}
    assert made - figures == documented - {"event-N.png", "unfinished/", ".associate/", ".running", "model/"}
    assert (association_tutorial / "links" / "model" / "best.pt").exists()


@pytest.mark.parametrize("page", [page for page in PAGES if page not in GOES_ON and runs(page)])
def test_page_runs(page: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = TEXTS[page]
    for name, server in {"fdsn:": "data_centre", "--source s3:": "bucket", "--out s3:": "bucket"}.items():
        if name in text:
            request.getfixturevalue(server)
    folder = tmp_path / "work"
    if GOES_ON[NOISE] in text or page in PREPARATION:
        shutil.copytree(request.getfixturevalue("noise_tutorial"), folder)
    elif GOES_ON[ASSOCIATION] in text:
        shutil.copytree(request.getfixturevalue("association_tutorial"), folder)
    else:
        folder.mkdir()
    monkeypatch.chdir(folder)
    if page == "docs/how-to/nonlinloc.md":
        write_locations(folder)
    run_page(page)


def write_locations(folder: Path) -> None:
    """The files that NonLinLoc would write of the first five events of the tutorial."""
    catalog, picks = seisloom.read_catalog(folder / "catalog"), seisloom.read_picks(folder / "picks.csv")
    (folder / "loc").mkdir()
    for number in catalog.events["event_id"].head():
        one = [table[table["event_id"] == number] for table in (catalog.events, catalog.assignments)]
        with mock.patch.object(nonlinloc, "STATIONS", tuple(picks["station"])):
            (folder / "loc" / f"run.{number}.hyp").write_text(nonlinloc.hyp(Catalog(*one), picks))


@pytest.mark.parametrize("page", PAGES)
def test_blocks_are_of_a_kind_that_is_understood(page: str) -> None:
    unknown = [(b.line, b.language) for b in blocks(TEXTS[page]) if b.language not in LANGUAGES]
    assert not unknown, f"{page}: bash and others are not run; use console, python or sh"


def test_what_stands_behind_run_exists() -> None:
    usage = subprocess.run([ROOT / "run"], capture_output=True, text=True, timeout=120, check=True).stdout
    known = set(re.findall(r"^  (\w+) ", usage, re.MULTILINE))
    assert {"demo", "test", "check", "bench", "setup"} <= known
    known |= {name.split()[1] for name, _ in command_line() if " " in name}
    named = {name for text in TEXTS.values() for name in re.findall(r"\./run ([a-z]\w*)", text)}
    assert named - known == set()
    assert {"demo", "test"} <= {name for name in re.findall(r"\./run ([a-z]\w*)", TEXTS["README.md"])}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", TEXTS[page])):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{page}: {target}"


def anchors(text: str) -> set[str]:
    """Headings as GitHub turns them into anchors."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(page: str, heading: str) -> str:
    """The text of a page below a heading, up to the next of the same level."""
    parts = TEXTS[page].split(f"\n## {heading}\n")
    assert len(parts) == 2, f"{page} has no section {heading}"
    return parts[1].split("\n## ")[0]


def rows(text: str, columns: int) -> Iterator[tuple[list[str], list[str]]]:
    """(names in backquotes in the first cell, the other cells) of the rows of tables with so many columns."""
    for line in text.splitlines():
        cells = [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == columns and "`" in cells[0]:
            yield re.findall(r"`([^`]+)`", cells[0]), cells[1:]


def written(default: Any) -> str:
    """A default value as the tables have it."""
    if default is None:
        return "–"
    if isinstance(default, bool):
        return "true" if default else "false"
    return f"{default:g}" if isinstance(default, float) else str(default)


COMMANDS = "docs/reference/commands.md"


def command_line() -> list[tuple[str, Any]]:
    """Every command with its full name."""

    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield name, command
        for child, inner in getattr(command, "commands", {}).items():
            yield from walk(f"{name} {child}", inner)

    return list(walk("seisloom", typer.main.get_command(app)))


@pytest.mark.parametrize(("name", "command"), command_line())
def test_every_command_is_documented_with_its_options_and_defaults(name: str, command: Any) -> None:
    described = {option: cells for names, cells in rows(section(COMMANDS, name), 3) for option in names}
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    for option in options:
        for spelling in (*option.opts, *option.secondary_opts):
            assert spelling in described, f"{COMMANDS}, {name}: {spelling} is missing"
            default, meaning = described[spelling]
            assert meaning
            assert default_agrees(option, default.strip("`")), f"{name} {spelling}: default {option.default!r}"
    exist = {s for o in options for s in (*o.opts, *o.secondary_opts)} | {"--help"}
    assert set(described) <= exist, f"{COMMANDS}, {name}: options that do not exist"


def default_agrees(option: Any, text: str) -> bool:
    if option.required:
        return text == "required"
    if option.default in (None, ""):
        return text not in ("required", "off", "")
    return text == ("off" if option.default is False else written(option.default))


@pytest.mark.parametrize(("name", "command"), command_line())
def test_every_argument_is_documented(name: str, command: Any) -> None:
    described = [names[0] for names, _ in rows(section(COMMANDS, name), 2)]
    arguments = [p.metavar or p.name for p in command.params if p.param_type_name == "argument"]
    assert described == arguments


def test_every_kind_of_source_is_documented() -> None:
    described = {name.partition(":")[0] for names, _ in rows(section(COMMANDS, "Sources"), 3) for name in names}
    assert described == set(KINDS)


def test_synthetic_keys_are_documented_with_their_defaults() -> None:
    found = {names[0]: cells[0] for names, cells in rows(section(COMMANDS, "The synthetic network"), 3)}
    assert found == {key: written(field.default) for key, field in NetworkSettings.model_fields.items()}


def test_stacking_methods_are_documented_with_their_options() -> None:
    text = section(COMMANDS, "Stacking methods")
    assert [names[0] for names, _ in rows(text, 2)] == list(METHODS)
    found = {(method, cells[0].strip("`")): cells[1] for names, cells in rows(text, 4) for method in names}
    assert found == {
        (name, option): written(o.default) for name, method in METHODS.items() for option, o in method.options.items()
    }


PYTHON = "docs/reference/python.md"
ENTRIES = re.findall(r"^- `([\w.]+)(\(.*\))?`:\n  \S", TEXTS[PYTHON], re.MULTILINE)


def test_every_public_name_is_documented() -> None:
    assert {f"seisloom.{name}" for name in seisloom.__all__} <= {name for name, _ in ENTRIES}
    assert len(ENTRIES) == TEXTS[PYTHON].count("\n- `"), "an entry has another form"


@pytest.mark.parametrize(("name", "signature"), ENTRIES)
def test_documented_signature_is_that_of_the_code(name: str, signature: str) -> None:
    module, _, attribute = name.rpartition(".")
    found = getattr(import_module(module), attribute)
    if signature:
        assert signature == plain_signature(found)
    else:
        assert not callable(found) or issubclass(found, Exception), f"{name}: give its arguments"


def plain_signature(function: Callable[..., Any] | type) -> str:
    """Public parameters and defaults without annotations."""
    of_class = isinstance(function, type)
    signature = inspect.signature(function.__init__ if of_class else function)  # type: ignore[misc]
    public = [p for p in signature.parameters.values() if not p.name.startswith("_")]
    parameters = [p.replace(annotation=p.empty) for p in public][of_class:]
    return str(signature.replace(parameters=parameters, return_annotation=signature.empty))


def test_expected_output_is_compared() -> None:
    assert says("3 pairs ... in x\n...", "3 pairs on 1 day, in x\nmore\n")
    assert says("...", "")
    assert not says("3 pairs ... in x", "4 pairs on 1 day, in x")
    assert not says("3 pairs", "13 pairs")
