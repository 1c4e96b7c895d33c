"""Files for pages: compressed once, kept in memory, and asked for again only when they have changed.

Under `/assets/v/<version>/` the address names the content, so a browser keeps it for good; the files there
import each other by relative addresses and so stay of one version. The same files at `/assets/` are asked
for anew each time, and answered with 304.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from pathlib import Path
from typing import Any

import msgspec
from anyio import to_thread
from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

from parking_cloud.accounts.guards import public

_COMPRESSED = ("text/", "application/json", "application/javascript", "image/svg+xml", "application/geo+json")
_WORTH_IT = 600
"""Bytes; below, a packet is a packet."""
FOR_GOOD = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"

mimetypes.add_type("text/javascript", ".js")


class Asset(msgspec.Struct, frozen=True):
    """A file as it is sent."""

    stamp: tuple[int, int]
    body: bytes
    gzipped: bytes | None
    etag: str
    media_type: str


class Assets:
    """Folders of files by the first part of their address (`driver`, `vendor/leaflet`)."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self._folders = {name: folder.resolve() for name, folder in folders.items()}
        self._kept: dict[str, Asset] = {}

    async def find(self, address: str) -> Asset | None:
        """The file at an address, read again when it has changed."""
        path = self._path_of(address)
        if path is None:
            return None
        try:
            stat = path.stat()
        except OSError:
            return None
        stamp = (stat.st_mtime_ns, stat.st_size)
        kept = self._kept.get(address)
        if kept is None or kept.stamp != stamp:
            kept = self._kept[address] = await to_thread.run_sync(read_asset, path, stamp)
        return kept

    def _path_of(self, address: str) -> Path | None:
        for name, folder in self._folders.items():
            if address.startswith(f"{name}/"):
                path = (folder / address.removeprefix(f"{name}/")).resolve()
                return path if path.is_relative_to(folder) and path.is_file() else None
        return None


def read_asset(path: Path, stamp: tuple[int, int]) -> Asset:
    """A file with its compressed form and the hash that names its content."""
    body = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    worth = len(body) >= _WORTH_IT and media_type.startswith(_COMPRESSED)
    return Asset(
        stamp=stamp,
        body=body,
        gzipped=gzip.compress(body, 9, mtime=0) if worth else None,
        etag=f'"{hashlib.sha256(body).hexdigest()[:20]}"',
        media_type=media_type,
    )


def version_of(folders: list[Path]) -> str:
    """A name for the content of all files in these folders."""
    content = hashlib.sha256()
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            content.update(f"{folder.name}/{path.relative_to(folder)}\0".encode())
            content.update(hashlib.sha256(path.read_bytes()).digest())
    return content.hexdigest()[:12]


def assets_route(assets: Assets, version: str) -> HTTPRouteHandler:
    """The route that serves them."""

    @get("/assets/{path:path}", guards=[public], include_in_schema=False, name="assets")
    async def asset(request: Request[Any, Any, Any], path: str) -> Response[bytes]:
        """A file of the pages."""
        address = path.lstrip("/")
        for_good = False
        if address.startswith("v/"):
            asked, _, address = address.removeprefix("v/").partition("/")
            # While versions change, another process may be asked for what it does not have yet.
            for_good = asked == version
        found = await assets.find(address)
        if found is None:
            raise NotFoundException()
        headers = {
            "Cache-Control": FOR_GOOD if for_good else ASK_AGAIN,
            "ETag": found.etag,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        if request.headers.get("if-none-match") == found.etag:
            return Response(b"", status_code=304, headers=headers, media_type=found.media_type)
        body = found.body
        if found.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = found.gzipped
        return Response(body, headers=headers, media_type=found.media_type)

    return asset
