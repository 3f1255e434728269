"""Routes of pages and of changes: each one for people as HTML, and below `/api` for programs as JSON.

A view is a function that returns a frozen struct. The page is the struct in a template, and `/api` is the struct
itself, so both always say the same. Secrets are hidden here, between the view and both forms. A change is a function
that gets the fields of a form or of a JSON object, after the form's token was checked.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import msgspec
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from recuerda.errors import InvalidInput, ThreadNotFound
from recuerda.ids import check_id
from recuerda.studio.faults import Fault
from recuerda.studio.frames import frame_of
from recuerda.studio.paths import with_ids
from recuerda.studio.preferences import preferences_of
from recuerda.studio.studio import Studio, studio_of

View: TypeAlias = Callable[[Studio, Request], Awaitable[msgspec.Struct]]
Change: TypeAlias = Callable[[Studio, Request, "Fields"], Awaitable[msgspec.Struct | Response]]

CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a change after which another page is shown.

    Attributes:
        href: the page to show.
        done: a word for programs about the change, such as "undone".
    """

    href: str
    done: str = "done"


class Fields:
    """The fields of a form, or of a JSON object with the same names."""

    def __init__(self, held: Mapping[str, Sequence[object]]) -> None:
        self._held = held

    def has(self, name: str) -> bool:
        """Return whether a field was sent, also an empty one."""
        return name in self._held

    def text(self, name: str) -> str | None:
        """Return the text of a field; None if it is missing or empty."""
        value = next(iter(self._held.get(name, ())), None)
        if value is None or isinstance(value, UploadFile):
            return None
        return str(value) or None

    def needed(self, name: str) -> str:
        """Return the text of a field.

        Raises:
            InvalidInput: it is missing or empty.
        """
        if (text := self.text(name)) is None:
            raise InvalidInput(f"the field {name!r} is empty: fill it in and send the form again")
        return text

    def texts(self, name: str) -> list[str]:
        """Return the texts of a field that may be there several times."""
        return [str(value) for value in self._held.get(name, ()) if not isinstance(value, UploadFile) and value != ""]

    def number(self, name: str) -> int | None:
        """Return the whole number of a field; None if it is missing.

        Raises:
            InvalidInput: it is another text.
        """
        return whole(self.text(name), name)

    def flag(self, name: str) -> bool:
        """Return whether a box was ticked."""
        return self.text(name) not in (None, "False", "false", "0", "off")

    def file(self, name: str) -> UploadFile | None:
        """Return an uploaded file; None if there is none."""
        return next((value for value in self._held.get(name, ()) if isinstance(value, UploadFile)), None)


def whole(text: str | None, name: str) -> int | None:
    """Return the whole number from 0 in a text; None for no text.

    Raises:
        InvalidInput: the text is not such a number.
    """
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise InvalidInput(f"{name} must be a whole number from 0, not {text[:40]!r}")
    return int(text)


def page(path: str, view: View, template: str, *, parts: Mapping[str, str] | None = None) -> tuple[BaseRoute, ...]:
    """Return the routes of a page and of its JSON.

    Args:
        path: the path. A parameter whose name ends with `_id` holds an id, which may be any text.
        view: returns the page's struct.
        template: the file of the page's template.
        parts: templates of parts of the page by the value of `?part=`, which scripts ask for.
    """
    templates = {None: template, **(parts or {})}

    async def html(request: Request) -> Response:
        studio = await _opened(request)
        chosen = templates.get(request.query_params.get("part"), template)
        shown = studio.redaction.value(await view(studio, request))
        response = HTMLResponse(studio.renderer.html(chosen, shown, frame_of(request)))
        preferences_of(request).keep(response)
        return response

    async def json(request: Request) -> Response:
        studio = await _opened(request)
        return json_response(studio, await view(studio, request))

    path = with_ids(path)
    return Route(path, html, methods=["GET"]), Route(f"/api{path}", json, methods=["GET"])


