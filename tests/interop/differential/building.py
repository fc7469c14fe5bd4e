"""
Building the driver: asynq's own code with our files laid over it, so that its internals and its clock are in reach.

The module is copied out of Go's cache, whose files may not be replaced, and stays as it was released; the overlay
adds a command of ours, and gives the few files that ask the machine what time it is a clock that can be set.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent / "driver"
PEER = Path(__file__).parent.parent / "peer"
CLOCKED = ("client.go", "inspector.go", "processor.go", "recoverer.go")
"""Files that ask the machine's clock where the outcome shows it; everything else takes a clock as it is."""


def build(folder: Path) -> Path:
    """Build the driver in a folder; return the program."""
    module = folder / "asynq"
    shutil.copytree(_download(), module)
    overlay = {
        module / "differential" / "main.go": SOURCE / "main.go",
        module / "onebeat_driver.go": SOURCE / "driver.go",
        module / "onebeat_present.go": SOURCE / "present.go",
        module / "onebeat_clock.go": SOURCE / "clock.go",
    }
    for name in CLOCKED:
        overlay[module / name] = _with_a_clock(module / name, folder / name)
    plan = folder / "overlay.json"
    plan.write_text(json.dumps({"Replace": {str(place): str(source) for place, source in overlay.items()}}))
    program = folder / "driver"
    words = ["go", "build", "-overlay", str(plan), "-o", str(program), "./differential"]
    subprocess.run(words, cwd=module, check=True)
    return program


def _download() -> Path:
    """Return where Go keeps the released module that the peer is built on."""
    words = ["go", "list", "-m", "-f", "{{.Version}}", "github.com/hibiken/asynq"]
    version = subprocess.run(words, cwd=PEER, check=True, capture_output=True, text=True).stdout.strip()
    words = ["go", "mod", "download", "-json", f"github.com/hibiken/asynq@{version}"]
    answer = subprocess.run(words, cwd=PEER, check=True, capture_output=True, text=True).stdout
    return Path(json.loads(answer)["Dir"])


def _with_a_clock(source: Path, target: Path) -> Path:
    text = source.read_text(encoding="utf-8")
    clocked = text.replace("time.Now()", "driverClock.Now()").replace("time.Until(", "driverUntil(")
    assert clocked != text, f"{source.name} asks no clock any more: take it out of CLOCKED"
    target.write_text(clocked, encoding="utf-8")
    return target
