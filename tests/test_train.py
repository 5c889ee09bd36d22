"""Training: batches, scores, learning what can be learnt, going on where it was stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seisloom.associate.dataset import WindowSet, WindowSettings
from seisloom.associate.metrics import Confusion, count, evaluate
from seisloom.associate.models import ModelConfig, StackedGRU, load_model, one_thread, read_checkpoint
from seisloom.associate.sources import DatasetSource, StreamSource, batches
from seisloom.associate.stream import Variety, stream_windows
from seisloom.associate.train import Step, Trained, TrainSettings, schedule, train
from seisloom.associate.windows import FEATURES, pair_limits
from seisloom.errors import InputError, SettingsError
from seisloom.plot.learning import learning_curves
from seisloom.plot.style import save
from tests.association import ring_network, uniform_times

CONFIG = ModelConfig("relative", hidden_size=8, fc_width=8, n_fc=1)
PLACE = FEATURES["relative"].index("place")


@pytest.fixture(autouse=True)
def calm() -> Iterator[None]:
    """One thread: small batches on a busy machine take far longer with several."""
    with one_thread():
        yield


def easy_windows(rng: np.random.Generator, n: int = 300) -> WindowSet:
    """Windows in which a pick belongs to the root if its place is within 0.4 of the middle: learnt in seconds."""
    sizes = rng.integers(2, 20, n)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    x = rng.uniform(-1, 1, (offsets[-1], len(FEATURES["relative"]))).astype(np.float32)
    x[offsets[:-1], PLACE] = 0.0
    return WindowSet(x, (np.abs(x[:, PLACE]) < 0.4).astype(np.uint8), offsets)


def easy_source(n: int = 2000, held_out: int = 400) -> StreamSource:
    def forever(rng: np.random.Generator) -> Iterator[WindowSet]:
        while True:
            yield easy_windows(rng)

    return StreamSource(forever, 11, n, held_out)


def model(seed: int = 0) -> StackedGRU:
    torch.manual_seed(seed)
    return StackedGRU(CONFIG)


FAST = TrainSettings(n_epochs=4, batch_picks=400, learning_rate=0.02)


# --- batches


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(1, 40), st.booleans())
def test_every_window_is_in_one_batch(sizes: list[int], batch_picks: int, shuffle: bool) -> None:
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    number = np.arange(1, offsets[-1] + 1)
    windows = WindowSet(np.column_stack([number, -number]).astype(np.float32), (number % 2).astype(np.uint8), offsets)
    seen = []
    for batch in batches(windows, batch_picks, np.random.default_rng(1) if shuffle else None):
        assert batch.x.shape[:2] == batch.y.shape
        assert batch.y.numel() <= max(batch_picks, batch.y.shape[1]) or len(batch.y) == 1
        assert int(batch.lengths.max()) == batch.x.shape[1]
        for x, y, n in zip(batch.x, batch.y, batch.lengths.tolist(), strict=True):
            seen.append(x[:n, 0].tolist())
            assert (x[:n, 1] == -x[:n, 0]).all()
            assert (y[:n] == x[:n, 0] % 2).all()
            assert not x[n:].any()
            assert not y[n:].any()
    expected = [list(map(float, part)) for part in np.split(number, offsets[1:-1])]
    assert sorted(seen) == expected


def test_padding_is_rare() -> None:
    windows = easy_windows(np.random.default_rng(2), 3000)
    rows = sum(b.y.numel() for b in batches(windows, 1000, np.random.default_rng(3)))
    assert rows < 1.05 * len(windows.labels)


def test_pools_of_a_stream_are_the_stream() -> None:
    source = easy_source(n=40_000)
    sizes = [pool.n_windows for pool in source.epoch(0)]
    assert sum(sizes) == 40_000
    assert max(sizes) == 16_384
    again, other = (np.concatenate([p.features for p in source.epoch(k)]) for k in (0, 1))
    assert np.array_equal(again, np.concatenate([p.features for p in source.epoch(0)]))
    assert again[:100].tobytes() != other[:100].tobytes()


def test_held_out_windows_are_never_learnt() -> None:
    windows = easy_windows(np.random.default_rng(4), 500)
    source = DatasetSource(windows, seed=1, held_out_share=0.2)
    assert source.held_out.n_windows == 100
    assert source.n_windows == 400
    starts = [{p.features[a].tobytes() for a in p.offsets[:-1]} for p in (source.held_out, next(source.epoch(0)))]
    assert not starts[0] & starts[1]
    assert len(starts[0] | starts[1]) == 500
    assert np.array_equal(DatasetSource(windows, 1, 0.2).held_out.features, source.held_out.features)
    assert not np.array_equal(DatasetSource(windows, 2, 0.2).held_out.features, source.held_out.features)
    with pytest.raises(InputError, match="1 windows, of which 1 would be held out"):
        DatasetSource(windows.take(np.array([0])), 1)


# --- scores


def test_scores_counted_by_hand() -> None:
    predicted = torch.tensor([1, 1, 1, 1, 0, 0, 0, 0, 0, 0]).bool()
    true = torch.tensor([1, 1, 1, 0, 1, 1, 0, 0, 0, 0]).bool()
    confusion = count(predicted, true)
    assert confusion == Confusion(hits=3, false_links=1, misses=2, true_others=4)
    assert confusion.scores() == pytest.approx(
        {"precision_1": 3 / 4, "recall_1": 3 / 5, "precision_0": 4 / 6, "recall_0": 4 / 5, "f1": 2 / 3}
    )
    assert confusion.plus(confusion).scores() == pytest.approx(confusion.scores())
    assert Confusion().scores()["f1"] == 0.0


def test_scores_and_loss_know_nothing_of_padding_and_roots() -> None:
    """Against a loop over single windows: no padding at all, the root left out of the counts by hand."""
    windows, net = easy_windows(np.random.default_rng(5), 60), model().eval()
    loss, confusion = evaluate(net, windows, link_weight=1.7)
    total, expected = 0.0, np.zeros(4, int)
    for a, b in zip(windows.offsets[:-1], windows.offsets[1:], strict=True):
        with torch.no_grad():
            p = (
                torch.sigmoid(net(torch.from_numpy(windows.features[None, a:b]), torch.tensor([b - a])))[0]
                .double()
                .numpy()
            )
        y = windows.labels[a:b] == 1
        total -= (1.7 * np.log(p[y])).sum() + np.log(1 - p[~y]).sum()
        guess, truth = p[1:] > 0.5, y[1:]
        expected += [(guess & truth).sum(), (guess & ~truth).sum(), (~guess & truth).sum(), (~guess & ~truth).sum()]
    assert tuple(confusion) == tuple(expected)
    assert loss == pytest.approx(total / len(windows.labels), rel=1e-5)


# --- training


def test_schedule() -> None:
    """Linear over the first tenth, then half a cosine: its peak, its middle and its end."""
    assert schedule(0.0, 0.1) == pytest.approx(0.02)
    assert schedule(0.05, 0.1) == pytest.approx(0.51)
    assert schedule(0.1, 0.1) == pytest.approx(1.0)
    assert schedule(0.55, 0.1) == pytest.approx(0.5)
    assert schedule(1.0, 0.1) == schedule(1.5, 0.1) == pytest.approx(0.0)
    assert schedule(0.0, 0.0) == 1.0


def test_learns_what_can_be_learnt(tmp_path: Path) -> None:
    steps: list[Step] = []
    trained = train(model(), easy_source(), FAST, tmp_path, progress=steps.append, facts={"windows": {"t_win_s": 9.0}})
    history = trained.history
    assert trained.ended == "4 epochs are done"
    assert history["held_out_loss"].iloc[-1] < 0.15 < history["held_out_loss"].iloc[0]
    assert history[["precision_1", "recall_1", "precision_0", "recall_0"]].iloc[-1].min() > 0.93
    assert history["windows"].tolist() == [2000] * 4
    assert (np.diff([s.share for s in steps]) > 0).all()
    assert [s.epoch for s in steps] == sorted(s.epoch for s in steps)
    # The weights that are kept are those of the best epoch, and give its loss again.
    best = history.loc[history["held_out_loss"].idxmin()]
    name = f"model_{best['epoch']:03.0f}_{best['held_out_loss']:.6f}.pt"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best.pt", "history.csv", "last.pt", name]
    for net in (trained.model, load_model(tmp_path / name), load_model(tmp_path / "best.pt")):
        assert not net.training
        source = easy_source()
        weight = (np.count_nonzero(source.held_out.labels == 0) / (source.held_out.labels.sum() - 400)) ** FAST.balance
        assert evaluate(net, source.held_out, float(weight))[0] == pytest.approx(best["held_out_loss"], rel=1e-6)
    assert read_checkpoint(tmp_path / "best.pt")["windows"] == {"t_win_s": 9.0}
    assert read_checkpoint(tmp_path / "best.pt")["epoch"] == best["epoch"]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "history.csv"), history)


def test_learns_from_simulated_picks(tmp_path: Path) -> None:
    network = ring_network()
    times, settings = uniform_times(network), WindowSettings(max_distance_km=120.0)
    limits = pair_limits(network, times, settings.max_distance_km)
    variety = Variety(ranges={"events_per_hour": (20.0, 60.0)}, events_per_stream=40.0)
    source = StreamSource(lambda rng: stream_windows(variety, network, times, limits, settings, rng), 3, 4000, 1000)
    trained = train(model(), source, TrainSettings(n_epochs=3, batch_picks=512, learning_rate=0.01), tmp_path)
    last = trained.history.iloc[-1]
    assert last["held_out_loss"] < 0.95 * trained.history["held_out_loss"].iloc[0]
    assert min(last["precision_1"], last["recall_1"]) > 0.7
    assert last["f1"] > 0.8


def same(a: Trained, b: Trained) -> bool:
    """Bit for bit, but for the times that were taken."""
    pd.testing.assert_frame_equal(
        a.history.drop(columns="seconds"), b.history.drop(columns="seconds"), check_exact=True
    )
    states = a.model.state_dict(), b.model.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


class Stopped(StreamSource):
    """Ctrl-C in the middle of an epoch."""

    def __init__(self, source: StreamSource, epoch: int) -> None:
        self.__dict__ |= source.__dict__
        self._stop = epoch

    def epoch(self, number: int) -> Iterator[WindowSet]:
        for pool in super().epoch(number):
            yield pool.take(np.arange(pool.n_windows // 2))
            if number == self._stop:
                raise KeyboardInterrupt
            yield pool.take(np.arange(pool.n_windows // 2, pool.n_windows))


def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = train(model(), Stopped(easy_source(), -1), FAST, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(model(), Stopped(easy_source(), 2), FAST, tmp_path / "parts")
    assert read_checkpoint(tmp_path / "parts" / "last.pt")["epoch"] == 1
    assert not list((tmp_path / "parts").glob("*.part"))
    # The weights that the model comes with do not matter: those of the last epoch are taken.
    parts = train(model(7), Stopped(easy_source(), -1), FAST, tmp_path / "parts", resume=True)
    assert same(whole, parts)
    again = train(model(7), easy_source(), FAST, tmp_path / "parts", resume=True)
    assert len(again.history) == 4  # nothing was left to do


def test_seeds(tmp_path: Path) -> None:
    settings = TrainSettings(n_epochs=1, batch_picks=400)
    runs = [train(model(s), easy_source(), settings, tmp_path / str(k)) for k, s in enumerate((0, 0, 1))]
    assert same(runs[0], runs[1])
    with pytest.raises(AssertionError):
        same(runs[0], runs[2])


def test_more_epochs_may_follow(tmp_path: Path) -> None:
    train(model(), easy_source(), TrainSettings(n_epochs=1, batch_picks=400), tmp_path)
    trained = train(model(), easy_source(), TrainSettings(n_epochs=2, batch_picks=400), tmp_path, resume=True)
    assert trained.history["epoch"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("settings", "config", "message"),
    [
        (TrainSettings(n_epochs=1, batch_picks=300), CONFIG, "another training: batch_picks was 400 and is 300"),
        (TrainSettings(n_epochs=1, batch_picks=400), ModelConfig(hidden_size=9), "the network was .*'hidden_size': 8"),
    ],
)
def test_going_on_with_something_else(
    tmp_path: Path, settings: TrainSettings, config: ModelConfig, message: str
) -> None:
    train(model(), easy_source(), TrainSettings(n_epochs=1, batch_picks=400), tmp_path)
    with pytest.raises(InputError, match=message):
        train(StackedGRU(config), easy_source(), settings, tmp_path, resume=True)


def test_going_on_from_a_model_alone(tmp_path: Path) -> None:
    train(model(), easy_source(), TrainSettings(n_epochs=1, batch_picks=400), tmp_path)
    (tmp_path / "best.pt").replace(tmp_path / "last.pt")
    with pytest.raises(
        InputError, match="holds no history, optimizer_state_dict, scaler_state_dict, seconds, settings"
    ):
        train(model(), easy_source(), FAST, tmp_path, resume=True)


def test_ends_when_it_learns_nothing_more(tmp_path: Path) -> None:
    """Held-out labels contrary to those that are learnt: the first epoch stays the best."""
    source = easy_source()
    source.held_out = source.held_out._replace(labels=1 - source.held_out.labels)
    settings = TrainSettings(n_epochs=50, batch_picks=400, learning_rate=0.02, patience=2)
    trained = train(model(), source, settings, tmp_path)
    assert trained.ended == "no smaller held-out loss in 2 epochs"
    assert trained.history["held_out_loss"].idxmin() == len(trained.history) - 3


def test_ends_when_its_time_is_over(tmp_path: Path) -> None:
    settings = TrainSettings(n_epochs=10_000, batch_picks=400, max_minutes=1.5 / 60)
    trained = train(model(), easy_source(), settings, tmp_path)
    assert trained.ended.endswith("minutes are over")
    assert len(trained.history) < 100  # one epoch takes about half a second
    assert trained.history["learning_rate"].iloc[-1] < 0.5 * settings.learning_rate


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_epochs": 0}, "n_epochs is 0; 1 or more"),
        ({"learning_rate": 0.0}, "learning_rate is 0; it must be above 0"),
        ({"max_minutes": -1.0}, "max_minutes is -1"),
        ({"batch_picks": 0, "patience": 0}, "2 faults"),
    ],
)
def test_impossible_settings(change: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        TrainSettings(**change)


def test_what_cannot_be_trained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the windows have 11 features, the model reads 5"):
        train(StackedGRU(ModelConfig("published")), easy_source(), FAST, tmp_path)
    source = easy_source()
    source.held_out = source.held_out._replace(labels=np.ones_like(source.held_out.labels))
    with pytest.raises(InputError, match="and 0 others; both are needed"):
        train(model(), source, FAST, tmp_path)
    source = easy_source()
    source.held_out.features[0, 0] = np.nan
    with pytest.raises(InputError, match="the loss is no number after epoch 0"):
        train(model(), source, FAST, tmp_path / "new")
    assert not (tmp_path / "new" / "best.pt").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the folder of models"):
        train(model(), easy_source(), FAST, tmp_path / "file")


def test_ctrl_c_leaves_a_model_to_use_and_to_go_on_from(tmp_path: Path) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from tests.test_train import *
torch.set_num_threads(1)
train(model(), easy_source(), TrainSettings(n_epochs=500, patience=500, batch_picks=400), {str(tmp_path)!r})
"""
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "last.pt").exists():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=180)
    assert "KeyboardInterrupt" in errors
    n_epochs = read_checkpoint(tmp_path / "last.pt")["epoch"] + 1
    load_model(tmp_path / "best.pt")
    settings = TrainSettings(n_epochs=n_epochs + 1, patience=500, batch_picks=400)
    assert len(train(model(), easy_source(), settings, tmp_path, resume=True).history) == n_epochs + 1


