"""A workspace is one object-store URL: a folder or s3://bucket/prefix.

The only primitive beyond reading and writing whole objects is create-if-absent, which has exactly one winner on
every store.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError
from obstore.store import LocalStore, S3Store, from_url

from seisloom.errors import WorkspaceError

if TYPE_CHECKING:
    from typing_extensions import Buffer
    from zarr.storage import ObjectStore

# What obstore raises: its own kinds and, by its documentation, built-in ones (ValueError for keys such as "../x").
_FAILURES = (BaseError, OSError, ValueError)


class Storage:
    """Objects under one URL, named by keys with slashes."""

    def __init__(self, url: str | Path, create: bool = False) -> None:
        self.url = str(url)
        try:
            if "://" in self.url and not self.url.startswith("file://"):
                # A plain-http endpoint is one that somebody set up for this purpose.
                plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
                self.store: Any = from_url(self.url, client_options={"allow_http": True} if plain else None)
            else:
                local = unquote(urlparse(self.url).path) if "://" in self.url else self.url
                path = Path(local).expanduser().resolve()
                if not create and not path.is_dir():
                    raise WorkspaceError(f"{self.url}: no such workspace")
                self.store = LocalStore(prefix=path, mkdir=True)
        except _FAILURES as error:
            raise WorkspaceError(f"{self.url}: cannot be used as a workspace: {words(error)}") from error

    def put(self, key: str, data: bytes) -> None:
        """Write an object whole, in place of one that may be there."""
        put_object(self.store, key, data, self.url)

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object if there is none of that key; False where there is."""
        try:
            put_object(self.store, key, data, self.url, "create")
        except AlreadyExistsError:
            return False
        return True

    def get(self, key: str) -> bytes | None:
        """The object, or None where there is none."""
        try:
            return bytes(self.store.get(key).bytes())
        except FileNotFoundError:
            return None
        except _FAILURES as error:
            raise WorkspaceError(f"{self.url}/{key}: cannot be read: {words(error)}") from error

    def get_json(self, key: str) -> Any:
        """The object parsed as JSON, or None where there is none."""
        data = self.get(key)
        try:
            return None if data is None else json.loads(data)
        except ValueError as error:
            raise WorkspaceError(f"{self.url}/{key}: damaged, not valid JSON: {error}") from error

    def keys(self, prefix: str) -> list[str]:
        """Keys below a prefix, sorted."""
        try:
            found = [item["path"] for batch in self.store.list(prefix) for item in batch]
        except _FAILURES as error:
            raise WorkspaceError(f"{self.url}/{prefix}: cannot be listed: {words(error)}") from error
        return sorted(found)

    def delete(self, keys: list[str]) -> None:
        """Remove objects; those that are not there are passed over."""
        # S3 removes a thousand with one request and does not mind what is missing.
        batches: list[Any] = [keys] if isinstance(self.store, S3Store) else list(keys)
        for batch in batches:
            try:
                self.store.delete(batch)
            except FileNotFoundError:
                continue
            except _FAILURES as error:
                what = batch if isinstance(batch, str) else f"{len(batch)} objects"
                raise WorkspaceError(f"{self.url}/{what}: cannot be deleted: {words(error)}") from error

    def zarr(self, read_only: bool = False) -> ObjectStore:
        """The workspace as a Zarr store; hierarchies are opened in it by their key as the group path."""
        from zarr.storage import ObjectStore

        return ObjectStore(self.store, read_only=read_only)


def words(error: Exception) -> str:
    """What the store says, without the dump of its internals that follows it."""
    return str(error).split("\n\nDebug source:")[0]


def put_object(store: Any, key: str, data: Buffer, where: str, mode: Any = "overwrite") -> None:
    """Write an object whole to an obstore store; WorkspaceError says ``where`` it failed, AlreadyExistsError passes."""
    try:
        store.put(key, data, mode=mode)
    except AlreadyExistsError:
        raise
    except _FAILURES as error:
        hint = "no permission to write" if isinstance(error, PermissionDeniedError) else "cannot be written"
        raise WorkspaceError(f"{where}/{key}: {hint}: {words(error)}") from error
