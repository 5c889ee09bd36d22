"""What a synthetic network consists of: the keys of ``synthetic:key=value,...`` and their defaults."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seisloom.config import sentences
from seisloom.errors import SettingsError

Array = npt.NDArray[np.float64]

REFERENCE_HZ = 0.3
BLOCK_S = 7200
"""Hop of the blocks that the field is made of; a whole number of samples must fit in."""


class NetworkSettings(BaseModel):
    """Stations, instruments and noise of a synthetic network; ``describe_keys()`` lists every key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stations: int = Field(12, ge=1, le=5000, description="number of stations")
    seed: int = Field(1, ge=0, description="seed of the network and of its noise")
    rate: float = Field(20.0, ge=0.1, le=500, description="sampling rate, Hz")
    components: Literal["Z", "ZNE", "Z12"] = Field(
        "Z", description="vertical, with north and east, or with 1 and 2 that point anywhere"
    )
    aperture: float = Field(50.0, gt=0, le=1000, description="diameter of the circle that holds the stations, km")
    latitude: float = Field(42.75, ge=-85, le=85, description="centre of the network, degrees")
    longitude: float = Field(13.1, ge=-180, le=180, description="centre of the network, degrees")
    velocity: float = Field(3.0, gt=0, description="phase velocity of Rayleigh waves at 0.3 Hz, km/s")
    love_velocity: float = Field(3.5, gt=0, description="phase velocity of Love waves at 0.3 Hz, km/s")
    dispersion: float = Field(0.0, ge=0, lt=1, description="phase velocities go as (f / 0.3 Hz)^-dispersion")
    ellipticity: float = Field(
        0.7, ge=0, description="horizontal over vertical amplitude of Rayleigh waves, retrograde"
    )
    love: float = Field(0.8, ge=0, description="amplitude of Love waves over that of vertical Rayleigh waves")
    noise: float = Field(0.02, ge=0, description="incoherent over coherent amplitude of a channel, at every frequency")
    anisotropy: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share by which energy from azimuth exceeds the mean (0: from all sides alike)",
    )
    azimuth: float = Field(225.0, description="where most energy comes from if anisotropy > 0, degrees from north")
    clock: float = Field(0.0, ge=0, description="standard deviation of the stations' constant clock errors, s")
    sensor: Literal["mixed", "120", "20"] = Field(
        "mixed",
        description="corner period of the seismometers, s; mixed takes one kind or the other for a station",
    )
    quakes: int = Field(0, ge=0, le=5000, description="earthquakes a day, in a half-space of 6.0 and 3.464 km/s")

    def rayleigh_velocity(self, frequency: npt.ArrayLike) -> Array:
        """Phase velocity of Rayleigh waves in km/s at positive frequencies in Hz."""
        return self.velocity * self._dispersion(frequency)

    def love_wave_velocity(self, frequency: npt.ArrayLike) -> Array:
        """Phase velocity of Love waves in km/s at positive frequencies in Hz."""
        return self.love_velocity * self._dispersion(frequency)

    def _dispersion(self, frequency: npt.ArrayLike) -> Array:
        return (np.asarray(frequency, float) / REFERENCE_HZ) ** -self.dispersion


def parse_settings(text: str) -> NetworkSettings:
    """Settings from ``key=value,key=value``; empty text gives the defaults.

    Raises SettingsError with every fault: unknown keys with the nearest known one, values out of range.
    """
    faults, values = [], {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        key, equals, value = (p.strip() for p in part.partition("="))
        if key not in NetworkSettings.model_fields:
            near = get_close_matches(key, NetworkSettings.model_fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(NetworkSettings.model_fields)}"
            faults.append(f"unknown key {key!r}: {hint}")
        elif not equals:
            faults.append(f"{key!r} has no value: write {key}={NetworkSettings.model_fields[key].default}")
        else:
            values[key] = value
    try:
        settings = NetworkSettings.model_validate(values)
    except ValidationError as error:
        faults += sentences(error, NetworkSettings)
    else:
        faults += _contradictions(settings)
    if faults:
        raise SettingsError(faults, f"source synthetic:{text}")
    return settings


def _contradictions(settings: NetworkSettings) -> list[str]:
    faults = []
    samples = settings.rate * BLOCK_S
    if abs(samples - round(samples)) > 1e-9 * samples:
        near = round(samples) / BLOCK_S
        faults.append(f"rate {settings.rate:g} Hz: {BLOCK_S} s are not a whole number of samples: use {near:g}")
    if settings.components != "Z" and settings.ellipticity == settings.love == 0:
        faults.append("ellipticity and love are 0: the horizontals would not move; use components=Z or one above 0")
    return faults


def describe_keys() -> str:
    """One line a key: its default and meaning."""
    fields = NetworkSettings.model_fields.items()
    return "\n".join(f"{key}={field.default}: {field.description}" for key, field in fields)
