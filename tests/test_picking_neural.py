"""SeisBench's models as pickers: the picks are SeisBench's own, whatever records are cut into. Weights are random here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seisloom.errors import InputError, MissingExtraError, SourceError
from seisloom.picking import open_picker, station
from seisloom.picking.job import pick_records
from seisloom.picking.neural import NeuralPicker
from seisloom.picking.stretches import on_grid
from seisloom.waveforms.base import NS_PER_S
from seisloom.waveforms.synthetic import SyntheticSource
from tests.picking import HOUR_NS, midnight

torch = pytest.importorskip("torch")
seisbench = pytest.importorskip("seisbench")
models = pytest.importorskip("seisbench.models")
obspy = pytest.importorskip("obspy")


def seeded(kind: str, **arguments: Any) -> Any:
    """A model with random weights, the same every time, whose probabilities go up and down with the data."""
    torch.manual_seed(5)
    model = getattr(models, kind)(**arguments).eval()
    plain = model.forward
    with torch.no_grad():
        windows = model.annotate_batch_pre(torch.randn(16, 3, model.in_samples).cumsum(-1), {"sampling_rate": 20.0})
        levels = [_level(part) for part in _parts(plain(windows))]

    def forward(x: Any) -> Any:
        made = plain(x)
        sure = [torch.sigmoid(2 * (torch.logit(p) - m) / s - 1) for p, (m, s) in zip(_parts(made), levels, strict=True)]
        return sure[0] if isinstance(made, torch.Tensor) else tuple(sure)

    model.forward = forward
    return model


def _parts(made: Any) -> list[Any]:
    """What a model says: one array of all labels, or one for each."""
    return [made] if isinstance(made, torch.Tensor) else list(made)


def _level(p: Any) -> tuple[Any, Any]:
    """Mean and standard deviation of the logit of each label, away from the ends of windows."""
    if p.ndim > 1 and p.shape[-1] > 3:
        p = p[..., p.shape[-1] // 4 : -p.shape[-1] // 4]
    dims = [0, 2] if p.ndim == 3 else [0] if p.shape[1] == 3 else [0, 1]
    return torch.logit(p).mean(dims, keepdim=True), torch.logit(p).std(dims, keepdim=True)


def small(**arguments: Any) -> Any:
    return seeded("VariableLengthPhaseNet", **{"in_samples": 300, "sampling_rate": 20, "phases": "NPS"} | arguments)


FILTER = {"filter_args": ["highpass"], "filter_kwargs": {"freq": 1.0, "corners": 2}}
# Of models whose overlap or stride is another by default, what seisloom takes.
CASES: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "PhaseNet": (partial(seeded, "PhaseNet"), {"overlap": 0.5}),
    "small": (small, {}),
    "blind": (partial(small, default_args={"blinding": (30, 30), "overlap": 200}), {}),
    "filtered": (partial(small, **FILTER), {}),
    "GPD": (partial(seeded, "GPD", phases="PSN"), {}),
    "EQTransformer": (partial(seeded, "EQTransformer"), {}),
}


@pytest.mark.parametrize("name", CASES)
def test_picks_are_those_of_seisbench(name: str, rng: np.random.Generator) -> None:
    make, options = CASES[name]
    model = make()
    rate = model.sampling_rate
    n = max(round(60 * rate), model.in_samples + round(17.3 * rate))
    data = np.rint(100 * rng.normal(size=(3, n)).cumsum(axis=1))
    header = {"network": "XX", "station": "A", "sampling_rate": rate}
    stream = obspy.Stream(
        [obspy.Trace(row, header | {"channel": f"HH{c}"}) for c, row in zip("ZNE", data, strict=True)]
    )
    level = 0.6
    picker = NeuralPicker(model, name, threshold=level)
    keys = {f"{phase}_threshold": level for phase in "PS"}
    expected = sorted(
        (pick.phase, pick.peak_time - stream[0].stats.starttime, pick.peak_value)
        for pick in model.classify(stream, **options, **keys).picks
    )
    got = sorted((onset.phase, onset.sample / rate, onset.probability) for onset in picker.pick(data, 0))
    assert len(expected) > 1
    assert [pick[0] for pick in got] == [pick[0] for pick in expected]
    np.testing.assert_allclose([p[1:] for p in got], [p[1:] for p in expected], atol=2e-3)


def test_picks_of_days_are_those_of_one_long_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(station, "BLOCK_S", 700.0)
    source = SyntheticSource("stations=1,rate=20,components=ZNE,quakes=600,seed=4")
    picker = NeuralPicker(small(), "small", threshold=0.8)
    start_ns, end_ns = midnight(1) - HOUR_NS // 3, midnight(1) + HOUR_NS // 2
    summary = pick_records(source.table, picker, source, tmp_path, start_ns, end_ns, workers=1)
    margin_ns = 200 * NS_PER_S
    rows = [source.fetch(source.ids[k], start_ns - margin_ns, end_ns + margin_ns).segments[0] for k in (2, 1, 0)]
    whole = [on_grid(row, 20.0) for row in rows]
    expected = sorted(
        (whole[0].start_ns + round(onset.sample * NS_PER_S / 20), onset.phase)
        for onset in picker.pick(np.stack([piece.data for piece in whole]), whole[0].first)
    )
    expected = [pick for pick in expected if start_ns <= pick[0] < end_ns]
    table = summary.table()
    assert len(expected) > 100
    assert list(zip(table["time"].astype(np.int64), table["phase"], strict=True)) == expected


def test_windows_stand_on_a_grid_of_time(rng: np.random.Generator) -> None:
    """Away from its ends, what is picked in a piece does not depend on where it has been cut."""
    picker = NeuralPicker(small(), "small", threshold=0.8)
    data = rng.normal(size=(3, 6000)).cumsum(axis=1)
    whole = {(o.sample, o.phase) for o in picker.pick(data, 1_000_003)}
    for cut in (1, 77, 150, 299):
        part = {(o.sample + cut, o.phase) for o in picker.pick(data[:, cut:], 1_000_003 + cut)}
        inside = range(cut + 300, 5999)
        assert {pick for pick in part if pick[0] in inside} == {pick for pick in whole if pick[0] in inside}
        assert len(part) > 10


def test_models_that_do_not_pick_are_refused() -> None:
    with pytest.raises(InputError, match="model CRED: it does not tell probabilities of P and S"):
        NeuralPicker(models.CRED(), "CRED")
    with pytest.raises(InputError, match="reads components ZNEH"):
        NeuralPicker(models.PhaseNet(component_order="ZNEH", in_channels=4), "obs")


def test_weights_come_from_a_file(tmp_path: Path, rng: np.random.Generator) -> None:
    saved = seeded("PhaseNet")
    saved.save(tmp_path / "mine")
    picker = open_picker("PhaseNet", tmp_path / "mine.pt", threshold=0.4)
    assert picker.identity == NeuralPicker(saved, "saved", 0.4).identity
    assert picker.identity != NeuralPicker(saved, "saved", 0.5).identity
    torch.manual_seed(6)
    assert picker.identity != NeuralPicker(models.PhaseNet(), "other", 0.4).identity
    with pytest.raises(InputError, match=r"gone\.pt: no such file; weights are a FILE\.pt beside"):
        open_picker("PhaseNet", tmp_path / "gone.pt")
    with pytest.raises(InputError, match=r"mine\.pt: not weights of GPD"):
        open_picker("GPD", tmp_path / "mine.pt")
    (tmp_path / "mine.json").unlink()
    with pytest.raises(InputError, match=r"mine\.json: no such file"):
        open_picker("PhaseNet", tmp_path / "mine.pt")


def test_weights_come_from_the_cache_of_seisbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seisbench, "cache_model_root", tmp_path)
    monkeypatch.setattr(seisbench, "remote_model_root", "http://127.0.0.1:9/")
    saved = seeded("PhaseNet")
    (tmp_path / "phasenet").mkdir()
    saved.save(tmp_path / "phasenet" / "original", version_str="3")
    assert open_picker().identity == NeuralPicker(saved, "saved").identity
    with pytest.raises(
        SourceError, match=r"weights 'stead' of PhaseNet are not in .*phasenet and could not be downloaded"
    ):
        open_picker("PhaseNet", "stead")


def test_unknown_models_are_refused_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match=r"model 'PhaseNot' is unknown: use stalta, .* EQTransformer, .* PhaseNet,"):
        open_picker("PhaseNot")
    with pytest.raises(InputError, match=r"device 'abacus' is unknown: use cpu"):
        open_picker("PhaseNet", device="abacus")


def test_without_seisbench_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "seisbench.models", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'seisloom\[picker\]'"):
        open_picker()
    assert open_picker("stalta").name == "stalta"
