"""The files of a job: what was asked (``incoming/NAME``) and what came of it, one by one or all in one archive."""

from __future__ import annotations

import mimetypes
import re
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from seisloom.errors import WorkspaceError
from seisloom.storage import Storage
from seisloom.stores import passes
from seisloom.web.services import Served

router = APIRouter(prefix="/jobs/{job_id}", tags=["files"])

JobId = Annotated[str, Path(max_length=100, description="id of a job", examples=["5f2c9b0e7a1d4c38b6e2f4a19d0c7e55"])]
ASKED = "incoming"
CHUNK = 1 << 20
# Of types that mimetypes does not know, or that would be run rather than read.
_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".xml": "application/xml",
    **dict.fromkeys((".txt", ".log", ".obs", ".arc", ".nd", ".tvel"), "text/plain"),
    **dict.fromkeys((".html", ".htm", ".js", ".svg", ".xhtml"), "application/octet-stream"),
}
_SEGMENT = re.compile(r"[^/\\\x00-\x1f\x7f]+")


class StoredFile(BaseModel):
    """A file of a job."""

    path: str = Field(description="what follows /files/ in its address", examples=["summary.json"])
    size: int = Field(description="bytes")
    modified: str = Field(description="UTC, ISO 8601")


class StoredFiles(BaseModel):
    """Files of a job, by path."""

    files: list[StoredFile]
    count: int = Field(description="of all files, listed here or not")
    size: int = Field(description="bytes of all files")


@router.get("/files")
def files(
    job_id: JobId,
    services: Served,
    below: Annotated[str, Query(max_length=500, description="only paths that begin so", examples=["stacks/"])] = "",
    limit: Annotated[int, Query(ge=0, le=100_000)] = 10_000,
) -> StoredFiles:
    """The files of a job; those of the request are ``incoming/...``."""
    services.board.job(job_id)
    found = [f for f in _stored(services.storage, job_id) if f.path.startswith(below)]
    return StoredFiles(files=found[:limit], count=len(found), size=sum(f.size for f in found))


@router.get("/files/{path:path}", response_class=StreamingResponse, responses={200: {"content": {"*/*": {}}}})
def file(job_id: JobId, path: str, services: Served) -> StreamingResponse:
    """One file, as an attachment."""
    services.board.job(job_id)
    pieces = path.split("/")
    if not all(_SEGMENT.fullmatch(piece) and piece not in (".", "..") for piece in pieces):
        raise _no_file(path)
    try:
        found = services.storage.open(_key(job_id, path))
    except WorkspaceError as error:
        if isinstance(error.__cause__, Exception) and passes(error.__cause__):
            raise
        found = None  # keys that the store does not take, folders
    if found is None:
        raise _no_file(path)
    headers = {"Content-Length": str(found.meta["size"]), **attachment(pieces[-1])}
    return StreamingResponse(map(bytes, found.stream(CHUNK)), media_type=_type(path), headers=headers)


@router.get("/archive", response_class=StreamingResponse, responses={200: {"content": {"application/zip": {}}}})
def archive(job_id: JobId, services: Served) -> StreamingResponse:
    """All files of a job as one ZIP archive (not compressed), made while it is sent."""
    job = services.board.job(job_id)
    listed = _stored(services.storage, job_id)
    named = re.sub(r"[^A-Za-z0-9._-]+", "-", job.name).strip("-.")[:60] or job.kind
    pieces = zip_stream(services.storage, ((_key(job_id, f.path), f"{named}/{f.path}") for f in listed))
    return StreamingResponse(pieces, media_type="application/zip", headers=attachment(f"{named}.zip"))


def attachment(name: str) -> dict[str, str]:
    """The header that makes a browser save an answer under a name."""
    plain = re.sub(r"[^A-Za-z0-9 ._-]", "_", name)
    return {"Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"}


def zip_stream(storage: Storage, entries: Iterable[tuple[str, str]]) -> Iterator[bytes]:
    """A ZIP archive of objects (key, name in the archive), piece by piece; objects that are gone by then are left out."""
    out = _Pieces()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for key, name in entries:
            found = storage.open(key)
            if found is None:
                continue
            stamp = time.gmtime(max(found.meta["last_modified"].timestamp(), 315_532_800))  # ZIP begins in 1980
            # Sizes stand behind the data: what is written at this moment may grow.
            with archive.open(zipfile.ZipInfo(name, stamp[:6]), "w", force_zip64=True) as entry:
                for piece in found.stream(CHUNK):
                    entry.write(piece)
                    yield from out.taken()
            yield from out.taken()
    yield from out.taken()


class _Pieces:
    """A file that cannot be sought in, from which what was written is taken."""

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is held open."""

    def taken(self) -> Iterator[bytes]:
        held, self._held = b"".join(self._held), []
        if held:
            yield held


def _stored(storage: Storage, job_id: str) -> list[StoredFile]:
    """All files of a job, sorted; those of the request first."""
    found = []
    for folder, shown in ((f"incoming/{job_id}", f"{ASKED}/"), (f"processed/{job_id}", "")):
        found += [
            StoredFile(
                path=shown + item["path"].removeprefix(f"{folder}/"),
                size=item["size"],
                modified=item["last_modified"].isoformat(timespec="seconds"),
            )
            for item in sorted(storage.objects(folder), key=lambda item: item["path"])
        ]
    return found


def _key(job_id: str, path: str) -> str:
    """The key of a file of a job."""
    asked = path.removeprefix(f"{ASKED}/")
    return f"processed/{job_id}/{path}" if asked == path else f"incoming/{job_id}/{asked}"


def _type(path: str) -> str:
    suffix = PurePosixPath(path).suffix.lower()
    return _TYPES.get(suffix) or mimetypes.guess_type(path, strict=True)[0] or "application/octet-stream"


def _no_file(path: str) -> HTTPException:
    return HTTPException(404, f"the job has no file {path[:200]!r}")
