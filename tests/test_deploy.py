"""What is in deploy/: no image is built and no cluster reached here, so linters and the command line's own options judge it."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from seisloom.cli import app

DEPLOY = Path(__file__).parents[1] / "deploy"
SCRIPTS = sorted(DEPLOY.rglob("*.sh"))
TOOLS = Path(sys.executable).parent
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def check(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_pass_shellcheck(script: Path) -> None:
    check(TOOLS / "shellcheck", script)


def test_the_dockerfile_passes_hadolint() -> None:
    check(TOOLS / "hadolint", DEPLOY / "Dockerfile")


def test_what_the_dockerfile_copies_is_sent_to_it() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    sent = {line.removeprefix("!") for line in (DEPLOY.parent / ".dockerignore").read_text().split() if line[0] == "!"}
    copied = {
        name.removeprefix("./") for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for name in line.split()
    }
    assert copied == sent
    assert all((DEPLOY.parent / name).exists() for name in copied)
    assert text.count("--constraint constraints.txt") == text.count("pip install")


def test_services_are_built_from_stages_that_there_are() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE))
    assert set(COMPOSE) == {"s3", "scheduler", "worker", "app"}
    for name, service in COMPOSE.items():
        build = service["build"]
        assert build["target"] in stages, name
        assert (DEPLOY / build["context"] / build["dockerfile"]).samefile(DEPLOY / "Dockerfile")
        assert set(service.get("depends_on", ())) <= set(COMPOSE)


def test_the_store_of_the_example_gets_its_bucket() -> None:
    ast.parse(COMPOSE["s3"]["healthcheck"]["test"][-1])
    assert "s3://noise/" in " ".join(COMPOSE["app"]["command"])


def test_workers_of_the_example_take_their_options() -> None:
    distributed = pytest.importorskip("distributed")
    assert distributed
    from distributed.cli import dask_scheduler, dask_worker

    for name, command in (("scheduler", dask_scheduler.main), ("worker", dask_worker.main)):
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        given = {word for word in COMPOSE[name]["command"] if word.startswith("--")}
        assert given
        assert given <= known


def options(name: str) -> set[str]:
    group: Any = typer.main.get_command(app)
    return {option for parameter in group.commands[name].params for option in parameter.opts}


def test_commands_are_given_options_that_they_have() -> None:
    """Every `seisloom COMMAND --option` of scripts, of the script for SLURM's workers and of services."""
    seen = set()
    texts = [path.read_text().replace("\\\n", " ") for path in SCRIPTS]
    texts.append(re.sub(r'[",\n]+', " ", (DEPLOY / "slurm" / "dask_job.py").read_text()))
    texts += [" ".join(service["command"]) for service in COMPOSE.values() if "command" in service]
    for text in texts:
        for name, rest in re.findall(r"\bseisloom\s+(correlate|stack|work|serve)\b([^\n]*)", text):
            seen.add(name)
            assert set(re.findall(r"(?<!\S)--[a-z-]+", rest)) <= options(name), rest
    assert seen == {"correlate", "serve"}


def test_the_array_does_all_of_its_slices() -> None:
    text = (DEPLOY / "slurm" / "array.sh").read_text()
    assert (
        re.search(r"^#SBATCH --array=1-(\d+)$", text, re.MULTILINE)[1]
        == re.search(r"^SLICES=(\d+)$", text, re.MULTILINE)[1]
    )  # type: ignore[index]


def test_the_job_of_aws_batch_runs_the_script_of_the_image() -> None:
    definition = json.loads((DEPLOY / "aws-batch" / "job-definition.json").read_text())
    script = definition["containerProperties"]["command"][-1]
    assert (DEPLOY.parent / Path(script).relative_to("/opt/seisloom")).exists()
    given = set(re.findall(r"name=([A-Z_]+)", (DEPLOY / "aws-batch" / "submit.sh").read_text()))
    needed = set(re.findall(r"\$\{([A-Z]+):\?", (DEPLOY / "aws-batch" / "task.sh").read_text()))
    assert needed <= given


def test_the_script_for_workers_of_slurm_is_python() -> None:
    ast.parse((DEPLOY / "slurm" / "dask_job.py").read_text())
