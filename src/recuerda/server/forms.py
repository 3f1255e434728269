"""The body of an upload: a form in `multipart/form-data`, with one file.

The form is read in memory, because the storage gets the file as a whole. No temporary file keeps a copy of it.
"""

from __future__ import annotations

import sys

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, create_form_parser

from recuerda.server.faults import bad_request

_LARGEST_FIELD = 4096
_MOST_FIELDS = 16


class UploadForm(msgspec.Struct, frozen=True):
    """A form with a file.

    Attributes:
        fields: the other fields by their names.
        name: the file's name.
        media_type: the media type that the client has named; None if it named none.
        data: the file's bytes.
    """

    fields: dict[str, str]
    name: str
    media_type: str | None
    data: bytes


def read_form(body: bytes, content_type: str) -> UploadForm:
    """Return the form in a request's body.

    Raises:
        ApiFault: the body is no such form, or has no file.
    """
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise bad_request("Send the file as a form: 'multipart/form-data'.", param="file")
    fields: dict[str, str] = {}
    files: list[File] = []
    try:
        parser = create_form_parser(
            {"Content-Type": content_type.encode("latin-1")},
            lambda field: fields.update(_pair(field)),
            files.append,
            {"MAX_MEMORY_FILE_SIZE": sys.maxsize, "MAX_FIELD_SIZE": _LARGEST_FIELD, "MAX_FIELDS": _MOST_FIELDS},
        )
        parser.write(body)
        parser.finalize()
        return _form(fields, files)
    except (FormParserError, UnicodeDecodeError):
        raise bad_request("We could not parse the form in your request.") from None


def _pair(field: Field) -> dict[str, str]:
    return {(field.field_name or b"").decode(): (field.value or b"").decode()}


def _form(fields: dict[str, str], files: list[File]) -> UploadForm:
    file = next((file for file in files if file.field_name == b"file"), None)
    if file is None:
        code = "missing_required_parameter"
        raise bad_request("Missing required parameter: 'file'.", param="file", code=code)
    file.file_object.seek(0)
    return UploadForm(fields, (file.file_name or b"").decode(), file.content_type, file.file_object.read())
