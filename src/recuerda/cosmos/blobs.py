"""The bytes of files that turns name.

An item takes 2 MB, so a blob is a number of items, written before the turn that names it. A turn names each of its
blobs by the digest and by the id of the upload, which is random. An upload that no turn of the thread names is void. So
the commit of the turn makes its blobs count, and the commit that removes the last turn with an upload ends them.

The head is marked `is_unfinished` before an upload begins, so the next writer removes what a killed one has left. An
upload belongs to the head on which it was begun: once the head has changed, the turn cannot be committed any more.
Therefore `unused` takes only uploads of earlier heads. A writer may name an upload again while a turn of its head names
it. Another writer that removes this turn changes the head first, so only one of the two succeeds.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from recuerda.cosmos.container import Backoff, Container, run_all
from recuerda.cosmos.heads import holds, load
from recuerda.cosmos.items import BESIDE_NUMBER, MAX_BODY_BYTES, BlobItem, HeadItem, RecordItem, blob_item_id
from recuerda.ids import new_id
from recuerda.storage.operations import Guard
from recuerda.storage.records import Blob

FIELDS = "c.upload, c.part, c.parts, c.begun_on"
"""The fields of a blob's item, besides those that all items have, without the bytes."""

_DIGESTS_AT_ONCE = 20
_BATCH_BYTES = 1_500_000


async def uploads_of(container: Container, head: HeadItem, digests: Sequence[str]) -> dict[str, str]:
    """Return the uploads of blobs that a thread holds, by their digests."""
    found: dict[str, str] = {}
    for start in range(0, len(digests), _DIGESTS_AT_ONCE):
        some = digests[start : start + _DIGESTS_AT_ONCE]
        for item in await naming(container, head, some, fields=_NAMES):
            found |= dict(zip(item.digests or (), item.uploads or (), strict=True))
    return {digest: found[digest] for digest in digests if digest in found}


async def naming(
    container: Container, head: HeadItem, digests: Sequence[str], *, fields: str = "*"
) -> list[RecordItem]:
    """Return the turns of a thread that name one of these blobs."""
    conditions = " OR ".join(f"ARRAY_CONTAINS(c.digests, @digest{place})" for place in range(len(digests)))
    values = {f"digest{place}": digest for place, digest in enumerate(digests)}
    found = await container.query_all(
        head.partition,
        f"c.incarnation = @incarnation AND c.kind = 'turn' AND ({conditions})",
        {"incarnation": head.incarnation, **values},
        fields=fields,
    )
    return [item for item in found if isinstance(item, RecordItem) and holds(head, item)]


async def write(
    container: Container, head: HeadItem, blobs: Sequence[Blob]
) -> tuple[HeadItem, Mapping[str, str]] | None:
    """Write the blobs of a turn that is about to be committed, without those that the thread holds.

    Returns:
        The head on which the turn has to be committed, and the uploads by their digests; None if another writer was
        first.
    """
    held: dict[str, str] = {}
    if container.ttl_s is None and head.revision:  # otherwise the blob would expire with the first turn that named it
        held = await uploads_of(container, head, [blob.digest for blob in blobs])
    new = [blob for blob in blobs if blob.digest not in held]
    if not new:
        return head, held
    marked = await _mark(container, head)
    if marked is None:
        return None
    uploads = {blob.digest: new_id() for blob in new}
    await run_all(container.create(item) for blob in new for item in _items(marked, blob, uploads[blob.digest]))
    return marked, held | uploads


async def _mark(container: Container, head: HeadItem) -> HeadItem | None:
    marked = msgspec.structs.replace(head, writes=head.writes + 1, is_unfinished=True)
    etag = await container.commit(marked)
    return None if etag is None else msgspec.structs.replace(marked, etag=etag)


def _items(head: HeadItem, blob: Blob, upload: str) -> Iterable[BlobItem]:
    starts = range(0, max(1, len(blob.data)), MAX_BODY_BYTES)
    for part, start in enumerate(starts):
        yield BlobItem(
            partition=head.partition,
            id=blob_item_id(upload, part),
            kind="blob",
            number=BESIDE_NUMBER,
            incarnation=head.incarnation,
            upload=upload,
            part=part,
            parts=len(starts),
            begun_on=head.writes,
            data=base64.b64encode(blob.data[start : start + MAX_BODY_BYTES]).decode(),
        )


async def read(container: Container, head: HeadItem, uploads: Mapping[str, str]) -> dict[str, bytes]:
    """Return the bytes of blobs by their digests. A blob of which a part is missing is left out."""
    if not uploads:
        return {}
    parts: dict[str, dict[int, BlobItem]] = {}
    found = await container.query_all(
        head.partition,
        "c.kind = 'blob' AND c.incarnation = @incarnation AND ARRAY_CONTAINS(@uploads, c.upload)",
        {"incarnation": head.incarnation, "uploads": sorted(uploads.values())},
    )
    for item in found:
        if isinstance(item, BlobItem):
            parts.setdefault(item.upload, {})[item.part] = item
    whole = {upload: some for upload, some in parts.items() if len(some) == some[min(some)].parts}
    return {
        digest: b"".join(base64.b64decode(item.data) for _, item in sorted(whole[upload].items()))
        for digest, upload in uploads.items()
        if upload in whole
    }


def unused(found: Sequence[BlobItem], records: Sequence[RecordItem], *, then: HeadItem, now: HeadItem) -> list[str]:
    """Return the ids of the items of uploads that no turn names and that no turn can name any more.

    Args:
        found: the items of the thread's uploads.
        records: the thread's records, which were read together with `found`.
        then: the head before that read.
        now: the head after it.
    """
    named = {upload for item in records if holds(then, item) or holds(now, item) for upload in item.uploads or ()}
    return [item.id for item in found if item.upload not in named and item.begun_on < then.writes]


async def replace(container: Container, thread_id: str, digest: str, blob: Blob, guard: Guard) -> bool:
    """Put a blob in the place of the blob with a digest; return False if the thread does not hold it.

    A turn after the other names the new blob. An interruption leaves turns that name the old blob, which stays.
    """
    backoff = Backoff(container, thread_id)
    while True:
        head = await load(container, thread_id)
        head.check_user(guard)
        head.check_state(guard)
        if head.alive is None or not await uploads_of(container, head.alive, [digest]):
            return False
        if await _replace(container, head.alive, digest, blob):
            return True
        await backoff.wait()


async def _replace(container: Container, head: HeadItem, digest: str, blob: Blob) -> bool:
    marked = await _mark(container, head)
    if marked is None:
        return False
    upload = new_id()
    await run_all(container.create(item) for item in _items(marked, blob, upload))
    for item in await naming(container, marked, [digest, blob.digest]):
        names = dict(zip(item.digests or (), item.uploads or (), strict=True))
        renamed = {blob.digest if name in (digest, blob.digest) else name: old for name, old in names.items()}
        renamed[blob.digest] = upload
        put = msgspec.structs.replace(item, digests=tuple(renamed), uploads=tuple(renamed.values()))
        next_head = msgspec.structs.replace(marked, writes=marked.writes + 1)
        etag = await container.commit(next_head, put=[put])
        if etag is None:
            return False
        marked = msgspec.structs.replace(next_head, etag=etag)
    return True


_NAMES = "c.partition, c.id, c.kind, c.number, c.incarnation, c.digests, c.uploads"
