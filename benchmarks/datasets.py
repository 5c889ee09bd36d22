"""A day of realistic records for any number of channels, laid out so that every program finds its files.

    ROOT/sds/YEAR/NET/STA/CHA.D/...        MiniSEED, Steim-2, SDS names (seisloom, MSNoise)
    ROOT/scedc/YEAR/YEAR_DAY/...           links to the same files under SCEDC names (NoisePy)
    ROOT/stationxml/NET_STA.xml            full responses: sensor, digitiser, decimation filters
    ROOT/stations.csv, ROOT/params.csv     seisloom's two tables

The ground motion is a diffuse field (plane waves from all round) plus noise of each site, coloured like the
ocean's microseism, in counts through each channel's own response.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measure import WORK

if TYPE_CHECKING:
    from obspy import Inventory, UTCDateTime
    from obspy.core.inventory import Response
    from obspy.core.inventory.response import CoefficientsTypeResponseStage, PolesZerosResponseStage

NETWORK, LOCATION, CHANNEL = "XX", "00", "BHZ"
DAY_S = 86_400
RADIUS_KM = 100.0
CENTRE = (35.0, -117.5)
WAVES = 48
WAVE_BAND_HZ = (0.05, 1.5)
WAVE_SPEED_KM_S = 3.0
# Ground acceleration, dB relative to 1 (m/s²)²/Hz: a quiet site with a primary and a secondary microseism.
NOISE_HZ = (1e-3, 1e-2, 0.05, 0.07, 0.10, 0.20, 0.40, 1.0, 10.0)
NOISE_DB = (-160, -168, -152, -140, -146, -120, -128, -140, -138)
# Decimation filters of the digitiser from fast to slow: (factor, number of taps).
FIR_CHAIN = ((8, 65), (4, 65), (2, 81), (2, 121))
# The parameters that every program is given: Hz and seconds.
SETTINGS = {"fs": 10, "freqmin": 0.1, "freqmax": 1.0, "cc_step": 450, "cc_len": 1800, "maxlag": 200}


@dataclass(frozen=True)
class Dataset:
    """Where the files of a generated day lie, and what they hold."""

    root: Path
    n_channels: int
    rate_hz: float
    seed: int
    day: str

    @property
    def sds(self) -> Path:
        return self.root / "sds"

    @property
    def scedc(self) -> Path:
        return self.root / "scedc"

    @property
    def stationxml(self) -> Path:
        return self.root / "stationxml"

    @property
    def stations_csv(self) -> Path:
        return self.root / "stations.csv"

    @property
    def params_csv(self) -> Path:
        return self.root / "params.csv"

    @property
    def n_pairs(self) -> int:
        return self.n_channels * (self.n_channels - 1) // 2

    @cached_property
    def start(self) -> UTCDateTime:
        from obspy import UTCDateTime

        return UTCDateTime(self.day)


def make_day(
    directory: Path, n_channels: int, rate_hz: float = 20.0, seed: int = 1, day: str = "2019-02-03"
) -> Dataset:
    """Write one day of ``n_channels`` channels under ``directory``, or find it there from an earlier call.

    A station has the same position, instrument and records whatever ``n_channels`` is.
    """
    directory.mkdir(parents=True, exist_ok=True)
    dataset = Dataset(directory.resolve(), n_channels, rate_hz, seed, day)
    stamp = directory / "dataset.json"
    contents = json.dumps(asdict(dataset) | {"root": "."})
    if stamp.exists() and stamp.read_text() == contents:
        return dataset
    stamp.unlink(missing_ok=True)
    field = _DiffuseField(round(DAY_S * rate_hz), rate_hz, np.random.default_rng(seed))
    rows = ["Network,Station,Location,Channel,Latitude,Longitude,Elevation,Azimuth,Dip,SampleRate"]
    for index in range(n_channels):
        rows.append(_make_station(dataset, index, field))
    dataset.stations_csv.write_text("\n".join(rows) + "\n")
    values = ",".join(map(str, SETTINGS.values()))
    dataset.params_csv.write_text(f"{','.join(SETTINGS)}\n{values}\n")
    stamp.write_text(contents)
    return dataset


def _make_station(dataset: Dataset, index: int, field: _DiffuseField) -> str:
    """Write the records and the metadata of one station; its row of stations.csv."""
    from seisloom.geo import destination, local_xy

    rng = np.random.default_rng((dataset.seed, index))
    lat, lon = destination(*CENTRE, rng.uniform(0, 360), RADIUS_KM * np.sqrt(rng.uniform()))
    latitude, longitude = round(float(lat), 5), round(float(lon), 5)
    elevation_m = round(rng.uniform(0, 2000), 1)
    station = f"S{index:03d}"
    inventory = _inventory(station, latitude, longitude, elevation_m, dataset.rate_hz, rng)
    dataset.stationxml.mkdir(exist_ok=True)
    inventory.write(str(dataset.stationxml / f"{NETWORK}_{station}.xml"), format="STATIONXML")
    east_km, north_km = local_xy(latitude, longitude, *CENTRE)
    spectrum = field.at(float(east_km), float(north_km), rng) * _sampled(inventory[0][0][0].response, field.freqs)
    counts = np.fft.irfft(spectrum, field.n_samples).round().astype(np.int32)
    _write_records(dataset, station, counts)
    codes = f"{NETWORK},{station},{LOCATION},{CHANNEL}"
    return f"{codes},{latitude},{longitude},{elevation_m},0,-90,{dataset.rate_hz:g}"


def _write_records(dataset: Dataset, station: str, counts: np.ndarray) -> None:
    from obspy import Trace

    codes = {"network": NETWORK, "station": station, "location": LOCATION, "channel": CHANNEL}
    trace = Trace(counts, codes | {"sampling_rate": dataset.rate_hz, "starttime": dataset.start})
    year, julday = dataset.start.year, f"{dataset.start.julday:03d}"
    path = dataset.sds / f"{year}/{NETWORK}/{station}/{CHANNEL}.D/{trace.id}.D.{year}.{julday}"
    path.parent.mkdir(parents=True, exist_ok=True)
    trace.write(str(path), format="MSEED", encoding="STEIM2", reclen=512)
    padded = f"{NETWORK}{station:_<5}{CHANNEL}{LOCATION:_<3}"
    link = dataset.scedc / f"{year}/{year}_{julday}/{padded}{year}{julday}.ms"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(path, link.parent))


class _DiffuseField:
    """Spectra of ground velocity (m/s, as from ``numpy.fft.rfft``) at any place of one realisation."""

    def __init__(self, n_samples: int, rate_hz: float, rng: np.random.Generator) -> None:
        self.n_samples = n_samples
        self.freqs = np.fft.rfftfreq(n_samples, 1 / rate_hz)
        self.amplitude = _velocity_amplitude(self.freqs) * np.sqrt(n_samples * rate_hz / 2)
        first, last = np.searchsorted(self.freqs, WAVE_BAND_HZ)
        # Bins as blocks × 256, so that a delay's phase is an outer product of two short vectors.
        self.first, self.shape = first, ((last - first) // 256, 256)
        azimuth = rng.uniform(0, 2 * np.pi, WAVES)
        self.slowness = np.stack([np.sin(azimuth), np.cos(azimuth)]) / WAVE_SPEED_KM_S
        self.waves = _complex_normal(rng, (WAVES, *self.shape)) / np.sqrt(WAVES)

    def at(self, east_km: float, north_km: float, rng: np.random.Generator) -> np.ndarray:
        """Half the power from the waves that all stations share (in their band), the rest the site's own."""
        delay_s = east_km * self.slowness[0] + north_km * self.slowness[1]
        df = self.freqs[1]
        turn = -2j * np.pi * df * delay_s[:, None]
        blocks = np.exp(turn * (self.first + self.shape[1] * np.arange(self.shape[0]))).astype(np.complex64)
        within = np.exp(turn * np.arange(self.shape[1])).astype(np.complex64)
        shared = np.einsum("wbf,wb,wf->bf", self.waves, blocks, within, optimize=["einsum_path", (0, 1), (0, 1)])
        spectrum = _complex_normal(rng, len(self.freqs))
        band = slice(self.first, self.first + shared.size)
        spectrum[band] = np.sqrt(0.5) * (spectrum[band] + shared.ravel())
        spectrum *= self.amplitude
        return spectrum


