"""The files that pages load, each under an address that names its content, so that browsers keep it for ever."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

FOLDER = Path(__file__).parent / "assets"
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    name: str
    kind: str
    plain: bytes
    packed: bytes


@cache
def known() -> dict[str, Asset]:
    """Read all files, once for the process."""
    return {path.name: _read(path) for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}


def _read(path: Path) -> Asset:
    plain = _bare(path.suffix, path.read_bytes()) if not path.name.startswith("htmx") else path.read_bytes()
    return Asset(path.name, TYPES[path.suffix], plain, gzip.compress(plain, 9, mtime=0))


def _bare(suffix: str, text: bytes) -> bytes:
    """Leave out what is for who reads the source, a sixth of what a first page loads: comments of whole lines."""
    if suffix == ".css":
        text = re.sub(rb"/\*.*?\*/\n*", b"", text, flags=re.DOTALL)
    elif suffix == ".js":
        text = re.sub(rb"^\s*//.*\n", b"", text, flags=re.MULTILINE)
    return text


@cache
def digest() -> str:
    """Return what names the content of all files: modules import one another from the folder that it stands for."""
    whole = hashlib.blake2b(digest_size=8)
    for asset in known().values():
        whole.update(f"{asset.name} {len(asset.plain)} ".encode() + asset.plain)
    return whole.hexdigest()


def address(name: str) -> str:
    """Return the path of a file below the console's root."""
    return f"/assets/{digest()}/{known()[name].name}"


async def send(request: Request) -> Response:
    """Answer with a file; the digest in the address is for the browser, and any is answered."""
    asset = known().get(request.path_params["name"])
    if asset is None:
        return PlainTextResponse("There is no such file.", status_code=404)
    is_packed = "gzip" in request.headers.get("accept-encoding", "")
    headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"}
    if digest() != request.path_params["digest"]:  # of another release, in a page that was open during the change
        headers["Cache-Control"] = "no-store"
    if is_packed:
        headers["Content-Encoding"] = "gzip"
    return Response(asset.packed if is_packed else asset.plain, media_type=asset.kind, headers=headers)
