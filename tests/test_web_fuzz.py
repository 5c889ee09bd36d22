"""Anything that the API's own description allows, and what it does not, is answered without a server error."""

# ruff: noqa: F401, F811 - fixtures that are imported

from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from seisloom.jobs import AssociationRequest, Limits, Sources, read_request, submit
from seisloom.jobs.association import run
from seisloom.web.api import make_api
from seisloom.web.services import Services
from seisloom.web.session import SessionMiddleware
from tests.association_job import Prepared, prepared
from tests.job_workers import SOURCES, drain, tiny_request
from tests.test_api_catalogues import launch
from tests.web_support import api_client

SEED = 20190203
EXAMPLES = int(os.environ.get("SEISLOOM_FUZZ_EXAMPLES", "8"))
"""Of a kind (valid, invalid) and an operation."""
CHECKED = (
    "response_schema_conformance",
    "content_type_conformance",
    "status_code_conformance",
    "response_headers_conformance",
)
SLOW = ("/files/demo", "/estimate")
"""Operations that work for a second whenever they are asked."""

SEVERAL = {"GET /saved/stations.csv", "GET /jobs/{job_id}/snippet", "GET /files/{name}", "GET /files/{name}/facts"}


@dataclass
class Fuzzed:
    """The API with jobs in every state, and what leads somewhere in it."""

    services: Services
    schema: Any
    values: dict[str, list[Any]]
    """Of parameters, by their name."""
    bodies: dict[str, dict[str, Any]]
    """By operation."""
    reached: dict[str, set[int]] = field(default_factory=dict)
    """Status codes of answers, by operation."""


@pytest.fixture(scope="module")
def fuzzed(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Fuzzed:
    folder = tmp_path_factory.mktemp("fuzz")
    services = Services(str(folder / "workspace"), Sources(SOURCES.archives, "tiny"), Limits(days=5, upload_mb=2.0))
    submit(services.board, tiny_request(name="done"))
    drain(services.workspace, services.sources)
    launch(api_client(services), prepared, name="catalogue").raise_for_status()
    claim = services.board.claim("fuzz")
    assert claim
    asked = read_request(services.storage, claim.job.id)
    assert isinstance(asked, AssociationRequest)
    told: list[Any] = []
    claim.finish(run(services.storage, claim.job.id, asked, claim.number, Sources(), Limits(), 1, 4.0, told.append))
    for name in ("failed", "waiting"):
        submit(services.board, tiny_request(name=name))
        if name == "failed" and (claim := services.board.claim("fuzz")):
            claim.fail("as it was to")
    app = FastAPI()
    app.mount("/api", make_api(services))
    app.add_middleware(SessionMiddleware)
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app)
    api_client(services).post("/files", files={"file": ("v.txt", b"0 5 3\n10 6 4\n")}, data={"kind": "velocity"})
    return Fuzzed(services, schema, _values(services), _bodies())


def _values(services: Services) -> dict[str, list[Any]]:
    a, b = (f"{row.network}.{row.station}" for row in tiny_request().channels.iloc[:2].itertuples())
    return {
        "job_id": [job.id for job in services.board.jobs() for _ in range(4 if job.state == "done" else 1)],
        "pair": [f"{a}_{b}", "nonsense"],
        "station": [a],
        "path": ["log.txt", "incoming/job.json", "../../jobs", "correlations.zarr/zarr.json"],
        "source": ["tiny", "demo"],
        "number": [1],
        "start": ["2024-03-01"],
        "end": ["2024-03-02"],
        "ids": ["SY.S01.00.BHZ"],
        "name": ["v.txt"],
    }


def _bodies() -> dict[str, dict[str, Any]]:
    codes = {"network": "SY", "location": "00", "channel": "BHZ", "latitude": 42.0, "longitude": 13.0}
    channels = [codes | {"station": station} for station in ("S01", "S02")]
    job = {"channels": channels, "source": "tiny", "start": "2024-03-01", "end": "2024-03-02"}
    return {
        "POST /jobs/correlation": job,
        "POST /estimate": job,
        "POST /saved": {"source": "tiny", "channels": channels},
        "POST /availability": {"source": "tiny", "start": "2024-03-01", "end": "2024-03-02", "ids": ["SY.S01.00.BHZ"]},
    }


def operations() -> list[str]:
    """Method and path of every operation, without services of their own."""
    found = make_api(Services.__new__(Services)).openapi()["paths"]
    named = [f"{method.upper()} {path}" for path, methods in found.items() for method in methods]
    return sorted(named, key=lambda name: (name.startswith("DELETE"), named.index(name)))


def aimed(case: Any, operation: str, fuzzed: Fuzzed, draw: random.Random) -> Any:
    """The case with some of what it sends replaced by what leads somewhere."""
    for values in (case.path_parameters, case.query):
        for name in values if isinstance(values, dict) else ():
            names_file = name != "name" or "/files/{name}" in operation
            if name in fuzzed.values and names_file and draw.random() < 0.7:
                values[name] = draw.choice(fuzzed.values[name])
    changes = operation.startswith("DELETE") or operation.endswith(("cancel", "retry"))
    if changes and "job_id" in operation and draw.random() < 0.5:  # the others are still needed
        case.path_parameters["job_id"] = submit(fuzzed.services.board, tiny_request(name="victim"))
    elif changes:
        case.path_parameters = {name: f"other-{value}"[:90] for name, value in (case.path_parameters or {}).items()}
    if operation in fuzzed.bodies and draw.random() < 0.7:
        given = case.body if isinstance(case.body, dict) else {}
        kept = draw.sample(sorted(given), min(len(given), draw.randrange(2)))
        case.body = fuzzed.bodies[operation] | {name: given[name] for name in kept}
        case.media_type = "application/json"
    return case


@pytest.mark.parametrize("operation", operations())
def test_no_input_is_a_server_error(fuzzed: Fuzzed, operation: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    method, path = operation.split(" ")
    target = fuzzed.schema[path][method]
    checks = CHECKS.get_by_names(list(CHECKED))
    cases = st.one_of(
        target.as_strategy(generation_mode=GenerationMode.POSITIVE),
        target.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )

    @seed(SEED)
    @settings(
        max_examples=2 if path in SLOW else 2 * EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, draw=st.randoms(use_true_random=False))
    def ask(case: Any, draw: random.Random) -> None:
        answer = aimed(case, operation, fuzzed, draw).call()
        fuzzed.reached.setdefault(operation, set()).add(answer.status_code)
        # A data centre that cannot be reached is no fault of ours, and is told in words.
        if answer.status_code >= 500 and answer.status_code not in (501, 502, 503):
            pytest.fail(f"{case.as_curl_command()}\n{answer.text}\n{caplog.text[-3000:]}")
        if answer.status_code >= 400:
            assert answer.json()["detail"]
        case.validate_response(answer, checks=checks)

    ask()


def test_most_operations_did_what_they_are_for(fuzzed: Fuzzed) -> None:
    if len(fuzzed.reached) < len(operations()):
        pytest.skip("not all operations were asked")
    in_vain = {name for name, codes in fuzzed.reached.items() if min(codes) >= 300}
    # What needs several names that go together, or one session, other tests ask for.
    assert {name for name in in_vain if name.startswith("GET") and name.count("{") <= 1} <= SEVERAL
    assert not in_vain & {*fuzzed.bodies, "DELETE /jobs/{job_id}", "POST /jobs/{job_id}/cancel"}
