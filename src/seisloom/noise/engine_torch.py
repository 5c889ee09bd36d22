"""The correlation engine on a GPU (or any torch device), behind the same contract as :mod:`seisloom.noise.correlate`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from seisloom.errors import InputError, MissingExtraError
from seisloom.noise.correlate import Inverse, SpectraStack, row_bands
from seisloom.noise.product import Rows, Spectra

PAIR_BATCH = 1024


def open_device(name: str) -> Any:
    """The torch device of that name; InputError where it is not there, MissingExtraError without torch."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(f"device {name} needs torch: pip install 'seisloom[gpu]'") from error
    try:
        device = torch.device(name.removeprefix("torch:"))
    except RuntimeError as error:
        raise InputError(f"device {name!r} is unknown: use cpu, cuda or cuda:N") from error
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        seen = f"only {count} GPU" if count else "no GPU"
        raise InputError(f"device {name}: torch {torch.__version__} sees {seen} here; use --device cpu")
    return device


def correlate_pairs_torch(
    stack: SpectraStack,
    pairs: npt.NDArray[np.int64],
    inverse: Inverse,
    groups: list[Rows],
    device_name: str,
    memory_bytes: float = 4e9,
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """As :func:`seisloom.noise.correlate.correlate_pairs`, on a torch device ("cuda", "cuda:1", "torch:cpu").

    Spectra travel to the device once; products, inverse transforms and the cut to the lags are done there, and
    only correlations come back. Frequencies stand last on the device, so that an inverse transform reads along memory.
    """
    device = open_device(device_name)
    import torch

    n, n_lag = stack.n_channels, 2 * inverse.n_half_lag + 1
    right = torch.from_numpy(stack.right).to(device)
    left = right if stack.left is stack.right else torch.from_numpy(stack.left).to(device)
    done = 0
    for first, stop, wanted in row_bands(stack, pairs, n_lag * len(groups), memory_bytes):
        block = np.empty((len(wanted), len(groups), n_lag), np.float32)
        for g, rows in enumerate(groups if len(wanted) else []):
            cross = torch.matmul(left[:, first:stop, rows].conj(), right[:, first:n, rows].transpose(1, 2))
            for here, lags in _batches(cross, wanted - first, inverse):
                block[here, g] = lags
            del cross
        yield done, block
        done += len(wanted)


class DeviceRows:
    """The rows of a tile on a device, to be correlated with columns as these come by."""

    def __init__(self, left: Spectra, device_name: str) -> None:
        import torch

        self._device = open_device(device_name)
        self._left = torch.from_numpy(np.ascontiguousarray(left)).to(self._device)

    def correlate(
        self,
        right: Spectra,
        wanted: npt.NDArray[np.int64],
        inverse: Inverse,
        groups: list[Rows],
        out: npt.NDArray[np.float32],
        places: npt.NDArray[np.int64],
    ) -> None:
        """Pairs of a row and a column of ``right`` (frequency, column, row) to their ``places`` in ``out`` (pair, group, lag)."""
        import torch

        columns = torch.from_numpy(np.ascontiguousarray(right)).to(self._device)
        for g, rows in enumerate(groups):
            cross = torch.matmul(self._left[:, :, rows].conj(), columns[:, :, rows].transpose(1, 2))
            for here, lags in _batches(cross, wanted, inverse):
                out[places[here], g] = lags


def _batches(
    cross: Any, wanted: npt.NDArray[np.int64], inverse: Inverse
) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
    """Lags of the ``wanted`` pairs of ``cross`` (frequency, A, B), some at a time."""
    import torch

    flat = cross.permute(1, 2, 0).reshape(-1, len(cross))
    columns = torch.from_numpy(wanted[:, 0] * cross.shape[2] + wanted[:, 1]).to(cross.device)
    for batch in range(0, len(wanted), PAIR_BATCH):
        here = slice(batch, batch + PAIR_BATCH)
        yield here, _to_lags(flat[columns[here]], inverse).cpu().numpy()


def _to_lags(cross: Any, inverse: Inverse) -> Any:
    """(pair, frequency of the pass band) to (pair, lag)."""
    import torch

    spectrum = torch.zeros((len(cross), inverse.nfft // 2 + 1), dtype=cross.dtype, device=cross.device)
    spectrum[:, inverse.first_bin : inverse.first_bin + cross.shape[1]] = cross
    full = torch.fft.irfft(spectrum, n=inverse.nfft, norm="forward") * inverse.scale
    half = inverse.n_half_lag
    return torch.cat([full[:, -half:], full[:, : half + 1]], dim=1)