# --- learning curves


def history(n: int) -> pd.DataFrame:
    columns = ["loss", "held_out_loss", "precision_1", "recall_1", "precision_0", "recall_0"]
    table = pd.DataFrame(np.random.default_rng(6).uniform(0.3, 0.9, (n, 6)), columns=columns)
    table.insert(0, "epoch", np.arange(n))
    return table


@pytest.mark.parametrize("n", [1, 5, 80])
def test_learning_curves_show_what_is_in_the_history(tmp_path: Path, n: int) -> None:
    table = history(n)
    figure = learning_curves(table)
    left, right = figure.axes
    drawn = {line.get_label(): line.get_ydata() for ax in (left, right) for line in ax.lines}
    np.testing.assert_array_equal(drawn["held-out windows"], table["held_out_loss"])
    np.testing.assert_array_equal(drawn["recall, other picks"], table["recall_0"])
    np.testing.assert_array_equal(drawn["precision, same event"], table["precision_1"])
    assert left.texts[0].get_text() == f"kept: epoch {table['held_out_loss'].idxmin() + 1}"
    low, high = right.get_ylim()
    assert low <= table[["precision_1", "recall_1", "precision_0", "recall_0"]].to_numpy().min()
    assert high > 1.0
    assert save(figure, tmp_path / "curves.png").stat().st_size > 5000


def test_learning_curves_of_something_else() -> None:
    with pytest.raises(InputError, match=r"has no column recall_1; give the history\.csv"):
        learning_curves(history(3).drop(columns="recall_1"))
    with pytest.raises(InputError, match="holds no epoch yet"):
        learning_curves(history(0))