def _complex_normal(rng: np.random.Generator, shape: int | tuple[int, ...]) -> np.ndarray:
    """Circular complex normal deviates with E|z|² = 1."""
    parts = rng.standard_normal((*np.atleast_1d(shape), 2), dtype=np.float32) * np.float32(np.sqrt(0.5))
    return parts.view(np.complex64)[..., 0]


def _velocity_amplitude(freqs: np.ndarray) -> np.ndarray:
    """Square root of the velocity density (m/s)/√Hz of the noise model; zero at 0 Hz."""
    positive = np.maximum(freqs, freqs[1])
    decibel = np.interp(np.log(positive), np.log(NOISE_HZ), NOISE_DB)
    return np.where(freqs > 0, 10 ** (decibel / 20) / (2 * np.pi * positive), 0.0)


def _sampled(response: Response, freqs: np.ndarray) -> np.ndarray:
    """Response to velocity at ``freqs``, interpolated from 1000 of them (it is smooth in log frequency)."""
    knots = np.geomspace(freqs[1], freqs[-1], 1000)
    values = response.get_evalresp_response_for_frequencies(knots, output="VEL")
    where = np.maximum(freqs, freqs[1])
    amplitude = np.interp(where, knots, np.abs(values))
    phase = np.interp(where, knots, np.unwrap(np.angle(values)))
    return amplitude * np.exp(1j * phase)


