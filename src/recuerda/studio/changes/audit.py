"""The audit: one line for each change that somebody made in the studio, or tried to make.

A line says when, who, which change, which thread or user, and the outcome. It never holds content: no title, no
message, no argument, no reason. Each line is a JSON object. It goes to the logger `recuerda.studio.audit`, and to a
file if the settings name one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from recuerda._drivers.private_files import open_private
from recuerda._events import fields
from recuerda.errors import ConfigurationError
from recuerda.storage.records import from_microseconds
from recuerda.studio.studio import Studio

DONE = "done"
_APPENDING = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_logger = logging.getLogger("recuerda.studio.audit")


class AuditLine(msgspec.Struct, frozen=True, kw_only=True):
    """One change.

    Attributes:
        at: the time, in ISO 8601.
        who: the name of the person, as the settings give it; None if it is not known.
        action: a word for the change, such as "undo".
        thread_id: the thread that was changed; None for none.
        user_id: the user whose data was changed; None for none.
        result: "done", or the kind of the error.
    """

    at: str
    who: str | None
    action: str
    thread_id: str | None
    user_id: str | None
    result: str


@asynccontextmanager
async def audited(
    studio: Studio, action: str, *, thread_id: str | None = None, user_id: str | None = None
) -> AsyncGenerator[None]:
    """Make the change in the block, and write its line when it has ended, however it has ended."""
    result = "stopped"
    try:
        yield
        result = DONE
    except Exception as error:
        result = type(error).__name__
        raise
    finally:
        _write(
            studio.settings.audit_file,
            AuditLine(
                at=from_microseconds(studio.clock()).isoformat(),
                who=studio.settings.acting_as,
                action=action,
                thread_id=thread_id,
                user_id=user_id,
                result=result,
            ),
        )


def check_audit_file(path: Path) -> None:
    """Make the file if there is none, so that a place that cannot be written is noticed before the first change.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    try:
        os.close(open_private(path, _APPENDING))
    except OSError as error:
        raise ConfigurationError(f"the audit file {path} cannot be written: {error.strerror}") from None


def _write(path: Path | None, line: AuditLine) -> None:
    text = msgspec.json.encode(line)
    _logger.info("%s", text.decode(), extra=fields("studio_changed"))
    if path is None:
        return
    try:
        # A line is written in one call at the end of the file, so two studios may share the file.
        descriptor = open_private(path, _APPENDING)
        try:
            os.write(descriptor, text + b"\n")
        finally:
            os.close(descriptor)
    except OSError:
        # The change is made, and this log has its line.
        _logger.exception(
            "the audit file %s cannot be written", path, extra=fields("audit_not_written", path=str(path))
        )
