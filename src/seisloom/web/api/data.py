"""The data of pictures as files, and Python that draws them."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, PlainTextResponse
from starlette.background import BackgroundTask

from seisloom.web.api.figures import stem
from seisloom.web.api.files import JobId
from seisloom.web.services import Services
from seisloom.web.stacking import exports, views
from seisloom.web.stacking.choice import Choice
from seisloom.web.stacking.exports import Ending
from seisloom.web.stacking.pictures import Name
from seisloom.web.stacking.service import Shown
from seisloom.web.stacking.snippet import snippet

router = APIRouter(prefix="/jobs/{job_id}", tags=["correlations"])


@router.get(
    "/data/{name}.{ending}",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {}, "application/zip": {}}}},
)
async def data(
    job_id: JobId, name: views.Data, ending: Ending, choice: Annotated[Choice, Query()], gallery: Shown
) -> FileResponse:
    """What a picture shows (filtered, folded and cut as there; not scaled), as NPZ, NetCDF, HDF5 for Julia, or a ZIP
    archive of MiniSEED or SAC files; laid out as `seisloom export` does. `stack` is the trace above a correlogram."""

    def make() -> Path:
        archive = gallery.archives.open(job_id)
        return exports.write(views.data(archive, name, choice), ending, stem(name, choice))

    path = await asyncio.wrap_future(gallery.submit(make))
    done = BackgroundTask(shutil.rmtree, path.parent, ignore_errors=True)
    return FileResponse(path, filename=path.name, background=done)


@router.get("/snippet", response_class=PlainTextResponse)
async def code(
    job_id: JobId,
    choice: Annotated[Choice, Query()],
    gallery: Shown,
    picture: Annotated[Name, Query(description="what the script draws")] = "correlogram",
) -> str:
    """A Python script that opens the job's correlations and draws a picture of them."""

    def make() -> str:
        return snippet(gallery.archives.open(job_id), picture, choice, _folder(gallery.services, job_id))

    return await asyncio.wrap_future(gallery.submit(make))


def _folder(services: Services, job_id: str) -> str:
    """Where who asks finds the job: on a server that anybody may reach from elsewhere, in the archive that was downloaded."""
    url = f"{services.storage.url.rstrip('/')}/processed/{job_id}"
    if "://" in url:
        return url
    return str(Path(url).resolve()) if services.token is None else job_id
