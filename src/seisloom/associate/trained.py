"""A network for a study: the facts that its checkpoint holds, and one trained on the way where there is none."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from seisloom.associate.dataset import WindowSettings
from seisloom.associate.models import ModelConfig, StackedGRU, load_model, read_checkpoint
from seisloom.associate.sources import StreamSource
from seisloom.associate.stream import Variety, stream_windows
from seisloom.associate.study import Study
from seisloom.associate.train import LAST, Step, Trained, TrainSettings, train
from seisloom.errors import InputError

# Networks that link less well than this miss most events of a sequence.
POOR_F1 = 0.5
# Windows of an epoch where training is bounded by time.
_EPOCH_WINDOWS = 16_384


def model_facts(study: Study, windows: WindowSettings) -> dict[str, Any]:
    """What a checkpoint says of the windows and the network that it was trained for."""
    region = asdict(study.network.region)
    return {"windows": asdict(windows), "stations": sorted(study.network.ids), "region": region}


def check_device(name: str) -> None:
    """InputError for a device that is not here."""
    import torch

    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"device {name!r} cannot be used here ({torch.cuda.device_count()} GPUs are seen); use cpu, or cuda where there is one"
        ) from error


def reads_padding(model: StackedGRU) -> bool:
    """Whether a network expects all picks of t_win and zeros after them, as published ones do."""
    return model.config.features == "published" and model.config.tail > 0


def open_model(
    path: Path, study: Study, fallback: WindowSettings, device: str
) -> tuple[StackedGRU, WindowSettings, list[str]]:
    """A network, the windows that it reads (``fallback`` where its checkpoint does not say), and warnings.

    InputError for one that was trained for none of these stations.
    """
    model, made = load_model(path, device), read_checkpoint(path)
    windows = _window_settings(made["windows"], path) if "windows" in made else fallback
    windows = replace(windows, features=model.config.features)
    if "windows" not in made:
        return (
            model,
            windows,
            [
                f"{path}: does not say what it was trained for; windows of {windows.t_win_s:g} s, at most {windows.n_max_picks} picks "
                f"and events picked out to {windows.max_distance_km:g} km are taken"
            ],
        )
    return model, windows, _compare(made, study, path)


def train_for(
    study: Study,
    windows: WindowSettings,
    variety: Variety,
    folder: Path,
    *,
    minutes: float,
    seed: int,
    hidden_size: int = 48,
    device: str = "cpu",
    progress: Callable[[Step], None] | None = None,
) -> Trained:
    """A network trained for ``minutes`` on streams simulated at the stations of ``study``; kept in ``folder``.

    Called again it goes on where it was stopped, and returns at once what is complete; a training for other stations,
    travel times or windows in that folder is thrown away.
    """
    import torch

    limits = study.limits(windows)
    facts = model_facts(study, windows) | {"limits": hashlib.sha256(limits.tobytes()).hexdigest()[:16]}
    if (folder / LAST).exists() and any(read_checkpoint(folder / LAST).get(name) != facts[name] for name in facts):
        shutil.rmtree(folder)

    def stream(rng: np.random.Generator) -> Any:
        return stream_windows(variety, study.network, study.times, limits, windows, rng)

    torch.manual_seed(seed)
    model = StackedGRU(ModelConfig(windows.features, hidden_size))
    # Bounded by time alone: the learning rate falls to nothing when it is over.
    settings = TrainSettings(n_epochs=10_000, patience=10_000, max_minutes=minutes, seed=seed)
    source = StreamSource(stream, seed, _EPOCH_WINDOWS)
    return train(model, source, settings, folder, device=device, resume=True, progress=progress, facts=facts)


def quality(trained: Trained) -> str:
    """How well a network links simulated picks that it was not trained on, with advice where that is little."""
    best = trained.history.sort_values("held_out_loss", kind="stable").iloc[0]
    windows = int(trained.history["windows"].sum())
    text = (
        f"the network was trained on {windows} simulated windows; of links that it had not seen it finds "
        f"{100 * best['recall_1']:.0f} %, and {100 * best['precision_1']:.0f} % of those that it finds are right"
    )
    return (
        text
        if best["f1"] >= POOR_F1
        else f"{text}: that is poor, train longer (--train-minutes) or on a machine less busy"
    )


def _window_settings(stated: Any, path: Path) -> WindowSettings:
    try:
        return WindowSettings(**stated)
    except (TypeError, InputError) as error:
        raise InputError(f"{path}: its 'windows' are {stated!r}, which is not understood") from error


def _compare(made: Mapping[str, Any], study: Study, path: Path) -> list[str]:
    """What differs between a network's training and this study; InputError if they have no station in common."""
    stated = made.get("stations", [])
    if not isinstance(stated, list):
        raise InputError(f"{path}: its 'stations' are {stated!r}; a list of names is expected")
    here, there = set(study.network.ids), set(stated)
    if there and not here & there:
        raise InputError(
            f"{path}: trained for {len(there)} other stations ({', '.join(sorted(there)[:3])}, ...), none of them in the list; "
            "train a network for these stations"
        )
    notes = []
    strange = sorted(here - there) if there else []
    if strange:
        notes.append(
            f"{path}: trained without {len(strange)} of the {len(here)} stations ({', '.join(strange[:3])}"
            f"{', ...' if len(strange) > 3 else ''}); links at these may be poor"
        )
    if "region" in made and made["region"] != asdict(study.network.region):
        notes.append(f"{path}: trained for another region than {study.network.region}; links may be poor")
    return notes
