"""The Go code that the documentation shows, seen by Go's own compiler."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.interop.conftest import HERE

PAGE = HERE.parents[1] / "docs" / "how-to" / "go-services.md"
IMPORTS = ["context", "encoding/json", "fmt", "time", "github.com/hibiken/asynq"]


@pytest.mark.interop
def test_go_code_of_the_docs_compiles(program: Path, tmp_path: Path) -> None:
    """A type and a handler, then a client's call, as the bodies that they are parts of."""
    handling, enqueueing = re.findall(r"```go\n(.*?)```", PAGE.read_text(), re.DOTALL)
    types, _, registering = handling.partition("\n\n")
    imports = "\n".join(f'"{name}"' for name in IMPORTS)
    lines = [
        f"package main\nimport (\n{imports}\n)",
        types,
        f"func main() {{\nmux := asynq.NewServeMux()\n{registering}",
        f"client := asynq.NewClient(asynq.RedisClientOpt{{}})\n{enqueueing}}}",
    ]
    (tmp_path / "main.go").write_text("\n".join(lines))
    for name in ("go.mod", "go.sum"):
        shutil.copy(HERE / "peer" / name, tmp_path)
    done = subprocess.run(["go", "vet", "."], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
