"""gradio's queue with what it lacks for a server: a share for each visitor, and no job of nobody.

Who is in the queue is decided here. The order is gradio's: first come, first served, one job at a
time (`concurrency_id="work"` in `app.py`).

What is waiting or in work is read from gradio's own lists, each time anew: there is no second book
that could go wrong and lock visitors out.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from gradio.queueing import Event, Queue
from gradio.server_messages import EventMessage, ProcessCompletedMessage
from gradio.utils import run_coro_in_background

from page.server.jobs import Jobs, Kind
from page.server.settings import ServerSettings
from page.server.visitors import Visitor, find_address

if TYPE_CHECKING:
    import fastapi
    from gradio.block_function import BlockFunction
    from gradio.blocks import Blocks
    from gradio.data_classes import PredictBodyInternal

_logger = logging.getLogger(__name__)

# What counts as a job, by the name of its handler; all else is done at once.
_KINDS = {
    "protect_photo": Kind.PROTECTION,
    "rehearse_photo": Kind.REHEARSAL,
    "protect_photos": Kind.BATCH,
}

_MOST_SMALL = 100
"""Events beside the jobs that may wait at a time: they wait for milliseconds."""

_MOST_MAILBOXES = 50_000
"""Sessions whose messages are kept; `_forget_unread` drops those that nobody comes for."""

_LONGEST_SESSION = 100
"""Characters; browsers take 11, a hexadecimal UUID 32."""

_State = Literal["success", "error", "queue_full", "validator_error"]


class Mailbox(asyncio.Queue[EventMessage]):
    """A session's messages, which knows how long nobody has come for one."""

    def __init__(self) -> None:
        super().__init__()
        self._readers = 0
        self._last_read = time.monotonic()

    async def get(self) -> EventMessage:
        """The next message."""
        self._readers += 1
        try:
            return await super().get()
        finally:
            self._readers -= 1
            self._last_read = time.monotonic()

    def expect_reader(self) -> None:
        """Let the time run from now."""
        self._last_read = time.monotonic()

    @property
    def unread_seconds(self) -> float:
        """How long nobody has waited for a message; 0 while somebody does."""
        return 0.0 if self._readers else time.monotonic() - self._last_read


