"""What the page Stacking shows, as it stands in its address: the parameters of the figures of the API, by the same names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

VIEWS = {"correlogram": "Correlogram", "record-section": "Record section", "virtual-shot": "Virtual shot"}
"""The pictures by the names of the API, and what they are called."""
DEFAULTS = {
    "pair": "",
    "station": "",
    "component": "",
    "method": "linear",
    "period": "",
    "start": "",
    "end": "",
    "stack": "",
    "band": "",
    "lag": "",
    "sides": "both",
    "velocities": "2,3,4",
    "kind": "auto",
    "bin_km": "",
    "colour": "distance",
    "scale_rows": "",
}
# What a picture depends on beside component, method, days, band, lag and velocities.
OWN = {
    "correlogram": ("pair", "period", "scale_rows"),
    "record-section": ("stack", "sides", "kind", "bin_km"),
    "virtual-shot": ("stack", "station", "sides", "kind", "colour"),
}
ALL = ("component", "method", "start", "end", "band", "lag", "velocities")


@dataclass
class State:
    """A job, one of VIEWS, and the values of the parameters as texts."""

    job: str = ""
    view: str = ""
    values: dict[str, str] = field(default_factory=lambda: dict(DEFAULTS))
    options: dict[str, str] = field(default_factory=dict)
    """Of the stacking method, those that are not its defaults."""

    @classmethod
    def read(cls, query: Mapping[str, str], options: list[str]) -> State:
        """The state that an address tells; ``options`` are its parameters ``set``. Unknown names are passed over."""
        values = DEFAULTS | {name: query[name][:100] for name in DEFAULTS if name in query}
        view = query.get("view", "")
        if view not in VIEWS:
            view = "correlogram" if values["pair"] else "virtual-shot" if values["station"] else "record-section"
        given = dict(text.split("=", 1) for text in options if "=" in text)
        return cls(query.get("job", "")[:100], view, values, given)

    def address(self) -> str:
        """The address of the page that shows this."""
        changed = [(name, value) for name, value in self.values.items() if value != DEFAULTS[name]]
        return "stacking?" + urlencode([("job", self.job), ("view", self.view), *changed, *self._set()])

    def query(self, view: str = "") -> str:
        """Parameters of the API for one of VIEWS (default: the one that is shown)."""
        names = ALL + OWN[view or self.view]
        changed = [(name, self.values[name]) for name in names if self.values[name] not in ("", DEFAULTS[name])]
        # Without velocities there are no lines, which is not the default.
        none = [("velocities", "")] if not self.values["velocities"] else []
        return urlencode([*changed, *none, *self._set()])

    def figure(self, ending: str, **more: Any) -> str:
        """Address of the picture."""
        return self._below(f"figures/{self.view}.{ending}", more)

    def data(self, name: str, ending: str) -> str:
        """Address of the data of a picture."""
        return self._below(f"data/{name}.{ending}", {})

    def snippet(self) -> str:
        """Path, below /api, of the Python that draws the picture."""
        return self._below("snippet", {"picture": self.view}).removeprefix("api")

    def explorer(self) -> dict[str, str]:
        """What the browser marks on map and table."""
        return {name: self.values[name] for name in ("component", "pair", "station")} | {"view": self.view}

    def _below(self, path: str, more: Mapping[str, Any]) -> str:
        query = "&".join(part for part in (self.query(), urlencode(more)) if part)
        return f"api/jobs/{quote(self.job, safe='')}/{path}?{query}"

    def _set(self) -> list[tuple[str, str]]:
        return [("set", f"{name}={value}") for name, value in self.options.items()]