def _inventory(
    station: str,
    latitude: float,
    longitude: float,
    elevation_m: float,
    rate_hz: float,
    rng: np.random.Generator,
) -> Inventory:
    from obspy import Inventory, UTCDateTime
    from obspy.core.inventory import Channel, Equipment, Network, Site, Station

    place = {"latitude": latitude, "longitude": longitude, "elevation": elevation_m}
    opened = UTCDateTime(2015, 1, 1)
    channel = Channel(
        CHANNEL, LOCATION, **place, depth=0, azimuth=0, dip=-90, sample_rate=rate_hz, start_date=opened,
        sensor=Equipment(description="broadband velocity sensor, 120 s"), response=_response(rate_hz, rng),
    )  # fmt: skip
    site = Station(station, **place, site=Site(name=f"Station {station}"), channels=[channel], start_date=opened)
    return Inventory([Network(NETWORK, [site], start_date=opened)], source="seisloom benchmarks")


def _response(rate_hz: float, rng: np.random.Generator) -> Response:
    """A 120 s broadband sensor, a 24-bit digitiser and its decimation filters; no two quite the same."""
    from obspy.core.inventory import Response
    from obspy.core.inventory.response import InstrumentSensitivity

    fast_hz = rate_hz * np.prod([factor for factor, _ in FIR_CHAIN])
    stages = [
        _sensor_stage(rng),
        _digital_stage(2, fast_hz, 1, np.ones(1), gain=419_430.4 * rng.uniform(0.99, 1.01)),
    ]
    for factor, n_taps in FIR_CHAIN:
        stages.append(_digital_stage(len(stages) + 1, fast_hz, factor, _low_pass(factor, n_taps), gain=1.0))
        fast_hz /= factor
    units = {"input_units": "M/S", "output_units": "COUNTS"}
    response = Response(instrument_sensitivity=InstrumentSensitivity(1.0, 1.0, **units), response_stages=stages)
    response.recalculate_overall_sensitivity(1.0)
    return response


def _sensor_stage(rng: np.random.Generator) -> PolesZerosResponseStage:
    from obspy.core.inventory.response import PolesZerosResponseStage

    corner = 2 * np.pi / (120 * rng.uniform(0.98, 1.02))
    damping = 0.707 * rng.uniform(0.98, 1.02)
    upper = 2 * np.pi * 90 * rng.uniform(0.95, 1.05)
    poles = np.array([corner * (-damping + s * 1j * np.sqrt(1 - damping**2)) for s in (1, -1)])
    poles = np.concatenate([poles, upper * np.exp(1j * np.pi * np.array([0.75, -0.75]))])
    zeros = np.zeros(2, complex)
    at_1_hz = 2j * np.pi
    factor = abs(np.prod(at_1_hz - poles) / np.prod(at_1_hz - zeros))
    return PolesZerosResponseStage(
        1, stage_gain=1500 * rng.uniform(0.98, 1.02), stage_gain_frequency=1.0,
        input_units="M/S", output_units="V", pz_transfer_function_type="LAPLACE (RADIANS/SECOND)",
        normalization_frequency=1.0, normalization_factor=factor, zeros=zeros, poles=poles,
    )  # fmt: skip


def _low_pass(factor: int, n_taps: int) -> np.ndarray:
    """Linear-phase decimation filter, unit gain at 0 Hz."""
    from scipy.signal import firwin

    return np.asarray(firwin(n_taps, 0.8 / factor, window=("kaiser", 8.0)))


def _digital_stage(
    number: int, rate_hz: float, factor: int, taps: np.ndarray, gain: float
) -> CoefficientsTypeResponseStage:
    from obspy.core.inventory.response import CoefficientsTypeResponseStage

    delay_s = (len(taps) - 1) / 2 / rate_hz
    return CoefficientsTypeResponseStage(
        number, stage_gain=gain, stage_gain_frequency=1.0, input_units="V" if number == 2 else "COUNTS",
        output_units="COUNTS", cf_transfer_function_type="DIGITAL", numerator=taps.tolist(), denominator=[],
        decimation_input_sample_rate=rate_hz, decimation_factor=factor, decimation_offset=0,
        decimation_delay=delay_s, decimation_correction=delay_s,
    )  # fmt: skip


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.datasets", description="Make a benchmark day.")
    parser.add_argument("n_channels", type=int)
    parser.add_argument("--directory", type=Path, help="default: benchmarks/.work/day_N")
    options = parser.parse_args(argv)
    print(make_day(options.directory or WORK / f"day_{options.n_channels}", options.n_channels).root)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
