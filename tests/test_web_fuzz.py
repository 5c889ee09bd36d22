"""Anything that the API's own description allows, and what it does not, is answered without a server error."""

# ruff: noqa: F401, F811 - fixtures that are imported

from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass
class Fuzzed:
    """The API with jobs in every state, and what names these have."""

    schema: Any
    known: dict[str, list[str]]
    """Values of parameters that lead somewhere, by the parameter's name."""


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
    tiny = tiny_request().channels
    a, b = (f"{row.network}.{row.station}" for row in tiny.iloc[:2].itertuples())
    known = {
        "job_id": [job.id for job in services.board.jobs()],
        "pair": [f"{a}_{b}", "nonsense"],
        "station": [a],
        "path": ["log.txt", "incoming/job.json", "../../jobs", "correlations.zarr/zarr.json"],
        "source": ["tiny", "demo"],
        "number": ["1"],
    }
    return Fuzzed(schema, known)


def operations() -> list[str]:
    """Method and path of every operation, without services of their own."""
    found = make_api(Services.__new__(Services)).openapi()["paths"]
    return [f"{method.upper()} {path}" for path, methods in found.items() for method in methods]


def aimed(case: Any, known: dict[str, list[str]], draw: random.Random) -> Any:
    """The case with some of its parameters replaced by values that lead somewhere."""
    for values in (case.path_parameters, case.query):
        for name in values if isinstance(values, dict) else ():
            if name in known and draw.random() < 0.7:
                values[name] = draw.choice(known[name])
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
        answer = aimed(case, fuzzed.known, draw).call()
        # A data centre that cannot be reached is no fault of ours, and is told in words.
        told = f"{case.as_curl_command()}\n{answer.text}\n{caplog.text[-3000:]}"
        assert answer.status_code in (501, 502, 503) or answer.status_code < 500, told
        if answer.status_code >= 400:
            assert answer.json()["detail"]
        case.validate_response(answer, checks=checks)

    ask()
