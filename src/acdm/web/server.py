"""A local page on which images are decomposed: standard library, loopback only.

Nothing is written but masks of training images, corrected on the page, and these only into the folder that was named
for them, under names that the run itself knows (`acdm.web.corrections`).

Who may ask: the browser that opened the address with this start's token, under the name of this machine (Host and
Origin are checked, so that a foreign page, or a foreign name for 127.0.0.1, gets 403).  What may be asked: seven fixed
paths; no name from outside ever becomes one.  How much: `MAX_BYTES` with a declared length, one image at a time, and
`QUEUE` that wait; whoever comes then hears "busy" (503).
"""

import json
import secrets
import socket
import threading
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import numpy as np

from acdm.data.images.arrays import Array, Pixels
from acdm.data.images.read import AS_IS, Picture
from acdm.data.images.write import png
from acdm.errors import AcdmError, DataError
from acdm.maps.decomposer import Decomposer
from acdm.maps.decomposition import Decomposition
from acdm.maps.findings import FindingsDecomposer, decomposers_of
from acdm.maps.pictures import in_colours, strip
from acdm.maps.preview import as_text, full_scale, gallery, preview
from acdm.maps.segmentation import Segmentation, segment
from acdm.web.corrections import Corrections
from acdm.web.pages import colours_of, script, template
from acdm.web.sandbox import decode

MAX_BYTES = 25 << 20  # of an image file
QUEUE = 16  # requests that wait for the network
MAX_CONNECTIONS = 256  # open at once; more are closed
PATIENCE = 10  # seconds that a connection may stay silent
DEADLINE = 30  # seconds that a request may take to arrive
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue, as ITU-R BT.601 and Pillow have it
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data: blob:; style-src 'unsafe-inline';"
    " script-src 'self'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
}


@dataclass(frozen=True)
class Beside:
    """What the page has of a run beside its networks, or of one of its findings.

    Attributes:
        samples: images that the page opens with, as `acdm.web.report.gallery_images` gives them.
        corrections: where corrected masks are kept; None where no folder was named for them.
    """

    samples: Sequence[Mapping[str, Any]] = ()
    corrections: Corrections | None = None


class LocalServer(ThreadingHTTPServer):
    """The server of one run.

    Args:
        decomposer: of two classes, or of several findings.
        name: of the run.
        port: 0 takes a free one.
        beside: by finding; by "" with two classes.

    Attributes:
        token: what every request for work has to carry.
        address: what is opened in a browser.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        decomposer: Decomposer | FindingsDecomposer,
        name: str,
        port: int = 0,
        beside: Mapping[str, Beside] | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.decomposer = decomposer
        self.beside = {finding: (beside or {}).get(finding, Beside()) for finding in self.of_each}
        self.token = secrets.token_urlsafe(24)
        self.port = int(self.server_address[1])
        self.address = f"http://127.0.0.1:{self.port}/#{self.token}"
        self.waiting = threading.BoundedSemaphore(QUEUE + 1)
        self.working = threading.Lock()
        self.open = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self.files = {
            "/": ("text/html; charset=utf-8", self._html(name)),
            "/explorer.js": ("text/javascript; charset=utf-8", script("explorer.js")),
            "/page.js": ("text/javascript; charset=utf-8", script("page.js")),
            "/samples": ("application/json", self._samples()),
        }

    @property
    def of_each(self) -> Mapping[str, Decomposer]:
        """What decomposes images by finding; by "" with two classes."""
        return decomposers_of(self.decomposer)

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread a connection, as long as there are not too many."""
        if not self.open.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        limit = threading.Timer(DEADLINE, _stop_reading, [request])
        limit.daemon = True
        limit.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            limit.cancel()
            self.open.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke off is nobody's business."""

    def names(self) -> tuple[str, str]:
        """Host names with the port that this server answers to."""
        return f"127.0.0.1:{self.port}", f"localhost:{self.port}"

    def decompose(self, content: bytes, label: str | None) -> dict[str, Any]:
        """Decompose an image file, for the page to show it.

        Raises:
            DataError: when it is no image of this run's kind, or there is no such class.
        """
        reading, channels = self._any.reading, self._any.branches.channels
        with self.working:
            own = decode(content, reading)
            names = {
                finding: beside.corrections.name_of(own) if beside.corrections else ""
                for finding, beside in self.beside.items()
            }
            pixels, note = as_trained(own, channels)
            picture = Picture(pixels, None, None)
            if isinstance(self.decomposer, FindingsDecomposer):
                seen = dict(self.decomposer.decompose(picture).labels)
            else:
                seen = {"": self.decomposer.decompose(picture, label, "the image")}
            found = {finding: segment(d.maps()[d.default_map]) for finding, d in seen.items()}
        told = {finding: {**_told(d, found[finding]), "name": names[finding]} for finding, d in seen.items()}
        image = next(iter(seen.values())).image
        together = in_colours(image, [cut.mask for cut in found.values()]) if len(found) > 1 else None
        return {"note": note, "findings": told, "together": _text(together) if together is not None else ""}

    @property
    def _any(self) -> Decomposer:
        """One of the findings' decomposers; what concerns images alone is the same in all."""
        return next(iter(self.of_each.values()))

    def correct(self, content: bytes, name: str, finding: str) -> str:
        """Keep a corrected mask of a finding ("" with two classes), a PNG file; says where.

        Raises:
            AcdmError: when no folder was named for masks, or this one belongs to no training image, or is none.
        """
        corrections = self.beside[finding].corrections if finding in self.beside else None
        if corrections is None:
            raise DataError("start 'acdm ui' with --masks DIR to save masks")
        with self.working:
            return corrections.keep(decode(content, AS_IS), name)

    def _samples(self) -> bytes:
        """The images of each finding that the page opens with."""
        shown = {
            finding: gallery(one.default_map, self.beside[finding].samples) for finding, one in self.of_each.items()
        }
        return json.dumps(shown, allow_nan=False).encode()

    def _html(self, name: str) -> bytes:
        corrections = {finding: beside.corrections for finding, beside in self.beside.items()}
        page: str = template("page.html").render(
            name=name,
            classes=self._any.classes,
            colours=colours_of(tuple(self.of_each)),
            most=MAX_BYTES,
            masks={finding: kept for finding, kept in corrections.items() if kept},
        )
        return page.encode()


