"""Downloads of the page Stacking: the picture, its data, and Python that draws it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nicegui import ui

from seisloom.web.client import Api, ApiError
from seisloom.web.pages.stacking_state import VIEWS, State

PICTURES = {"png": "PNG, 200 dpi", "svg": "SVG", "pdf": "PDF"}
DATA = {"npz": "NumPy (npz)", "nc": "NetCDF", "mseed": "MiniSEED (zip)", "sac": "SAC (zip)", "jld2": "Julia (jld2)"}
# Of a correlogram, the rows and the trace above them are apart.
TITLES = {
    "correlogram": {"correlogram": "Rows", "stack": "Stack"},
    "record-section": {"record-section": "Stacks"},
    "virtual-shot": {"virtual-shot": "Stacks"},
}
_COPY = """(event) => {
  const text = document.querySelector(".st-code code, .st-code pre").innerText;
  const say = (message) => Quasar.Notify.create({ message, timeout: 1500 });
  if (navigator.clipboard) navigator.clipboard.writeText(text).then(() => say("Copied"));
  else {
    const area = Object.assign(document.createElement("textarea"), { value: text });
    event.target.closest(".q-dialog").append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    say("Copied");
  }
}"""


class Downloads:
    """Two buttons: a menu of files, and a script. ``state`` gives what is shown."""

    def __init__(self, api: Api, state: Callable[[], State]) -> None:
        self._api, self._state = api, state
        self._links: list[tuple[ui.element, Callable[[State], str]]] = []
        self._groups: dict[str, list[ui.element]] = {view: [] for view in VIEWS}
        with (
            ui.button("Download", icon="download").props("flat no-caps").classes("st-download"),
            ui.menu() as self._menu,
        ):
            files = ui.list().props("dense").classes("st-files")
            with files:
                self._title("Picture")
                for ending, label in PICTURES.items():
                    self._link(label, partial(_picture, ending))
                for view, titles in TITLES.items():
                    for name, title in titles.items():
                        self._data(view, name, title)
        ui.button("Python", icon="code", on_click=self._show).props("flat no-caps").tooltip("A script that draws this")
        with ui.dialog() as self._dialog, ui.card().classes("st-script"):
            with ui.row().classes("items-center w-full"):
                ui.label("The same picture in Python").classes("sl-title")
                ui.space()
                ui.button("Copy", icon="content_copy").props("flat no-caps").on("click", js_handler=_COPY)
                ui.button(icon="close", on_click=self._dialog.close).props('flat round aria-label="Close"')
            self._code = ui.code("", language="python").classes("st-code")

    def update(self) -> None:
        """The picture is another."""
        state = self._state()
        for link, address in self._links:
            link.props["href"] = address(state)
        for view, elements in self._groups.items():
            for element in elements:
                element.set_visibility(view == state.view)

    def _data(self, view: str, name: str, title: str) -> None:
        first = len(self._links)
        self._groups[view].append(self._title(f"{title}: data"))
        for ending, label in DATA.items():
            self._link(label, partial(_data, name, ending))
        self._groups[view] += [link for link, _ in self._links[first:]]

    def _title(self, text: str) -> ui.element:
        return ui.item_label(text).props("header")

    def _link(self, label: str, address: Callable[[State], str]) -> None:
        with ui.element("q-item").props("tag=a clickable v-close-popup download") as link, ui.item_section():
            ui.label(label)
        link.on("click", self._menu.close)
        self._links.append((link, address))

    async def _show(self) -> None:
        try:
            answer = await self._api.send("GET", self._state().snippet())
        except ApiError as refused:
            ui.notify(str(refused), type="warning")
            return
        self._code.set_content(answer.text)
        self._dialog.open()


def _picture(ending: str, state: State) -> str:
    return state.figure(ending, download="true")


def _data(name: str, ending: str, state: State) -> str:
    return state.data(name, ending)
