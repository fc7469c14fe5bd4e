"""Finding the application that `module:app` names, as the user's shell would."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from onebeat.app.app import Onebeat
from onebeat.errors import ConfigurationError


def application(target: str) -> Onebeat[Any]:
    """
    Import an application.

    Args:
        target: "package.module:attribute"; the attribute defaults to "app". The current folder is looked in.

    Raises:
        ConfigurationError: There is no such module or attribute, or it is no `Onebeat`.
    """
    module_name, _, attribute = target.partition(":")
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise ConfigurationError(f"application {target!r} names no module: write module:app, such as shop.tasks:app")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise
        raise ConfigurationError(
            f"application {target!r}: there is no module {error.name!r} in {here} or on the path; "
            "write module:app, without .py"
        ) from None
    found = getattr(module, attribute or "app", None)
    if not isinstance(found, Onebeat):
        names = [name for name, value in vars(module).items() if isinstance(value, Onebeat)]
        hint = f"; did you mean {module_name}:{names[0]}?" if names else "; it has no Onebeat(...) in it"
        raise ConfigurationError(f"application {target!r}: {attribute or 'app'!r} is no Onebeat application{hint}")
    return found
