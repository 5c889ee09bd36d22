"""What jobs tell people elsewhere, without paths of this machine."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlparse

from seisloom.jobs.sources import Sources

_PATH = re.compile(r"(?<![\w.:/])(?:file://)?(/[^/\s'\",;:()]+)((?:/[^/\s'\",;:()]+)*)/?")


def discreet(workspace: str, sources: Sources) -> Callable[[str], str]:
    """What makes a text fit for everybody: the workspace and the operator's sources go by their names.

    Of other paths of this machine the end is left.
    """
    known = {spec: name for name, spec in sources.archives.items()}
    if "/" in workspace:  # a bare name tells nothing, and may be any word
        known[workspace] = "the workspace"
    if sources.default and ":" in sources.default:
        known.setdefault(sources.default, "the default source")
    if "://" not in workspace or workspace.startswith("file://"):
        local = unquote(urlparse(workspace).path) if "://" in workspace else workspace
        known[str(Path(local).expanduser().resolve())] = "the workspace"
    patterns = [
        (re.compile(rf"(?<![\w./-]){re.escape(inner.rstrip('/'))}(?![\w-])"), shown.replace("\\", r"\\"))
        for inner, shown in sorted(known.items(), key=lambda item: -len(item[0]))
    ]

    def told(text: str) -> str:
        for pattern, shown in patterns:
            text = pattern.sub(shown, text)
        return _PATH.sub(_shortened, text)

    return told


def _shortened(path: re.Match[str]) -> str:
    """The end of a path, where it is one of this machine."""
    try:
        ours = Path(path[1]).exists()
    except OSError:
        ours = False
    return f".../{path[2].rpartition('/')[2]}" if ours and path[2] else path[0]
