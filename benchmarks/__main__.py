"""``python -m benchmarks`` lists the benchmarks; ``python -m benchmarks NAME [options]`` runs one, or all."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
PREFIX = "bench_"


def available() -> dict[str, str]:
    """Name and first docstring line of every ``bench_NAME.py``, without importing any of them."""
    listing = {}
    for path in sorted(HERE.glob(f"{PREFIX}*.py")):
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        listing[path.stem.removeprefix(PREFIX)] = doc.partition("\n")[0]
    return listing


def run(name: str, argv: list[str]) -> None:
    """Call ``main(argv)`` of the benchmark ``name``."""
    importlib.import_module(f"benchmarks.{PREFIX}{name}").main(argv)


def main(argv: list[str]) -> int:
    benchmarks = available()
    name, options = (argv[0], argv[1:]) if argv else ("", [])
    if name in benchmarks:
        run(name, options)
    elif name == "all":
        for each in benchmarks:
            print(f"\n=== {each}", flush=True)
            run(each, [])
    elif name in ("", "-h", "--help", "list"):
        print("usage: python -m benchmarks NAME [options]   (NAME --help explains them; `all` runs all)")
        width = max(map(len, benchmarks), default=0)
        for each, summary in benchmarks.items():
            print(f"  {each:{width}}  {summary}")
    else:
        print(f"no benchmark {name!r}; there are: {', '.join(benchmarks)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
