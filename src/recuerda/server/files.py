"""The handlers of `/v1/files`: upload, list, look at, download and delete the files of a tenant."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from recuerda.server.conversations import list_object
from recuerda.server.faults import ApiFault, bad_request, not_found
from recuerda.server.forms import UploadForm, read_form
from recuerda.server.http import ApiCall, json_response
from recuerda.server.once import Once, RequestKey, fingerprint_in, key_for, token_of
from recuerda.server.requests import FileListQuery, UploadFields, convert
from recuerda.server.settings import Limits
from recuerda.server.turns import fingerprint_of
from recuerda.server.uploads import FileObject, Upload, Uploads, media_type_of
from recuerda.storage.contract import Storage

_AT_ONCE = 1000
"""The number of files that a list reads at once."""

_REMOVED_AT_ONCE = 100
"""The number of expired files that a list deletes."""


class Files:
    """The handlers of the files' routes.

    Args:
        uploads: the uploaded files.
        once: the idempotency keys.
        limits: the limits of the service.
        storage: the storage of the files, for its own limit.
    """

    def __init__(self, uploads: Uploads, once: Once, limits: Limits, storage: Storage) -> None:
        self._uploads = uploads
        self._once = once
        most = storage.max_blob_bytes or limits.max_file_bytes
        self._largest = min(most, limits.max_file_bytes)

    async def create(self, call: ApiCall) -> Response:
        """Keep a file, and return it. A retry with the same idempotency key gets the same file."""
        form = await call.run(read_form, call.body, call.content_type)
        fields = convert(form.fields, UploadFields, strict=False)
        if (fields.anchor is None) != (fields.seconds is None):
            missing = "expires_after[anchor]" if fields.anchor is None else "expires_after[seconds]"
            raise bad_request(f"Missing required parameter: '{missing}'.", param=missing)
        if len(form.data) > self._largest:
            message = (
                f"The file has {len(form.data):,} bytes, and this server keeps files of at most {self._largest:,}."
            )
            raise ApiFault(413, message, param="file", code="file_too_large")
        key = await call.run(_key_of, call, form)
        async with self._once.alone(call.tenancy, key):
            upload = await self._kept(call, form, fields, key)
        return json_response(upload.about.shown)

    async def _kept(self, call: ApiCall, form: UploadForm, fields: UploadFields, key: RequestKey | None) -> Upload:
        id = f"file-{token_of(key, call.tenancy)}"
        if key is not None and (known := await self._uploads.find(call.tenancy, id)) is not None:
            key.check(fingerprint_of(known.stored.turn))
            return known
        await self._once.claim(call.tenancy, key)
        now = self._uploads.now
        ends = None if fields.seconds is None else now + fields.seconds
        about = FileObject(id, len(form.data), now, form.name, fields.purpose, ends)
        media_type = media_type_of(form.name, form.media_type, form.data)
        return await self._uploads.add(call.tenancy, about, form.data, media_type, fingerprint_in(key))

    async def retrieve(self, call: ApiCall) -> Response:
        """Return what is known of a file."""
        return json_response((await self._found(call)).about.shown)

    async def content(self, call: ApiCall) -> Response:
        """Return the bytes of a file."""
        upload = await self._found(call)
        file = (await self._uploads.data(call.tenancy, [upload])).get(upload.about.id)
        if file is None:
            raise not_found("File", upload.about.id)
        headers = {
            # A browser must not show a tenant's file as a page of this server.
            "content-disposition": f"attachment; filename*=UTF-8''{quote(upload.about.filename)}",
            "x-content-type-options": "nosniff",
        }
        return Response(file.data, media_type="application/octet-stream", headers=headers)

    async def delete(self, call: ApiCall) -> Response:
        """Delete a file with its bytes. The turns that name it keep their own copy."""
        upload = await self._found(call)
        if fingerprint_of(upload.stored.turn) is not None:
            await self._once.bury(call.tenancy, upload.about.id.removeprefix("file-"))
        await self._uploads.remove(call.tenancy, upload.about.id)
        return json_response({"id": upload.about.id, "object": "file", "deleted": True})

    async def list(self, call: ApiCall) -> Response:
        """Return a page of the tenant's files. Expired files are left out, and deleted."""
        known = {name: value for name, value in call.query.items() if name in FileListQuery.__struct_fields__}
        query = convert(known, FileListQuery, strict=False)
        last = None
        if query.after is not None and (last := await self._uploads.find(call.tenancy, query.after)) is None:
            raise bad_request(f"No file found with id '{query.after[:100]}'.", param="after")
        kept, over = await self._listed(call, query, last)
        for upload in over[:_REMOVED_AT_ONCE]:
            await self._uploads.remove(call.tenancy, upload.about.id)
        shown: list[dict[str, Any]] = [upload.about.shown for upload in kept[: query.limit]]
        return json_response(list_object(shown, has_more=len(kept) > query.limit))

    async def _listed(
        self, call: ApiCall, query: FileListQuery, last: Upload | None
    ) -> tuple[list[Upload], list[Upload]]:
        """Return the files of a page and one more, and the expired files that were met."""
        kept: list[Upload] = []
        over: list[Upload] = []
        while len(kept) <= query.limit:
            at = None if last is None else last.stored
            count = min(query.limit + 1, _AT_ONCE)
            page = await self._uploads.page(call.tenancy, before=at, after=at, count=count, order=query.order)
            if not page:
                break
            last = page[-1]
            over += [upload for upload in page if self._uploads.is_over(upload)]
            kept += [upload for upload in page if upload not in over and query.purpose in (None, upload.about.purpose)]
        return kept, over

    async def _found(self, call: ApiCall) -> Upload:
        id = call.path("file_id")
        if (upload := await self._uploads.find(call.tenancy, id)) is None:
            raise not_found("File", id)
        return upload


def _key_of(call: ApiCall, form: UploadForm) -> RequestKey | None:
    """Return the idempotency key of an upload. A retry may write the same form in other bytes."""
    digest = hashlib.sha256(form.data).hexdigest()
    return key_for(call, {"file": [form.name, form.media_type, digest], **form.fields})