class VisitorQueue(Queue):
    """gradio's queue, where each visitor has a share and those who left have none.

    Args:
        blocks: the page.
        jobs: told of each job that joins and leaves.
        settings: the shares and the times.
    """

    def __init__(self, blocks: Blocks, jobs: Jobs, settings: ServerSettings) -> None:
        super().__init__(
            live_updates=True,
            concurrency_count=blocks.max_threads,
            update_intervals=1,
            max_size=None,  # of all events; `refusal` counts the jobs
            blocks=blocks,
            default_concurrency_limit=1,
        )
        self.jobs = jobs
        self.settings = settings
        # gradio throws the oldest out at 2,000, whether somebody waits for it or not.
        self.pending_messages_per_session.max_size = _MOST_MAILBOXES
        # Between the look for room and gradio's list, each for as long as its `push` runs.
        self._arriving: list[Visitor] = []

    async def push(
        self, body: PredictBodyInternal, request: fastapi.Request, username: str | None
    ) -> tuple[bool, str | list[dict[str, Any]], _State]:
        """Let an event in, or say why not.

        A client without a session is one of its own: an empty name would be shared by all of them,
        and gradio's own queue stops for good at an event whose session is called "".
        """
        if body.session_hash and len(body.session_hash) > _LONGEST_SESSION:
            sentence = f"A session's name may have {_LONGEST_SESSION} characters at most."
            return False, sentence, "error"
        session = body.session_hash = body.session_hash or uuid.uuid4().hex
        function = None if body.fn_index is None else self.blocks.fns.get(body.fn_index)
        if function is None:
            return False, "There is no such function on this page.", "error"
        mailbox = self.pending_messages_per_session.setdefault(session, Mailbox())
        if isinstance(mailbox, Mailbox):
            mailbox.expect_reader()
        kind = _kind(function)
        if kind is None:
            if len(self) - sum(1 for _ in self._waiting()) >= _MOST_SMALL:
                return False, "The server is busy: try again in a minute.", "queue_full"
            return await super().push(body, request, username)
        visitor = Visitor(session, find_address(request, self.settings.trusted_header))
        if refusal := self.refusal(visitor):
            return False, [_invalid(refusal)], "validator_error"
        self._arriving.append(visitor)
        try:
            is_in, answer, state = await super().push(body, request, username)
        finally:
            self._arriving.remove(visitor)
        if is_in:
            self.jobs.claim(str(answer), session, kind)
        return is_in, answer, state

    def refusal(self, visitor: Visitor) -> str:
        """Why a visitor cannot have another job now, in one sentence; "" where he can."""
        held = [*self._arriving, *map(self._visitor, self._events())]
        wanted = [self._visitor(each) for each in self._events() if self.jobs.is_wanted(each._id)]
        if visitor.session in {each.session for each in (*self._arriving, *wanted)}:
            return "Your last photo is still in work: wait until it is done, or press Cancel."
        share = self.settings.jobs_per_visitor
        if sum(each.address == visitor.address for each in held) >= share:
            return (
                f"Your address has {share} job{'' if share == 1 else 's'} waiting or in work "
                "already, the most that one visitor may have here: try again when one is done."
            )
        places = self.settings.queue_places
        if len(self._arriving) + sum(1 for _ in self._waiting()) >= places:
            return f"All {places} places in the queue are taken: try again in a few minutes."
        return ""

    def send_message(self, event: Event, event_message: EventMessage) -> None:
        """Put a message into a visitor's mailbox, if he still has one.

        gradio's own fails where the stream was closed a moment ago, which ends its whole queue.
        """
        if isinstance(event_message, ProcessCompletedMessage):
            # Before the visitor knows, so that his next job finds the place free.
            self.jobs.end(event._id)
        if event.session_hash in self.pending_messages_per_session:
            super().send_message(event, event_message)

    async def remove_from_queue(self, event_id: str) -> None:
        """Take a waiting event off the queue."""
        await super().remove_from_queue(event_id)
        if event_id not in self.event_ids_to_events:
            self.jobs.leave(event_id)

    async def clean_events(
        self, *, session_hash: str | None = None, event_id: str | None = None
    ) -> None:
        """Take the events of a session, or one event, off the queue, and stop those in work."""
        for event in list(self._events()):
            if event.session_hash == session_hash or event._id == event_id:
                self.jobs.leave(event._id)
        await super().clean_events(session_hash=session_hash, event_id=event_id)

    async def process_events(
        self, events: list[Event], batch: bool, begin_time: float, fn: BlockFunction
    ) -> None:
        """Work off events; whatever ends it, nothing of them is in work afterwards."""
        try:
            await super().process_events(events, batch, begin_time, fn)
        finally:
            for event in events:
                self.jobs.leave(event._id)

    def start(self) -> None:
        """Begin to work off events, and to look who is still there."""
        super().start()  # type: ignore[no-untyped-call]
        run_coro_in_background(self._watch)

    async def _watch(self) -> None:
        while not self.stopped:
            await asyncio.sleep(self.settings.watch_seconds)
            try:
                await self._send_away_absent()
                self._forget_unread()
            except Exception:
                _logger.exception("The look for absent visitors failed; the next one comes.")

    async def _send_away_absent(self) -> None:
        """Stop the jobs that nobody listens for: a client that never opened, or never reads, the
        stream of its event. Of a stream that closes, gradio tells by `clean_events`.
        """
        most = self.settings.absent_seconds
        for event in list(self._events()):
            mailbox = self.pending_messages_per_session.get(event.session_hash)
            if isinstance(mailbox, Mailbox) and mailbox.unread_seconds <= most:
                continue
            self.jobs.leave(event._id)
            sentence = (
                f"Stopped, since nobody listened for the result within {most:g} seconds: read "
                "the event's stream right after sending the photo."
            )
            self.send_message(
                event, ProcessCompletedMessage(output={"error": sentence}, success=False)
            )
            await self.clean_events(event_id=event._id)

    def _forget_unread(self) -> None:
        """Drop the messages that nobody came for while their files were kept."""
        present = {event.session_hash for event in self.event_ids_to_events.values()}
        for session, mailbox in list(self.pending_messages_per_session.items()):
            if (
                session not in present
                and isinstance(mailbox, Mailbox)
                and mailbox.unread_seconds > self.settings.keep_seconds
            ):
                del self.pending_messages_per_session[session]
                self.pending_event_ids_session.pop(session, None)

    def _waiting(self) -> Iterator[Event]:
        """The jobs that wait."""
        for event_queue in self.event_queue_per_concurrency_id.values():
            yield from (event for event in event_queue.queue if _kind(event.fn))

    def _events(self) -> Iterator[Event]:
        """The jobs that wait and those in work."""
        yield from self._waiting()
        for active in self.active_jobs:
            yield from (event for event in active or () if _kind(event.fn))

    def _visitor(self, event: Event) -> Visitor:
        address = find_address(event.request, self.settings.trusted_header)
        return Visitor(event.session_hash, address)


def _kind(function: BlockFunction) -> Kind | None:
    return _KINDS.get(str(function.name))


def _invalid(sentence: str) -> dict[str, Any]:
    """A refusal as every client of gradio shows it: Python's and the browser's hide the text of
    other answers.
    """
    return {"__type__": "validate", "is_valid": False, "message": sentence, "parameter_name": "job"}
