"""Pages, style sheets and scripts go out compressed, so that the first load is small.

A page may be compressed though it holds secrets: its forms' tokens are others each time.
"""

from __future__ import annotations

import gzip
from functools import lru_cache
from pathlib import Path

from flask import request
from werkzeug.wrappers import Response

TEXTS = frozenset({"text/html", "text/css", "text/javascript", "image/svg+xml"})
LEAST_BYTES = 1_000
PAGE_LEVEL, FILE_LEVEL = 4, 9
MOST_FILES = 200


def compressed(response: Response) -> Response:
    """Compress an answer for a browser that takes it so; data of the API stays as it is."""
    if response.mimetype not in TEXTS:
        return response
    response.vary.add("Accept-Encoding")
    whole = response.status_code == 200 and "Content-Encoding" not in response.headers
    taken = request.accept_encodings.best_match(["gzip"])
    if not whole or request.method == "HEAD" or taken is None:
        return response
    if response.direct_passthrough:  # a file, which stays what it is
        path = getattr(getattr(response.response, "file", None), "name", None)
        if path is None:
            return response
        response.close()
        data = _file(path, Path(path).stat().st_mtime_ns)
        response.direct_passthrough = False
    elif response.is_sequence and len(response.get_data()) >= LEAST_BYTES:
        data = gzip.compress(response.get_data(), PAGE_LEVEL, mtime=0)
    else:
        return response
    response.set_data(data)
    response.headers["Content-Encoding"] = "gzip"
    return response


@lru_cache(maxsize=MOST_FILES)
def _file(path: str, _changed: int) -> bytes:
    return gzip.compress(Path(path).read_bytes(), FILE_LEVEL, mtime=0)
