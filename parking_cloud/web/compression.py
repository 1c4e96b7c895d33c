"""Answers that are worth compressing: pages and long lists, for slow lines. Streams never are, and short
answers are sent sooner as they are, so each route says for itself whether it is one of these."""

from __future__ import annotations

from litestar.config.compression import CompressionConfig
from litestar.middleware import DefineMiddleware
from litestar.middleware.compression import CompressionMiddleware

_WORTH_IT = 1000


def compressed() -> DefineMiddleware:
    """The middleware of a route whose answers are compressed for who can read that."""
    config = CompressionConfig(backend="gzip", gzip_compress_level=5, minimum_size=_WORTH_IT)
    return DefineMiddleware(CompressionMiddleware, config=config)
