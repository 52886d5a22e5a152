"""gradio's Blocks as a server that strangers may ask: what the page adds to each request.

Errors become sentences in one place, no address is fetched for anybody, and the queue and the
folder of files are the page's own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from typing import Any

import gradio as gr
import torch
from fastapi import Request
from fastapi.responses import JSONResponse
from gradio.exceptions import InvalidPathError
from gradio.route_utils import API_PREFIX, FnIndexInferError
from gradio.utils import get_upload_folder, run_coro_in_background
from gradio_client.utils import is_http_url_like
from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from cvpire.errors import CvpireError, OutOfMemoryError, SettingsError, internal_error
from page.server import files
from page.server.api_examples import use_portable_examples
from page.server.holdings import Holdings
from page.server.jobs import Jobs
from page.server.settings import ServerSettings
from page.server.visitor_queue import VisitorQueue

_logger = logging.getLogger(__name__)

_UPLOAD_FIRST = (
    f"Upload the photo first (POST {API_PREFIX}/upload) and send what came back: "
    '{"path": "...", "meta": {"_type": "gradio.FileData"}}.'
)
_NO_ADDRESSES = (
    "This server fetches nothing from other addresses: download the photo and upload the file."
)

_MOST_BYTES = 1_000_000
"""Of a request that is no upload; those of the page have some kB."""

# As gradio_client words what is wrong with the parameters of a request, before any of our code.
_PARAMETER_WORDS = ("No value provided for required argument", "is not a valid key-word argument")


class Page(gr.Blocks):
    """gradio's Blocks with the page's own queue, folder, and words for errors.

    Args:
        jobs: told of each job that joins and leaves the queue.
        holdings: which session holds which file.
        settings: of the server.
        **options: of `gr.Blocks`.
    """

    def __init__(
        self, jobs: Jobs, holdings: Holdings, settings: ServerSettings, **options: Any
    ) -> None:
        files.use_own_folder()
        use_portable_examples()
        # uvicorn believes X-Forwarded-For of every local client unless it is told otherwise.
        os.environ.setdefault("FORWARDED_ALLOW_IPS", "")
        self.jobs = jobs
        self.holdings = holdings
        self.settings = settings
        # gradio's own clean-up, which knows only this process's files; `files.sweep` knows all.
        every, age = max(1, int(settings.sweep_seconds)), max(1, int(settings.sweep_age))
        super().__init__(delete_cache=(every, age), **options)

    def queue(self, *_: Any, **__: Any) -> Page:
        """Give the page its queue; the settings say all that there is to say."""
        # Closed: what is asked directly would go past the queue.
        super().queue(api_open=False)
        self._queue = VisitorQueue(self, self.jobs, self.settings)
        return self

    def launch(self, *args: Any, app_kwargs: dict[str, Any] | None = None, **options: Any) -> Any:
        """Serve the page, as `gr.Blocks.launch`."""
        own = {
            "middleware": [Middleware(Doorkeeper)],
            "exception_handlers": dict.fromkeys(
                (TypeError, KeyError, FnIndexInferError), _tell_parameters
            ),
        }
        return super().launch(*args, app_kwargs={**own, **(app_kwargs or {})}, **options)

    def run_startup_events(self) -> None:
        """Start the queue, and the sweeping of old files."""
        super().run_startup_events()  # type: ignore[no-untyped-call]
        for server in getattr(getattr(self, "server", None), "servers", ()):
            for listener in server.sockets:
                give_up_vanished(listener, self.settings.vanished_seconds)
        run_coro_in_background(self._sweep)

    async def process_api(
        self, block_fn: Any, inputs: list[Any], *args: Any, **options: Any
    ) -> dict[str, Any]:
        """Answer a request; what goes wrong in it comes back as one sentence.

        Raises:
            gradio.Error: with the sentence.
        """
        try:
            function = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
            if function.preprocess and not function.batch:
                _check_inputs(inputs, len(function.inputs))
            return await super().process_api(block_fn, inputs, *args, **options)
        except gr.Error:
            raise
        except Exception as error:
            raise gr.Error(explain(error), duration=12, print_exception=False) from error

    async def _sweep(self) -> None:
        while not self._queue.stopped:
            kept = {path for block in self.blocks.values() for path in block.keep_in_cache}
            try:
                await asyncio.to_thread(files.sweep, self.settings.sweep_age, kept)
                await asyncio.to_thread(self.holdings.forget_gone)
            except Exception:
                _logger.exception("A sweep of old files failed; the next one comes.")
            await asyncio.sleep(self.settings.sweep_seconds)


def give_up_vanished(listener: socket.socket, seconds: float) -> None:
    """Close a listener's connections whose other end acknowledges nothing for so long.

    The stream of an event sends something every 15 seconds: so a client whose machine is gone
    without a word counts as one that left. Systems that lack this limit wait for many minutes.
    """
    if sys.platform == "linux":
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * seconds))


def explain(error: Exception) -> str:
    """What to tell a visitor of an exception; the operator is told more where it is a fault."""
    if isinstance(error, CvpireError):
        return str(error)
    if isinstance(error, InvalidPathError):
        return _UPLOAD_FIRST
    if isinstance(error, ValidationError):
        return f"That is not a file as this page expects it. {_UPLOAD_FIRST}"
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return str(
            OutOfMemoryError(
                "This needs more memory than the server has free: make the photo smaller, or try "
                "again later."
            )
        )
    if isinstance(error.__cause__, CvpireError):  # gradio wraps what a component raises
        return str(error.__cause__)
    _logger.error("A request failed.", exc_info=error)
    return internal_error(error)


class Doorkeeper:
    """Refuses requests that would cost the server what no visitor may ask for.

    gradio fetches `/file=https://...` for everybody, from every public host, and reads a request of
    any length into memory. Uploads, which go to disk, have a limit of gradio's own.

    Args:
        app: the server behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and (refusal := self._refusal(scope)):
            status, sentence = refusal
            await JSONResponse({"detail": sentence}, status_code=status)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @staticmethod
    def _refusal(scope: Scope) -> tuple[int, str] | None:
        path, is_file, file = scope["path"].partition("/file=")
        if is_file and is_http_url_like(file.strip()):
            return 403, _NO_ADDRESSES
        if scope["method"] == "POST" and not path.rstrip("/").endswith("/upload"):
            length = Headers(scope=scope).get("content-length", "")
            if not length.isdecimal():
                return 411, "The request does not say how long it is (Content-Length)."
            if int(length) > _MOST_BYTES:
                return 413, f"A request may have {_MOST_BYTES / 1e6:g} MB at most: upload files."
        return None


