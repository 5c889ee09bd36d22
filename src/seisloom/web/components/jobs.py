"""The jobs of the workspace: their list, and one of them live. Both ask the API from the browser itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from nicegui.element import Element
from nicegui.events import GenericEventArguments

from seisloom.web.components.style import add_style


class JobList(Element, component="job_list.js", dependencies=["job_board.js"]):
    """The jobs of one kind ("" for all), newest first; ``on_select`` is called with the id of the one that is chosen."""

    def __init__(self, kind: str, empty: str, on_select: Callable[[str], None]) -> None:
        super().__init__()
        add_style("jobs")
        self._props["kind"] = kind
        self._props["empty"] = empty
        self._props["selected"] = ""
        self.on("select", lambda event: self._chosen(event, on_select))

    def _chosen(self, event: GenericEventArguments, on_select: Callable[[str], None]) -> None:
        self.choose(str(event.args))
        on_select(str(event.args))

    def choose(self, job_id: str) -> None:
        """Mark a job as the one that is looked at, "" for none."""
        self._props["selected"] = job_id

    def refresh(self) -> None:
        """Ask the API at once, such as after a launch."""
        self.run_method("refresh")


class JobPanel(Element, component="job_panel.js", dependencies=["job_board.js"]):
    """One job, live, with what can be done with it.

    ``links`` are offered when a job of the ``kind`` is done: label, address with ``{id}`` in place of the job's id, icon.
    ``on_reuse`` is called with the id of a job whose settings are wanted again; without it nothing of that is offered.
    """

    def __init__(
        self,
        kind: str,
        links: Sequence[tuple[str, str, str]],
        empty: str,
        on_deleted: Callable[[], None],
        on_reuse: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__()
        add_style("jobs")
        self._props["kind"] = kind
        self._props["links"] = [list(link) for link in links]
        self._props["empty"] = empty
        self._props["job_id"] = ""
        self._props["reusable"] = on_reuse is not None
        self.on("deleted", lambda: on_deleted())
        if on_reuse:
            self.on("reuse", lambda event: on_reuse(str(event.args)))

    def show(self, job_id: str) -> None:
        """Show a job, "" for none."""
        self._props["job_id"] = job_id
