"""NetCDF-4 by way of xarray and h5netcdf, with the attributes of the CF conventions where they apply."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seisloom.export.rows import Rows, attributes

if TYPE_CHECKING:
    import xarray as xr

ATTRIBUTES: dict[str, dict[str, str]] = {
    "ccf": {"long_name": "cross-correlation function"},
    "count": {"long_name": "windows in the mean", "units": "1"},
    "snr": {"long_name": "signal-to-noise ratio", "units": "1"},
    "lag": {"long_name": "lag, positive for energy that travels from A to B", "units": "s"},
    "day": {"long_name": "start of the day (UTC)", "standard_name": "time"},
    "time": {"long_name": "start of the window or sub-stack (UTC)", "standard_name": "time"},
    "period": {"long_name": "start of the stacking period (UTC)", "standard_name": "time"},
    "pair": {"long_name": "pair of channels A_B"},
    "distance_km": {"long_name": "geodesic distance from A to B", "units": "km"},
    "azimuth_deg": {"long_name": "azimuth at A towards B", "units": "degree"},
    "back_azimuth_deg": {"long_name": "azimuth at B towards A", "units": "degree"},
}
_OF_ONE_CHANNEL: dict[str, dict[str, str]] = {
    "channel_{}": {"long_name": "channel {}"},
    "latitude_{}": {"long_name": "latitude of {}", "standard_name": "latitude", "units": "degrees_north"},
    "longitude_{}": {"long_name": "longitude of {}", "standard_name": "longitude", "units": "degrees_east"},
    "elevation_{}_m": {"long_name": "elevation of {}, positive up", "units": "m", "positive": "up"},
    "sensor_azimuth_{}_deg": {"long_name": "sensor azimuth of {}, clockwise from north", "units": "degree"},
    "sensor_dip_{}_deg": {"long_name": "sensor dip of {}, down from horizontal", "units": "degree"},
}
for _letter in "ab":
    for _name, _values in _OF_ONE_CHANNEL.items():
        ATTRIBUTES[_name.format(_letter)] = {key: v.format(_letter.upper()) for key, v in _values.items()}


def write(data: xr.Dataset, rows: Rows, target: Path) -> int:
    """Write ``target``; returns 1, the number of files.

    ``xarray.open_dataset(target, engine="h5netcdf")`` gives the dataset back. Missing rows are NaN. The
    correlations are added block by block to a file that xarray wrote without them.
    """
    import h5netcdf  # type: ignore[import-untyped]

    labelled = _labelled(data)
    rest = labelled.drop_vars("ccf")
    encoding = {name: {"_FillValue": None} for name in rest.coords if rest[name].dtype.kind == "f"}
    rest.to_netcdf(target, engine="h5netcdf", encoding=encoding)
    with h5netcdf.File(target, "a") as file:
        ccf = data["ccf"]
        variable = file.create_variable("ccf", ccf.dims, dtype="f4", fillvalue=np.float32(np.nan))
        variable.attrs.update(labelled["ccf"].attrs)
        # The names that xarray needs to make coordinates of them again.
        variable.attrs["coordinates"] = " ".join(sorted(map(str, set(ccf.coords) - set(ccf.dims))))
        for block in rows.blocks():
            variable[block.pairs, block.times] = block.ccf
    return 1


def _labelled(data: xr.Dataset) -> xr.Dataset:
    """A copy with every attribute in a type that NetCDF has, and units and long names where it has none."""
    out = data.copy().drop_encoding()
    out.attrs = {"Conventions": "CF-1.11"} | attributes(data.attrs)
    for name in out.variables:
        out[name].attrs = ATTRIBUTES.get(str(name), {}) | attributes(data[name].attrs)
    return out