def _check_inputs(inputs: list[Any], expected: int) -> None:
    """Refuse too few values, and files that are none or that lie elsewhere.

    gradio takes everything with a path and this mark for a file, in whatever parameter it is.
    """
    if len(inputs) < expected:
        raise SettingsError(f'expected {expected} values in "data", got {len(inputs)}')
    values: list[Any] = list(inputs)
    while values:
        value = values.pop()
        if isinstance(value, dict) and "path" in value and "meta" in value:
            if not isinstance(value["meta"], dict) or not isinstance(value["path"], str | None):
                raise SettingsError(f"That is not a file as this page expects it. {_UPLOAD_FIRST}")
            _check_path(value["path"] or "")
        if isinstance(value, dict):
            values.extend(value.values())
        elif isinstance(value, list):
            values.extend(value)


def _check_path(path: str) -> None:
    if is_http_url_like(path.strip()):
        raise SettingsError(_NO_ADDRESSES)
    folder = os.path.join(os.path.realpath(get_upload_folder()), "")  # noqa: PTH118 - ends in "/"
    # Where the uploads lie, and not elsewhere: nobody is told which other files there are.
    if "\0" in path or (path and not os.path.realpath(path).startswith(folder)):
        raise SettingsError(_UPLOAD_FIRST)
    if path and not os.path.lexists(path):
        raise SettingsError("The file is not on this server any more: choose or upload it again.")


async def _tell_parameters(request: Request, error: Exception) -> JSONResponse:
    """Answer a request that gradio could make no call of."""
    words = str(error)
    if isinstance(error, TypeError) and any(each in words for each in _PARAMETER_WORDS):
        sentence = words.partition(" Please click")[0]
        return JSONResponse({"detail": f"{sentence.rstrip('.')}."}, status_code=400)
    if isinstance(error, KeyError | FnIndexInferError) and "/call/" in request.url.path:
        return JSONResponse({"detail": "There is no such endpoint here."}, status_code=404)
    return JSONResponse({"detail": explain(error)}, status_code=500)
