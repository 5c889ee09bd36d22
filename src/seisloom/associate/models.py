"""The network that links picks: stacked bidirectional gated recurrent units over the picks of a window.

After PhaseLink (Ross et al. 2019, doi:10.1029/2018JB016674, figure 3). The published layout is one configuration of it, and
published checkpoints load: their parameters have the same names.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seisloom.associate.windows import FEATURES, FeatureKind
from seisloom.errors import InputError

# Added to the input of the update gate where a row is padding: the gate is then exactly 1, the state stays as it was.
_HOLD = 1e4
PUBLISHED_ROWS = 1500
"""Rows that the published networks were trained with (n_max_picks): picks, then zeros."""


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a StackedGRU, and what it reads. The published layout: ``ModelConfig("published", 128, 32, 5)``."""

    features: FeatureKind = "relative"
    """Key of FEATURES: the columns that it reads."""
    hidden_size: int = 48
    """Units of each direction of each of the two recurrent layers."""
    fc_width: int = 32
    n_fc: int = 2
    """Fully connected layers (of ``fc_width``, rectified) before the recurrent ones."""
    tail: int = 0
    """Rows of zeros to append after the picks, which the network takes for picks: as many as a network trained
    on windows filled up with zeros needs to forget where they end. None for networks trained here."""

    def __post_init__(self) -> None:
        if self.features not in FEATURES:
            raise InputError(f"model: features {self.features!r} are unknown; there are {', '.join(FEATURES)}")
        for name, least in (("hidden_size", 1), ("fc_width", 1), ("n_fc", 1), ("tail", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise InputError(f"model: {name} is {value!r}; a whole number, {least} or more, is expected")

    @property
    def n_features(self) -> int:
        return len(FEATURES[self.features])


PUBLISHED = ModelConfig("published", hidden_size=128, fc_width=32, n_fc=5)


class StackedGRU(nn.Module):
    """fc1 ... fcN with rectifiers, gru1 and gru2 (bidirectional), and a last fc that gives one logit a pick.

    Its weights are drawn from torch's generator: call ``torch.manual_seed`` first to have the same again.
    """

    def __init__(self, config: ModelConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ModelConfig()
        width, hidden = config.fc_width, config.hidden_size
        for k in range(1, config.n_fc + 1):
            self.add_module(f"fc{k}", nn.Linear(width if k > 1 else config.n_features, width))
        self.gru1 = nn.GRU(width, hidden, batch_first=True, bidirectional=True)
        self.gru2 = nn.GRU(2 * hidden, hidden, batch_first=True, bidirectional=True)
        self.add_module(f"fc{config.n_fc + 1}", nn.Linear(2 * hidden, 1))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Logits (batch, length) that picks share the root's event.

        ``x`` (batch, length, feature) holds ``lengths`` (batch,) picks a window from the first row on; what is beyond
        them has no effect on their logits. A logit beyond them has no meaning.
        """
        length = x.shape[1]
        if self.config.tail:
            x = x * _inside(lengths, length, x.device).to(x.dtype)
            x = torch.cat([x, x.new_zeros(len(x), self.config.tail, x.shape[2])], dim=1)
            lengths = lengths + self.config.tail
        # Packed, no row is computed in vain, but its backward pass on a CPU is quadratic in the length.
        run = self._padded if torch.is_grad_enabled() and x.device.type == "cpu" else self._packed
        return run(x, lengths)[:, :length]

    def _packed(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        y, _ = self.gru2(self.gru1(_with_data(packed, self._enter(packed.data)))[0])
        out: Tensor = pad_packed_sequence(
            _with_data(y, self._leave(y.data)), batch_first=True, total_length=x.shape[1]
        )[0]
        return out

    def _padded(self, x: Tensor, lengths: Tensor) -> Tensor:
        padding = (~_inside(lengths, x.shape[1], x.device)).to(x.dtype)
        y = _run_padded(self.gru2, _run_padded(self.gru1, self._enter(x), padding), padding)
        return self._leave(y)

    def _enter(self, x: Tensor) -> Tensor:
        for k in range(1, self.config.n_fc + 1):
            x = torch.relu(self.get_submodule(f"fc{k}")(x))
        return x

    def _leave(self, x: Tensor) -> Tensor:
        out: Tensor = self.get_submodule(f"fc{self.config.n_fc + 1}")(x).squeeze(-1)
        return out


def save_model(path: str | Path, model: StackedGRU, **more: Any) -> None:
    """Write a checkpoint as the published ones ('model_state_dict') with 'config' and whatever else is given.

    ``more`` may hold tensors, numbers, texts, and lists and dictionaries of these. The file is complete or not there.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        torch.save({"model_state_dict": model.state_dict(), "config": asdict(model.config), **more}, part)
        os.replace(part, path)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{path}: cannot write the model: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def load_model(path: str | Path, device: str = "cpu") -> StackedGRU:
    """The network of a checkpoint, ours or a published one, ready to predict.

    Published checkpoints hold no configuration: it is read off their weights, and their tail of zeros is measured.
    InputError says what was found instead of a checkpoint, or how its shape differs.
    """
    checkpoint = read_checkpoint(path)
    state = _plain_names(checkpoint["model_state_dict"])
    config = _stated_config(checkpoint["config"], path) if "config" in checkpoint else _shape_of(state, path)
    if config.n_fc >= len(state) or config.tail > PUBLISHED_ROWS:
        raise InputError(f"{path}: its 'config' is {asdict(config)}, which its {len(state)} weights do not bear out")
    with torch.device("meta"):  # takes no memory, whatever size a file claims
        _check_shapes(state, StackedGRU(config), path)
    model = StackedGRU(config)
    model.load_state_dict(state)
    if "config" not in checkpoint:
        model.config = replace(config, tail=settling_rows(model))
    return model.to(device).eval()


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """What a checkpoint file holds, on the CPU; nothing in it is run. InputError if it is none."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the model: {error.strerror}") from error
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch, pickle and zipfile raise many kinds for what is no checkpoint, or half of one
        first = str(error).partition("\n")[0].partition(" Please ")[0].partition(". ")[0]
        raise InputError(
            f"{path}: not a complete PyTorch checkpoint ({first or type(error).__name__}); give a .pt file that "
            "training wrote, and fetch or copy it again if it was cut short"
        ) from error
    if not isinstance(found, dict) or not isinstance(found.get("model_state_dict"), Mapping):
        what = f"dict with {', '.join(map(str, list(found)[:6]))}" if isinstance(found, dict) else type(found).__name__
        raise InputError(f"{path}: holds no 'model_state_dict' but a {what}; give a checkpoint that training wrote")
    return found


@contextmanager
def torch_threads(n: int) -> Iterator[None]:
    """Let torch use ``n`` threads: one for small batches, whose threads would wait for one another most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_thread() -> AbstractContextManager[None]:
    """``torch_threads(1)``; also a decorator."""
    return torch_threads(1)


@torch_threads(1)
@torch.no_grad()
def settling_rows(model: StackedGRU, rows: int = PUBLISHED_ROWS, tolerance: float = 1e-4) -> int:
    """How many rows of zeros after the picks give the logits of a window filled up to ``rows``, to ``tolerance``.

    A network trained on windows filled up with zeros reads them; on its way back through them its state settles. Found
    by doubling, on eight windows of picks drawn at random.
    """
    draw = torch.Generator().manual_seed(1)
    n_picks = min(64, rows)
    x = torch.rand(8, n_picks, model.config.n_features, generator=draw)
    x[..., 2] = x[..., 2].sort(dim=1).values
    x[..., 3], x[..., -1] = x[..., 3].round(), 1.0
    trial = StackedGRU(model.config)
    trial.load_state_dict(model.state_dict())

    def logits(tail: int) -> Tensor:
        trial.config = replace(model.config, tail=tail)
        out: Tensor = trial(x, torch.full((len(x),), n_picks))
        return out

    filled = logits(rows - n_picks)
    tail = 16
    while tail < rows and float((logits(tail) - filled).abs().max()) > tolerance:
        tail *= 2
    # Picks of real windows may leave the state farther from where it settles than random ones.
    return min(2 * tail, rows)


def _inside(lengths: Tensor, length: int, device: torch.device) -> Tensor:
    """Which rows are picks, (batch, length, 1)."""
    return (torch.arange(length, device=device) < lengths.to(device)[:, None])[..., None]


def _with_data(packed: PackedSequence, data: Tensor) -> PackedSequence:
    return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)


def _run_padded(layer: nn.GRU, x: Tensor, padding: Tensor) -> Tensor:
    """The layer over padded windows, as if each ended with its last pick; rows of padding give nothing meaningful.

    h' = (1 - z) n + z h. A further input column, 1 on padding, opens the update gate z: on its way back from the end,
    where h = 0, the state is still exactly 0 when it comes to the last pick.
    """
    hidden = layer.hidden_size
    hold = x.new_zeros(3 * hidden, 1)
    hold[hidden : 2 * hidden] = _HOLD  # rows of the weights: reset, update, new
    weights = []
    for way in ("l0", "l0_reverse"):
        weights.append(torch.cat([getattr(layer, f"weight_ih_{way}"), hold], dim=1))
        weights += [getattr(layer, f"{name}_{way}") for name in ("weight_hh", "bias_ih", "bias_hh")]
    start = x.new_zeros(2, len(x), hidden)
    out: Tensor = torch.gru(
        torch.cat([x, padding], dim=2), start, weights, has_biases=True, num_layers=1, dropout=0.0,
        train=layer.training, bidirectional=True, batch_first=True,
    )[0]  # fmt: skip
    return out


def _plain_names(state: Mapping[str, Any]) -> dict[str, Any]:
    """Without the prefix that torch.nn.DataParallel puts before names."""
    return {name.removeprefix("module."): value for name, value in state.items()}


def _stated_config(stated: Any, path: str | Path) -> ModelConfig:
    known = {f.name for f in fields(ModelConfig)}
    if not isinstance(stated, dict) or not set(stated) <= known:
        raise InputError(f"{path}: its 'config' is {stated!r}; {', '.join(sorted(known))} are expected")
    try:
        return ModelConfig(**stated)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _shape_of(state: Mapping[str, Any], path: str | Path) -> ModelConfig:
    """Configuration of a published checkpoint, from the shapes of its weights."""
    layers = [name for name in state if name.startswith("fc") and name.endswith(".weight")]
    needed = ("fc1.weight", "gru1.weight_hh_l0")
    if len(layers) < 2 or any(getattr(state.get(name), "ndim", 0) != 2 for name in needed):
        raise InputError(f"{path}: holds {_listing(state)}; fc1, fc2, ..., gru1 and gru2 are needed")
    width, n_features = state["fc1.weight"].shape
    if n_features != PUBLISHED.n_features:
        raise InputError(
            f"{path}: reads {n_features} features a pick and does not say which; published networks read "
            f"{PUBLISHED.n_features} ({', '.join(FEATURES['published'])})"
        )
    return ModelConfig("published", state["gru1.weight_hh_l0"].shape[1], width, len(layers) - 1)


def _check_shapes(state: Mapping[str, Any], model: StackedGRU, path: str | Path) -> None:
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(getattr(value, "shape", ())) for name, value in state.items()}
    faults = [f"{name} is missing" for name in wanted if name not in found]
    faults += [f"{name} has no place here" for name in found if name not in wanted]
    faults += [
        f"{name} is {_times(found[name])}, {_times(shape)} is needed"
        for name, shape in wanted.items()
        if name in found and found[name] != shape
    ]
    # One number can be made to look like a matrix of any size.
    faults += [f"{name} is not stored in full" for name in wanted if name in found and not _stored_in_full(state[name])]
    if faults:
        more = f", and {len(faults) - 4} more" if len(faults) > 4 else ""
        c = model.config
        raise InputError(
            f"{path}: not the weights of a network of {c.n_features} features ({c.features}), {c.n_fc} layers of {c.fc_width}, "
            f"and 2 recurrent ones of {c.hidden_size}: {'; '.join(faults[:4])}{more}"
        )


def _stored_in_full(value: Any) -> bool:
    return not isinstance(value, Tensor) or value.is_contiguous()


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) if math.prod(shape) > 0 and shape else "no tensor"


def _listing(state: Mapping[str, Any]) -> str:
    names = sorted({name.partition(".")[0] for name in state})
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "nothing"
