"""A workspace is one object-store URL: a folder or s3://bucket/prefix.

The only primitive beyond reading and writing whole objects is create-if-absent, which has exactly one winner on
every store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlparse

from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, S3Store, from_url

from seisloom.errors import InputError, WorkspaceError
from seisloom.stores import FAILURES, Limits, Patience, explain, open_s3
from seisloom.stores.disk import folder_of, put_durable, sync

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from seisloom.stores.zarr_store import WorkspaceStore

Answer = TypeVar("Answer")
BATCH = 1000
"""Objects that are listed at a time, as S3 does."""


class Storage:
    """Objects under one URL, named by keys with slashes.

    A store that does not answer is waited for (see :class:`seisloom.stores.Limits`). WorkspaceError says what failed,
    of which object, and what to do.
    """

    def __init__(self, url: str | Path, create: bool = False) -> None:
        self.url = str(url)
        try:
            self.patience = Patience(self.url, Limits.from_environment())
            self.store: Any = _open(self.url, create, self.patience.limits)
        except (InputError, *FAILURES) as error:
            raise WorkspaceError(f"{self.url}: cannot be used as a workspace: {explain(error)}") from error

    def __reduce__(self) -> tuple[type[Storage], tuple[str]]:
        """Opened anew where it is unpickled, with the credentials that are there."""
        return Storage, (str(self.store.prefix) if isinstance(self.store, LocalStore) else self.url,)

    def put(self, key: str, data: Buffer, durable: bool = False) -> None:
        """Write an object whole, in place of one that may be there; ``durable`` also where power is lost meanwhile or after."""
        put_object(self.store, key, data, self.patience, durable=durable)

    def put_file(self, key: str, path: Path) -> None:
        """Write an object from a file, in parts where it is large."""
        put_object(self.store, key, path, self.patience)

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object, durably, if there is none of that key; False where there is.

        It may be the caller's own, where the store's first answer was lost on the way.
        """
        try:
            put_object(self.store, key, data, self.patience, "create", durable=True)
        except AlreadyExistsError:
            return False
        return True

    def get(self, key: str) -> bytes | None:
        """The object, or None where there is none."""
        return self._read(key, lambda: bytes(self.store.get(key).bytes()))

    def get_end(self, key: str, length: int) -> bytes | None:
        """The last bytes of an object, or None where there is none."""
        return self._read(key, lambda: bytes(self.store.get(key, options={"range": {"suffix": length}}).bytes()))

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> list[memoryview] | None:
        """Parts of an object, or None where there is none."""
        found = self._read(key, lambda: self.store.get_ranges(key, starts=starts, lengths=lengths))
        return None if found is None else [memoryview(part) for part in found]

    def open(self, key: str) -> Any:
        """An object to be read piece by piece (obstore's GetResult), or None where there is none."""
        return self._read(key, lambda: self.store.get(key))

    def _read(self, key: str, act: Callable[[], Answer]) -> Answer | None:
        try:
            return self.patience.call(act)
        except FAILURES as error:
            if _absent(error):
                return None
            raise WorkspaceError(f"{self.url}/{key}: cannot be read: {explain(error)}") from error

    def get_json(self, key: str) -> Any:
        """The object parsed as JSON, or None where there is none."""
        data = self.get(key)
        try:
            return None if data is None else json.loads(data)
        except ValueError as error:
            raise WorkspaceError(f"{self.url}/{key}: damaged, not valid JSON: {error}") from error

    def keys(self, prefix: str) -> list[str]:
        """Keys below a prefix, sorted."""
        return sorted(item["path"] for item in self.objects(prefix))

    def objects(self, prefix: str) -> list[Any]:
        """What there is below a prefix: ``path``, ``size``, ``e_tag``, ``last_modified`` of each object."""
        try:
            return self.patience.call(
                lambda: [item for batch in self.store.list(prefix, chunk_size=BATCH) for item in batch]
            )
        except FAILURES as error:
            raise WorkspaceError(f"{self.url}/{prefix}: cannot be listed: {explain(error)}") from error

    def folders(self, prefix: str) -> set[str]:
        """Names directly below a prefix that have something below them."""
        try:
            found = self.patience.call(lambda: self.store.list_with_delimiter(prefix)["common_prefixes"])
        except FAILURES as error:
            raise WorkspaceError(f"{self.url}/{prefix}: cannot be listed: {explain(error)}") from error
        return {path.rpartition("/")[2] for path in found}

    def delete(self, keys: list[str]) -> None:
        """Remove objects; those that are not there are passed over."""
        # S3 removes a thousand with one request and does not mind what is missing.
        batches: list[Any] = [keys] if isinstance(self.store, S3Store) else list(keys)
        for batch in batches:
            try:
                self.patience.call(partial(self.store.delete, batch))
            except FAILURES as error:
                if _absent(error):
                    continue
                what = batch if isinstance(batch, str) else f"{len(batch)} objects"
                raise WorkspaceError(f"{self.url}/{what}: cannot be deleted: {explain(error)}") from error

    def remove(self, prefix: str) -> None:
        """Remove all objects below a prefix and, of a workspace that is a folder, the folders that held them."""
        self.delete(self.keys(prefix))
        if isinstance(self.store, LocalStore):
            folder, top = Path(str(self.store.prefix)) / prefix, Path(str(self.store.prefix))
            with suppress(OSError):  # another run has put something there, or has removed it
                for path in [folder, *folder.parents][: len(folder.relative_to(top).parts)]:
                    path.rmdir()

    def zarr(self, read_only: bool = False) -> WorkspaceStore:
        """The workspace as a Zarr store; hierarchies are opened in it by their key as the group path."""
        from seisloom.stores.zarr_store import WorkspaceStore

        return WorkspaceStore(self.store, read_only=read_only, patience=self.patience)


