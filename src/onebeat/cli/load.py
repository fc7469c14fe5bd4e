"""Finding the application that `module:app` names, as the user's shell would."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from onebeat.app.app import Onebeat
from onebeat.cli.traces import trimmed
from onebeat.errors import ConfigurationError


def application(target: str, folder: str | None = None) -> Onebeat[Any]:
    """
    Import an application.

    Args:
        target: "package.module:attribute"; the attribute defaults to "app".

        folder: Where its module is looked for first; default: the current folder.

    Raises:
        ConfigurationError: There is no such module or attribute, or it is no `Onebeat`; or its module cannot be
            imported: then the message has the traceback, as far as it runs through the user's files.
    """
    module_name, _, attribute = target.partition(":")
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise ConfigurationError(f"application {target!r} names no module: write module:app, such as shop.tasks:app")
    here = folder or str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    module = _module(target, module_name, here)
    found = getattr(module, attribute or "app", None)
    if not isinstance(found, Onebeat):
        names = [name for name, value in vars(module).items() if isinstance(value, Onebeat)]
        hint = f"; did you mean {module_name}:{names[0]}?" if names else "; it has no Onebeat(...) in it"
        raise ConfigurationError(f"application {target!r}: {attribute or 'app'!r} is no Onebeat application{hint}")
    return found


def _module(target: str, name: str, here: str) -> Any:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if (
            isinstance(error, ModuleNotFoundError)
            and error.name
            and (name == error.name or name.startswith(f"{error.name}."))
        ):
            raise ConfigurationError(
                f"application {target!r}: there is no module {error.name!r} in {here} or on the path; "
                "write module:app, without .py"
            ) from None
        raise ConfigurationError(
            f"application {target!r} cannot be imported; nothing was started\n\n{trimmed(error, Path(here))}"
        ) from error
