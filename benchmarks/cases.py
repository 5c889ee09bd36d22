"""The named cases of the association benchmark, from the generator of development and from the held-out one."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import twists
from benchmarks.held_out import generator as held_out
from benchmarks.held_out.sources import Conditions
from benchmarks.recording import Recording
from seisloom.associate.network import Network, make_network, region_around
from seisloom.associate.scenario import CASES, Scenario
from seisloom.associate.score import predictions
from seisloom.associate.simulate import simulate
from seisloom.associate.synthetic import CRUST, KINDS, synthetic_sites, synthetic_times

GENERATORS = ("development", "held-out")
# Networks are the same in all streams of a kind.
NETWORK_SEED = 1


@dataclass(frozen=True)
class Case:
    """A network and what it records, by generator; None where that generator has nothing like it."""

    held_out: tuple[str, Conditions] | None
    """Key of ``held_out.networks.LAYOUTS``."""
    development: tuple[str, int | None, Scenario] | None
    """Key of ``synthetic.KINDS`` and number of stations (None: the usual one)."""
    twist: twists.Twist | None = None
    n_min_picks: int = 8
    peers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings of the other programs that differ from those of the network."""

    def network(self, generator: str) -> str:
        """The kind of network, whose stations are always the same for a number of them."""
        if generator == "held-out" and self.held_out:
            return self.held_out[0]
        assert self.development
        return self.development[0]


def _case(
    network: str, like: str, n_stations: int | None = None, development: dict[str, Any] | None = None, **asked: Any
) -> Case:
    """The same events an hour, noise and label errors from both generators."""
    own = development or {}
    common = {"events_per_hour": asked.get("events_per_hour", 100.0), "noise_ratio": asked.get("noise_ratio", 1.0)}
    scenario = Scenario(**common, **own)
    return Case((network, Conditions(**asked)), (like, n_stations, scenario))


_LOCAL = _case("hills", "local")
_DEEP: dict[str, Any] = {
    "error_p_s": 0.15, "error_s_s": 0.3, "station_term_p_s": 0.15, "station_term_s_s": 0.26,
    "radius_min_km": 120.0, "radius_max_km": 400.0,
}  # fmt: skip
_ERRORS = {"error_p_s": 0.1, "error_s_s": 0.2, "outlier_s": 0.6}
_WIDE = {"radius_min_km": 60.0, "radius_max_km": 250.0}


def _with_errors(scale: float) -> Case:
    return _case("hills", "local", development={k: scale * v for k, v in _ERRORS.items()}, error_scale=scale)


def _one_phase(lacking: str) -> dict[str, dict[str, Any]]:
    """Events have half of the picks, and none of a phase."""
    octo = {"n_picks": 8, f"n_{lacking}_picks": 0, "n_p_and_s_picks": 0}
    return {"pyocto": octo, "gamma": {"min_picks_per_eq": 8}}


def _sizes() -> dict[str, Case]:
    """Networks of 6 to 300 stations at two rates."""
    kinds = {
        6: ("volcano", "small", {"radius_min_km": 15.0}),
        12: ("valley", "small", {}),
        30: ("coast", "local", {}),
        100: ("basin", "regional", _WIDE),
        300: ("nation", "regional", _WIDE),
    }
    found = {}
    for n, (network, like, own) in kinds.items():
        for rate in (100, 500):
            case = _case(network, like, n, own, events_per_hour=rate)
            if n == 6:  # an event has 12 picks at most
                case = replace(case, n_min_picks=6, peers={"pyocto": {"n_picks": 6}, "gamma": {"min_picks_per_eq": 6}})
            found[f"n{n}_{rate}"] = case
    return found


