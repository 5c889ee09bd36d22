"""Neural pickers of SeisBench (Woollam et al. 2022, doi:10.1785/0220210324): PhaseNet, EQTransformer, GPD and others.

Their windows begin at multiples of the step on a grid of absolute time, and one more at either end of a stretch: a pick does
not depend on how records are cut into days. Normalisation and the meaning of outputs are the model's own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seisloom.errors import InputError, MissingExtraError, SourceError
from seisloom.noise.engine_torch import open_device
from seisloom.picking.picker import CLASSICAL, Array, Onset, triggers

THRESHOLD = 0.3
# Half of a window overlaps the next, and point models look at every tenth sample, unless the model says otherwise.
_OVERLAP, _STRIDE = 0.5, 10
# A trigger may go on, and a filter of the model's own may ring, for so long.
_SPILL_S = 60.0
_BATCH = 128
_PHASE = re.compile(r"[PpSs][ngNG]?$")


class NeuralPicker:
    """A ``seisbench.models.WaveformModel`` that tells probabilities of P and S. InputError for one that does not."""

    def __init__(self, model: Any, name: str, threshold: float = THRESHOLD, device: Any = "cpu") -> None:
        kind = type(model).__name__
        labels = model.labels if isinstance(model.labels, str | list | tuple) else ()
        self._phases = {i: str(label)[0].upper() for i, label in enumerate(labels) if _PHASE.match(str(label))}
        if not self._phases or model.output_type not in ("array", "point"):
            raise InputError(f"model {kind}: it does not tell probabilities of P and S; use one that picks")
        if not (model.sampling_rate and model.in_samples):
            raise InputError(f"model {kind}: it has no fixed sampling rate and window; use another one")
        self.name, self.rate_hz, self.shortest = name, float(model.sampling_rate), int(model.in_samples)
        self.components = "".join({"1": "N", "2": "E"}.get(letter, letter) for letter in model.component_order or "")
        if not self.components or set(self.components) - set("ZNE"):
            raise InputError(f"model {kind}: it reads components {model.component_order}; Z, N and E can be given")
        self.margin_s = self.shortest / self.rate_hz + _SPILL_S
        self._model, self._threshold, self._device = model.to(device).eval(), threshold, device
        usual = {key: held[1] for key, held in getattr(model, "_annotate_args", {}).items() if "*" not in key}
        self._options = usual | dict(model.default_args) | {"sampling_rate": self.rate_hz}
        self._step = self._step_samples()
        self.identity = f"{kind} {_digest(model)} threshold {threshold:g}"

    def _step_samples(self) -> int:
        """From one window to the next: the model's own, half a window where its windows do not overlap."""
        if self._model.output_type == "point":
            return int(self._options.get("stride") or _STRIDE)
        overlap = self._options.get("overlap") or _OVERLAP
        return self.shortest - int(overlap * self.shortest if overlap < 1 else overlap)

    def pick(self, data: Array, first: int) -> list[Onset]:
        """Peaks of the probabilities above the threshold; a trigger ends where they fall below half of it."""
        data = self._filtered(data)
        starts = self._starts(data.shape[1], first)
        samples, curves = self._curves(data, starts)
        step = samples[1] - samples[0] if len(samples) > 1 else 1
        return [
            Onset(float(samples[peak]), phase, float(curves[peak, i]), float((stop - begin) * step / self.rate_hz))
            for i, phase in self._phases.items()
            for begin, peak, stop in triggers(curves[:, i], self._threshold, self._threshold / 2)
        ]

    def _starts(self, n: int, first: int) -> npt.NDArray[np.int64]:
        """First samples of the windows."""
        last = n - self.shortest
        starts = np.arange(-first % self._step, last + 1, self._step)
        # Samples before the first and after the last window are in one that is flush with the end.
        return np.unique(np.concatenate([[0], starts, [last]])) if self._model.output_type == "array" else starts

    def _filtered(self, data: Array) -> Array:
        """What the model wants to have done to records before they are cut into windows."""
        if self._model.filter_args is None and self._model.filter_kwargs is None:
            return data
        from obspy import Stream, Trace

        header = {"sampling_rate": self.rate_hz}
        rows = zip(self._model.component_order, data, strict=True)
        stream = Stream([Trace(row, header | {"channel": f"HH{letter}"}) for letter, row in rows])
        self._model.annotate_stream_pre(stream, self._options)
        return np.stack([trace.data for trace in stream])

    def _curves(self, data: Array, starts: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Array]:
        """Samples (n,) and the probability of every label at them (n, label): the mean, or the greatest, of overlapping windows."""
        if self._model.output_type == "point":
            curves = [np.nan_to_num(made) for _, made in self._predictions(data, starts)]
            return starts + int(self._model.pred_sample), np.concatenate(curves) if curves else np.zeros((0, 1))
        begin, end = self._model.pred_sample
        highest = self._options.get("stacking") == "max"
        total, count = (np.zeros((data.shape[1], len(self._model.labels))) for _ in range(2))
        for windows, made in self._predictions(data, starts):
            if made.shape[1] != end - begin:
                raise InputError(
                    f"model {type(self._model).__name__}: it predicts at another sampling rate than it reads"
                )
            for start, values in zip(windows, made, strict=True):
                span = slice(start + begin, start + end)
                known = np.isfinite(values)
                values = np.where(known, values, 0.0)
                total[span] = np.maximum(total[span], values) if highest else total[span] + values
                count[span] = np.maximum(count[span], known) if highest else count[span] + known
        return np.arange(data.shape[1]), np.divide(total, count, out=np.zeros_like(total), where=count > 0)

    def _predictions(self, data: Array, starts: npt.NDArray[np.int64]) -> Iterator[tuple[npt.NDArray[np.int64], Any]]:
        """(starts, predictions (window, ...)) of one batch of windows after the other."""
        import torch

        for k in range(0, len(starts), _BATCH):
            chosen = starts[k : k + _BATCH]
            windows = np.stack([data[:, start : start + self.shortest] for start in chosen])
            # Offsets of counts may be far larger than what single precision resolves.
            windows = windows - windows.mean(axis=-1, keepdims=True)
            with torch.no_grad():
                batch = torch.as_tensor(windows, dtype=torch.float32, device=self._device)
                prepared = self._model.annotate_batch_pre(batch, self._options)
                prepared, extra = prepared if isinstance(prepared, tuple) else (prepared, None)
                made = self._model.annotate_batch_post(self._model(prepared), piggyback=extra, argdict=self._options)
            yield chosen, made.cpu().numpy().astype(np.float64)


