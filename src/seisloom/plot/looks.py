"""How figures of correlations look, from text as people write it: largest lag or range, pass band, velocities."""

from __future__ import annotations

import math

from seisloom.errors import InputError
from seisloom.plot.traces import Band, Lags

MOST_VELOCITIES = 12


def read_lag(text: str | None, name: str = "lag") -> Lags | None:
    """``60`` (largest lag, s) or ``-20,60`` (range); None for nothing. InputError names what is wrong as ``name``."""
    numbers = read_numbers(text, name)
    if len(numbers) > 2 or (len(numbers) == 2 and not numbers[0] < numbers[1]) or numbers == (0.0,):
        raise InputError(f"{name} {text!r}: write the largest lag (60) or a range (-20,60), in seconds")
    return None if not numbers else numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def read_band(text: str | None, name: str = "band") -> Band | None:
    """``0.1,0.5`` (lowest and highest frequency, Hz); None for nothing."""
    numbers = read_numbers(text, name)
    if len(numbers) not in (0, 2):
        raise InputError(f"{name} {text!r}: write the lowest and the highest frequency, such as 0.1,0.5, in Hz")
    return (numbers[0], numbers[1]) if numbers else None


def read_velocities(text: str | None, name: str = "velocities") -> tuple[float, ...]:
    """``2,3,4`` (km/s); an empty text is none."""
    numbers = read_numbers(text, name)
    if any(not speed > 0 for speed in numbers):
        raise InputError(f"{name} {text!r}: use positive numbers of km/s")
    if len(numbers) > MOST_VELOCITIES:
        raise InputError(f"{name}: {len(numbers)} are more lines than can be told apart: at most {MOST_VELOCITIES}")
    return numbers


def read_numbers(text: str | None, name: str) -> tuple[float, ...]:
    """Finite numbers separated by commas; empty for nothing."""
    try:
        numbers = tuple(float(part) for part in (text or "").split(",") if part.strip())
    except ValueError:
        numbers = (math.nan,)
    if not all(map(math.isfinite, numbers)):
        raise InputError(f"{name} {text!r}: write numbers separated by commas, such as 2,3,4")
    return numbers