def _open(url: str, create: bool, limits: Limits) -> Any:
    """The obstore store of a URL or of a folder, which is made with ``create``."""
    if url.startswith("s3://"):
        return open_s3(url, limits)
    if _is_other_url(url):
        return from_url(url)
    path = _folder(url)
    if not create and not path.is_dir():
        raise WorkspaceError(f"{url}: no such workspace")
    return LocalStore(prefix=path, mkdir=True)


def _is_other_url(url: str) -> bool:
    return "://" in url and not url.startswith("file://")


def _folder(url: str) -> Path:
    return Path(unquote(urlparse(url).path) if "://" in url else url).expanduser().resolve()


def _absent(error: Exception) -> bool:
    """Whether it is the object that is not there, and not the whole bucket."""
    return isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error)


def is_there(url: str | Path) -> bool:
    """Whether a workspace may be read: a folder that is there, or an object store."""
    return _is_other_url(str(url)) or _folder(str(url)).is_dir()


def put_object(
    store: Any, key: str, data: Buffer | Path, patience: Patience, mode: Any = "overwrite", durable: bool = False
) -> None:
    """Write an object, or what a file holds, whole to an obstore store; WorkspaceError names it, AlreadyExistsError passes."""
    folder = folder_of(store, key) if durable else None
    try:
        if folder and not isinstance(data, Path):
            put_durable(folder, key, data, mode == "create")
        else:
            patience.call(lambda: store.put(key, data, mode=mode))
    except AlreadyExistsError:
        raise
    except FAILURES as error:
        raise WorkspaceError(f"{patience.where}/{key}: cannot be written: {explain(error)}") from error


def sync_objects(store: Any, keys: Iterable[str], patience: Patience) -> None:
    """Have objects of a folder outlast a loss of power; other stores see to that themselves. Raises WorkspaceError."""
    if folder := folder_of(store):
        try:
            sync(folder, keys)
        except OSError as error:
            raise WorkspaceError(f"{patience.where}: cannot be written: {explain(error)}") from error
