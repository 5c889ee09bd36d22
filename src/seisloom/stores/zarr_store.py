"""An object store under Zarr that waits for it, and whose failures name the object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Any, TypeVar

from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import ObjectStore

from seisloom.errors import WorkspaceError
from seisloom.stores.disk import folder_of, put_durable
from seisloom.stores.failures import FAILURES, explain
from seisloom.stores.patience import Patience

Answer = TypeVar("Answer")


class WorkspaceStore(ObjectStore):
    """Zarr's ObjectStore with a workspace's patience; WorkspaceError in place of what obstore raises."""

    def __init__(self, store: Any, *, read_only: bool = False, patience: Patience) -> None:
        super().__init__(store, read_only=read_only)
        self.patience = patience

    def with_read_only(self, read_only: bool = False) -> WorkspaceStore:
        return type(self)(self.store, read_only=read_only, patience=self.patience)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        return await self._try(key, "read", lambda: ObjectStore.get(self, key, prototype, byte_range))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        wanted = list(key_ranges)
        keys = wanted[0][0] if wanted else ""
        return await self._try(keys, "read", lambda: ObjectStore.get_partial_values(self, prototype, wanted))

    async def exists(self, key: str) -> bool:
        return await self._try(key, "read", lambda: ObjectStore.exists(self, key))

    async def set(self, key: str, value: Buffer) -> None:
        if folder := folder_of(self.store, key):
            await self._try(
                key, "written", lambda: asyncio.to_thread(put_durable, folder, key, value.to_bytes(), False)
            )
        else:
            await self._try(key, "written", lambda: ObjectStore.set(self, key, value))

    async def delete(self, key: str) -> None:
        await self._try(key, "deleted", lambda: ObjectStore.delete(self, key))

    async def list_prefix(self, prefix: str) -> AsyncGenerator[str, None]:
        for key in await self._try(prefix, "listed", lambda: _all(ObjectStore.list_prefix(self, prefix))):
            yield key

    async def list_dir(self, prefix: str) -> AsyncGenerator[str, None]:
        for key in await self._try(prefix, "listed", lambda: _all(ObjectStore.list_dir(self, prefix))):
            yield key

    async def _try(self, key: str, done: str, act: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            return await self.patience.wait(act)
        except FAILURES as error:
            if isinstance(error, WorkspaceError) or (isinstance(error, ValueError) and "read-only" in str(error)):
                raise
            raise WorkspaceError(f"{self.patience.where}/{key}: cannot be {done}: {explain(error)}") from error


async def _all(keys: Any) -> list[str]:
    return [key async for key in keys]