def open_neural(
    model: str, weights: str | Path | None = None, threshold: float = THRESHOLD, device: str = "cpu"
) -> NeuralPicker:
    """A SeisBench model with weights: the name of a set (``original``) or a FILE.pt beside its FILE.json.

    Sets come from SeisBench's cache, or are downloaded to it. InputError for models and files that cannot be used,
    SourceError where weights are neither in the cache nor reachable, MissingExtraError without SeisBench. ``device`` is
    cpu, cuda or cuda:N.
    """
    models = require_seisbench()
    kinds = _kinds(models)
    if model not in kinds:
        raise InputError(
            f"model {model!r} is unknown: use {CLASSICAL}, which needs no weights, or one of {', '.join(kinds)}"
        )
    chosen = open_device(device)
    weights = str(weights or "original")
    made = _from_file(kinds[model], Path(weights)) if ".pt" in weights else _from_cache(kinds[model], weights)
    if chosen.type == "cpu":
        import torch

        torch.set_num_threads(1)  # one station a thread
    return NeuralPicker(made, f"{model} {weights}", threshold, chosen)


def require_seisbench() -> Any:
    """The module seisbench.models; MissingExtraError without it."""
    try:
        import seisbench.models
    except ImportError as error:
        raise MissingExtraError(
            f"neural pickers need SeisBench: pip install 'seisloom[picker]' (--model {CLASSICAL} works without)"
        ) from error
    return seisbench.models


def _kinds(models: Any) -> dict[str, Any]:
    """The waveform models of SeisBench by name."""
    base = models.WaveformModel
    found = {name: getattr(models, name) for name in dir(models)}
    return {
        n: kind for n, kind in found.items() if isinstance(kind, type) and issubclass(kind, base) and kind is not base
    }


def _from_file(kind: Any, path: Path) -> Any:
    """A model from FILE.pt and FILE.json, or FILE.pt.vN and FILE.json.vN as in SeisBench's cache."""
    stem, _, version = path.name.partition(".pt")
    beside = path.with_name(f"{stem}.json{version}")
    for file in (path, beside):
        if not file.is_file():
            raise InputError(
                f"{file}: no such file; weights are a FILE.pt beside its FILE.json, as SeisBench saves them"
            )
    try:
        return kind.load(path.with_name(stem), version_str=version.removeprefix(".v") or None)
    except Exception as error:  # torch and SeisBench raise many kinds for files that are something else
        raise InputError(f"{path}: not weights of {kind.__name__}: {error}") from error


def _from_cache(kind: Any, name: str) -> Any:
    import seisbench

    try:
        return kind.from_pretrained(name)
    except Exception as error:  # of requests, of SeisBench, of torch
        where = kind._model_path()
        call = f'python -c "import seisbench.models as m; m.{kind.__name__}.from_pretrained({name!r})"'
        raise SourceError(
            f"weights {name!r} of {kind.__name__} are not in {where} and could not be downloaded from "
            f"{seisbench.remote_root}: {error}\nwith a connection, {call} downloads them, and the folder can be copied to other "
            f"machines; or give --weights FILE.pt; --model {CLASSICAL} needs none"
        ) from error


def _digest(model: Any) -> str:
    """Digest of weights and of what else decides predictions."""
    digest = hashlib.sha256(repr(sorted(model.default_args.items())).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