def as_trained(pixels: Array, channels: int) -> tuple[Array, str]:
    """An image (C, H, W) in [-1, 1] with a run's channels, and what was done to it; others are refused later on."""
    if channels == 1 and len(pixels) == len(LUMA):
        return np.tensordot(LUMA, pixels, 1)[None].astype(pixels.dtype), "; its colours were taken as grey"
    if channels == len(LUMA) and len(pixels) == 1:
        return np.repeat(pixels, channels, axis=0), "; its grey was taken for all three colours"
    return pixels, ""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: LocalServer
    protocol_version = "HTTP/1.0"  # a request a connection
    server_version = "acdm"
    sys_version = ""
    timeout = PATIENCE

    def do_GET(self) -> None:
        if not self._from_here():
            self._say(403, "not for you")
        elif self.path == "/health":
            self._say(200, "well")
        elif self.path in self.server.files:
            kind, content = self.server.files[self.path]
            self._send(200, kind, content)
        else:
            self._say(404, "nothing here")

    def do_POST(self) -> None:
        """Decompose an image (`/decompose`) or keep a mask (`/mask`): the file is the body.

        Its class, its name and the finding of a mask, quoted as in addresses, are in the headers Label, Name, Finding.
        """
        length = self.headers.get("Content-Length", "")
        token = self.headers.get("Token", "")
        if not self._from_here() or not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self._say(403, "not for you")
        elif self.path not in ("/decompose", "/mask"):
            self._say(404, "nothing here")
        elif not length.isascii() or not length.isdigit() or "Transfer-Encoding" in self.headers:
            self._say(411, "say how long it is")
        elif int(length) > MAX_BYTES:
            self._say(413, f"more than {MAX_BYTES >> 20} MB: use 'acdm map'")
        elif not self.server.waiting.acquire(blocking=False):
            self._say(503, "busy; try again")
        else:
            try:
                content = self.rfile.read(int(length))
                if len(content) < int(length):
                    self._say(408, "it took too long to arrive")
                    return
                self._answer(content, *(unquote(self.headers.get(name, "")) for name in ("Label", "Name", "Finding")))
            finally:
                self.server.waiting.release()

    def _answer(self, content: bytes, label: str, name: str, finding: str) -> None:
        try:
            if self.path == "/mask":
                kind, told = "text/plain; charset=utf-8", self.server.correct(content, name, finding)
            else:
                kind, told = (
                    "application/json",
                    json.dumps(self.server.decompose(content, label or None), allow_nan=False),
                )
        except AcdmError as error:
            self._say(422, str(error))
        except Exception:  # a weakness of ours: the page says so, and the server stays up
            self._say(500, "something went wrong within; please report it")
        else:
            self._send(200, kind, told.encode())

    def _from_here(self) -> bool:
        """Whether the request calls this server by its name and comes from its own page, or from none."""
        origin = self.headers.get("Origin")
        names = self.server.names()
        return self.headers.get("Host") in names and (origin is None or origin in [f"http://{name}" for name in names])

    def _say(self, code: int, words: str) -> None:
        self._send(code, "text/plain; charset=utf-8", words.encode())

    def _send(self, code: int, kind: str, content: bytes) -> None:
        self.send_response(code)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _stop_reading(connection: socket.socket) -> None:
    """End what still comes by a connection; what it asked for in time is answered all the same."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RD)


def _told(d: Decomposition, found: Segmentation) -> dict[str, Any]:
    """What the page shows of one decomposition, for its script to read."""
    size = f"{d.image.shape[2]} × {d.image.shape[1]} pixels"
    grey = np.clip(found.scores / full_scale(found.threshold, d.default_map), 0, 1)
    pictures = {
        "strip": strip(d, found.scores),
        "mask": found.mask.astype(np.uint8) * 255,
        "map": np.round(255 * grey).astype(np.uint8),
    }
    image = {"why": "yours", "file": size, "label": d.label, **as_text(preview(d))}
    return {
        "label": d.label,
        "other": d.other,
        "size": found.mask.shape,
        "regions": [{"box": region.box, "area": region.area, "score": region.score} for region in found.regions],
        "gallery": gallery(d.default_map, [image]),
        **{kind: _text(pixels) for kind, pixels in pictures.items()},
    }


def _text(pixels: Pixels) -> str:
    """A picture as base64 of a PNG file."""
    return b64encode(png(pixels)).decode("ascii")


def serve(page: LocalServer) -> None:
    """Answer requests until the process is interrupted."""
    try:
        page.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        page.server_close()
