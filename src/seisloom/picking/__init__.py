"""Continuous records to picks: station by station and day by day, with a picker that can be exchanged.

``picker`` says what a picker is, ``classical`` and ``neural`` are two; ``stretches`` brings records to what pickers read,
``amplitude`` measures ground motion after a pick, ``station`` picks a day of a station with ``records`` around it, ``job`` all
of them, and ``ledger`` keeps what is done.
"""

from __future__ import annotations

from pathlib import Path

from seisloom.picking.picker import CLASSICAL, Onset, Picker

__all__ = ["CLASSICAL", "Onset", "Picker", "open_picker"]


def open_picker(
    model: str = "PhaseNet", weights: str | Path | None = None, threshold: float | None = None, device: str = "cpu"
) -> Picker:
    """The picker of a name: ``stalta``, or a model of SeisBench with ``weights`` (a set's name, or a file).

    ``threshold`` is the least probability (default: 0.3, and all that triggers for stalta). InputError for what is not
    known, SourceError where weights cannot be had, MissingExtraError without SeisBench.
    """
    if model == CLASSICAL:
        from seisloom.errors import InputError
        from seisloom.picking.classical import ClassicalPicker

        if weights:
            raise InputError(f"weights {weights}: {CLASSICAL} has none")
        return ClassicalPicker(threshold or 0.0)
    from seisloom.picking.neural import THRESHOLD, open_neural

    return open_neural(model, weights, THRESHOLD if threshold is None else threshold, device)