NAMED = {
    "local_100": _LOCAL,
    "bursts_100": _case("hills", "local", development={"burst_share": 0.5}, burst_share=0.6),
    "labels_100": _case("hills", "local", development={"swap_share": 0.1}, label_error=0.1),
    "outside_100": _case("coast", "local", development={"outside_share": 0.3}, outside_share=0.6),
    "local_500": _case("hills", "local", events_per_hour=500, noise_ratio=0.5),
    "noisy_500": _case("hills", "local", events_per_hour=500, noise_ratio=3.0),
    "local_2000": _case("hills", "local", events_per_hour=2000, noise_ratio=0.0),
    "subduction_100": _case("trench", "subduction", development=_DEEP),
    "subduction_500": _case("trench", "subduction", development=_DEEP, events_per_hour=500),
}
"""What the quality to reach is named for."""
ROBUST = {
    "fast_model": replace(_LOCAL, twist=twists.velocities(1.03)),
    "slow_model": replace(_LOCAL, twist=twists.velocities(0.97)),
    "small_errors": _with_errors(0.6),
    "large_errors": _with_errors(1.6),
    "outliers": _case("hills", "local", development={"outlier_share": 0.08}, outlier_share=0.08),
    "silent": replace(_LOCAL, twist=twists.silent_stations),
    "clock": replace(_LOCAL, twist=twists.clock_error),
    "duplicates": replace(_LOCAL, twist=twists.duplicate_stations),
    "p_only": replace(_LOCAL, twist=twists.only(0), peers=_one_phase("s")),
    "s_only": replace(_LOCAL, twist=twists.only(1), peers=_one_phase("p")),
    "mainshock": Case(("hills", Conditions(events_per_hour=300, mainshock=True)), None),
}
SIZES = _sizes()
# The cases of the tests and of training, which the generator of development has besides.
_USUAL = {name: Case(None, (case.network, None, case.scenario)) for name, case in CASES.items()}
ALL = _USUAL | NAMED | SIZES | ROBUST
GROUPS = {"named": list(NAMED), "sizes": list(SIZES), "robust": list(ROBUST)}


def available(generator: str) -> list[str]:
    """Names of the cases that a generator has."""
    which = "held_out" if generator == "held-out" else "development"
    return [name for name, case in ALL.items() if getattr(case, which) is not None]


def make(name: str, generator: str, seed: int, duration_s: float | None = None) -> Recording:
    """The recording of a case: the same for the same seed."""
    case = ALL[name]
    # Networks do not share their earthquakes, the cases of one network do.
    rng = np.random.default_rng([seed, zlib.crc32(case.network(generator).encode())])
    make_one: Callable[..., Recording] = _held_out if generator == "held-out" else _development
    recording = make_one(case, duration_s, rng)
    return case.twist(recording, rng) if case.twist else recording


def _held_out(case: Case, duration_s: float | None, rng: np.random.Generator) -> Recording:
    assert case.held_out
    network, asked = case.held_out
    return held_out.record(network, replace(asked, duration_s=duration_s or asked.duration_s), rng)


def _development(case: Case, duration_s: float | None, rng: np.random.Generator) -> Recording:
    assert case.development
    kind, n, scenario = case.development
    return develop(kind, n, replace(scenario, duration_s=duration_s or scenario.duration_s), rng)


def develop(kind: str, n: int | None, scenario: Scenario, rng: np.random.Generator) -> Recording:
    """A stream of the generator of development; its ceiling does not know the delays of stations."""
    sites, network = development_network(kind, n)
    times = synthetic_times(network)
    simulated = simulate(scenario, network, times, rng)
    picks = pd.DataFrame(
        {
            "time_s": simulated.picks.time_s,
            "station": simulated.picks.station.astype(np.int64),
            "phase": simulated.picks.phase.astype(np.int64),
            "probability": simulated.picks.probability.astype(np.float64),
            "event": simulated.event.astype(np.int64),
        }
    )
    predicted, sigma = predictions(simulated.events, scenario, network, times)
    seen = scenario.detection * np.array([1.0, scenario.s_detection])
    detection = np.broadcast_to(np.tile(seen, len(sites)), predicted.shape)
    return Recording(sites, network.region, CRUST, picks, simulated.events, predicted, sigma, detection)


def development_network(kind: str, n: int | None) -> tuple[pd.DataFrame, Network]:
    """Sites and network of a kind with its region."""
    sites, layout = synthetic_sites(kind, n, np.random.default_rng(NETWORK_SEED)), KINDS[kind]
    return sites, make_network(sites, region_around(sites, layout.margin_km, 0.0, layout.z_max_km))
