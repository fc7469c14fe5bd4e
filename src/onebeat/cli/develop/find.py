"""Finding the application when none is named: by its text, since what is broken at the moment must be found too."""

from __future__ import annotations

import os
import re
from pathlib import Path

from onebeat.errors import ConfigurationError

_DECLARED = re.compile(r"^(\w+)(?:\s*:[^=\n]+)?\s*=\s*(?:\w+\.)?Onebeat\b", re.MULTILINE)
_REMEDY = 'name it: `onebeat dev module:app`, or app = "module:app" in [tool.onebeat] of pyproject.toml'


def find_application(folder: Path) -> str:
    """
    Find the one `name = Onebeat(...)` in the Python files of a folder, and of the packages right in it.

    Raises:
        ConfigurationError: There is none, or there are several.
    """
    packages = sorted(path.parent for path in folder.glob("*/__init__.py"))
    files = [file for place in (folder, *packages) for file in sorted(place.glob("*.py")) if _may_have_it(file)]
    found = [f"{_module(file, folder)}:{name}" for file in files for name in _DECLARED.findall(_text(file))]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigurationError(f"folder {folder} has several applications, {', '.join(found)}: {_REMEDY}")
    raise ConfigurationError(
        f"folder {folder} has no `app = Onebeat(...)` in its Python files, nor in those of a package in it: {_REMEDY}"
    )


def _may_have_it(file: Path) -> bool:
    if file.name.startswith((".", "test_")) or file.name == "conftest.py" or file.parent.name == "tests":
        return False
    return file.is_file() and os.access(file, os.R_OK)  # no link to nowhere


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def _module(file: Path, folder: Path) -> str:
    names = file.relative_to(folder).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)