def stream(path: str, answer: Callable[[Studio, Request], Awaitable[Response]]) -> tuple[BaseRoute, ...]:
    """Return the route of an answer that is no page: a picture, a download or a stream of events.

    Such an answer hides secrets itself, with `studio.redaction`.
    """

    async def answered(request: Request) -> Response:
        return await answer(await _opened(request), request)

    return (Route(with_ids(path), answered, methods=["GET"]),)


def action(path: str, change: Change, template: str | None = None) -> tuple[BaseRoute, ...]:
    """Return the routes of a change: a form is sent to the path, and JSON to the path below `/api`.

    When `change` returns a `Done`, a browser is led to the page that it names. The template shows any other struct. A
    response is sent as it is, such as a stream, which hides secrets itself.
    """

    async def html(request: Request) -> Response:
        studio = await _opened(request)
        form = await request.form()
        try:
            _check_form(request, form.get(CSRF_FIELD))
            outcome = await change(studio, request, _form_fields(form))
        finally:
            await form.close()
        if isinstance(outcome, Response):
            return outcome
        if isinstance(outcome, Done):
            return RedirectResponse(outcome.href, 303)
        if template is None:
            raise TypeError(f"the change {path} has no template, so it must return a Done")
        return HTMLResponse(studio.renderer.html(template, studio.redaction.value(outcome), frame_of(request)))

    async def json(request: Request) -> Response:
        studio = await _opened(request)
        _check_form(request, request.headers.get(CSRF_HEADER))
        outcome = await change(studio, request, await _json_fields(request))
        return outcome if isinstance(outcome, Response) else json_response(studio, outcome)

    path = with_ids(path)
    return Route(path, html, methods=["POST"]), Route(f"/api{path}", json, methods=["POST"])


def json_response(studio: Studio, value: Any) -> Response:
    """Return a value as JSON, without secrets."""
    return Response(msgspec.json.encode(studio.redaction.value(value)), media_type="application/json")


async def _opened(request: Request) -> Studio:
    """Return the studio, after the ids of the path were checked.

    Raises:
        Fault: an id cannot be an id.
        ThreadNotFound: the thread of the path is not one that this studio shows.
    """
    studio = studio_of(request)
    for name, value in request.path_params.items():
        if name.endswith("_id"):
            _check_id(value, name)
    thread_id = request.path_params.get("thread_id")
    if studio.user_id is not None and thread_id is not None:
        info = await studio.settings.storage.head(thread_id)
        if info is not None and info.user_id != studio.user_id:
            raise ThreadNotFound(thread_id)
    user_id = request.path_params.get("user_id")
    if studio.user_id is not None and user_id is not None and user_id != studio.user_id:
        raise Fault(404, "not_found", "fault.no-user")
    return studio


def _check_id(value: str, name: str) -> None:
    try:
        check_id(value, name.replace("_", " "))
    except InvalidInput as error:
        raise Fault(404, "not_found", "fault.no-id", detail=str(error)) from None


def _check_form(request: Request, given: object) -> None:
    """Check that a form comes from a page of this studio.

    Raises:
        Fault: it does not.
    """
    wanted: str | None = request.state.csrf
    if wanted is None:
        return
    if not isinstance(given, str) or not wanted or not hmac.compare_digest(given.encode(), wanted.encode()):
        raise Fault(403, "form_is_old", "fault.old-form")


def _form_fields(form: FormData) -> Fields:
    return Fields({name: form.getlist(name) for name in form})


async def _json_fields(request: Request) -> Fields:
    body = await request.body()
    try:
        held: object = msgspec.json.decode(body) if body else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        held = None
    if not isinstance(held, dict):
        raise InvalidInput("the body of the request must be a JSON object")
    given = cast("dict[str, object]", held)
    return Fields({name: cast("list[object]", one) if isinstance(one, list) else [one] for name, one in given.items()})
