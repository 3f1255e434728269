"""The statements for one schema: each is one round trip.

Every name is qualified by its schema, and nothing is kept in a session, so any connection may run any statement.
"""

from __future__ import annotations

from recuerda._drivers.postgres.database import composer
from recuerda.storage.thread_filter import Position, ThreadFilter


class Statements:
    """The statements, with the schema's name in them."""

    def __init__(self, schema: str) -> None:
        compose = composer(schema)
        self.append: bytes = compose(
            "SELECT * FROM {schema}.append_record("
            "%s::text, %s::text, %s::bigint, %s::text, %s::text, %s::bigint, "
            "%s::text, %s::boolean, %s::bigint, %s::text, %s::bigint, %s::bigint, %s::integer, %b::bytea, %s::text, "
            "%s::bigint, %s::text, %s::bigint, %s::json, %s::integer)"
        )
        self.append_together: bytes = compose(
            "SELECT g.place, r.* FROM unnest("
            "%s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::bigint[], "
            "%s::text[], %s::boolean[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::integer[], "
            "%b::bytea[], %s::text[], %s::bigint[], %s::text[], %s::bigint[], %s::json[]"
            ") WITH ORDINALITY AS g (thread_id, user_id, revision, incarnation, record_id, edits, last_step, "
            "may_exist, call, id, created_us, committed_us, message_count, body, kind, target, undo_id, keep_messages, "
            "title, place) CROSS JOIN LATERAL {schema}.append_record("
            "g.thread_id, g.user_id, g.revision, g.incarnation, g.record_id, g.edits, g.last_step, g.may_exist, "
            "g.call, g.id, g.created_us, g.committed_us, g.message_count, g.body, g.kind, g.target, g.undo_id, "
            "g.keep_messages, g.title, %s::integer) AS r"
        )
        self.append_with_blobs: bytes = compose(
            "SELECT * FROM {schema}.append_record_with_blobs("
            "%s::text, %s::text, %s::bigint, %s::text, %s::text, %s::bigint, "
            "%s::text, %s::boolean, %s::bigint, %s::text, %s::bigint, %s::bigint, %s::integer, %b::bytea, %s::text, "
            "%s::bigint, %s::text, %s::bigint, %s::json, %s::integer, %s::text[], %b::bytea[])"
        )
        self.append_all: bytes = compose(
            "SELECT * FROM {schema}.append_records("
            "%s::text, %s::text, %s::bigint, %s::text, %s::text, %s::bigint, "
            "%s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::integer[], %b::bytea[], %s::json, %s::integer)"
        )
        self.append_all_with_blobs: bytes = compose(
            "SELECT * FROM {schema}.append_records_with_blobs("
            "%s::text, %s::text, %s::bigint, %s::text, %s::text, %s::bigint, "
            "%s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::integer[], %b::bytea[], %s::json, %s::integer, "
            "%s::text[], %s::text[], %b::bytea[])"
        )
        self.read: bytes = compose(
            "SELECT * FROM {schema}.read_thread(%s::text, %s::bigint, %s::text, %s::text, %s::bigint, %s::bigint, "
            "%s::bigint, %s::text, %s::boolean, %s::bigint, %s::bigint, %s::text[])"
        )
        self.read_together: bytes = compose(
            "SELECT g.place, r.* FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::bigint[], "
            "%s::bigint[], %s::bigint[], %s::text[], %s::boolean[], %s::bigint[]) WITH ORDINALITY AS g (thread_id, "
            "after, incarnation, record_id, edits, last_messages, last_turns, turn_id, with_summary, before, place) "
            "CROSS JOIN LATERAL {schema}.read_thread(g.thread_id, g.after, g.incarnation, g.record_id, g.edits, "
            "g.last_messages, g.last_turns, g.turn_id, g.with_summary, g.before, 0, NULL) AS r"
        )
        self.heads: bytes = compose("SELECT {schema}.info(t) FROM {schema}.threads AS t WHERE t.id = ANY (%s::text[])")
        self.update: bytes = compose(
            "SELECT * FROM {schema}.update_thread(%s::text, %s::text, %s::bigint, %s::text, %s::text, %s::bigint, "
            "%s::bigint, %s::bigint, %s::boolean, %s::text, %s::boolean, %s::json, %s::bigint, %s::json, %s::boolean, "
            "%s::json, %s::boolean, %s::json, %s::bigint, %s::integer)"
        )
        self.delete: bytes = compose(
            "SELECT * FROM {schema}.delete_thread(%s::text, %s::text, %s::bigint, %s::text, %s::text, %s::bigint, "
            "%s::integer)"
        )
        self.save_draft: bytes = compose(
            "SELECT * FROM {schema}.save_step(%s::text, %s::text, %s::bigint, %s::text, %s::text, %s::bigint, "
            "%s::integer, %s::text, %s::text, %s::text, %s::bigint, %b::bytea, %s::bigint, %s::integer)"
        )
        self.load_draft: bytes = compose(
            "SELECT t.user_id, d.turn_id, d.revision, d.number, d.body, d.created_us, d.id "
            "FROM {schema}.threads AS t LEFT JOIN {schema}.drafts AS d ON d.thread_key = t.key "
            "WHERE t.id = %s ORDER BY d.number"
        )
        self.list_drafts: bytes = compose(
            "SELECT t.id, t.user_id, d.created_us FROM {schema}.drafts AS d "
            "JOIN {schema}.threads AS t ON t.key = d.thread_key WHERE d.number = 1 AND d.created_us >= %s::bigint "
            "AND (d.created_us, t.id) > (%s::bigint, %s::text) AND (%s::text IS NULL OR t.user_id = %s::text) "
            "ORDER BY d.created_us, t.id LIMIT %s::bigint"
        )
        self.drop_draft: bytes = compose(
            "SELECT * FROM {schema}.drop_draft(%s::text, %s::text, %s::bigint, %s::text, %s::text, %s::bigint, "
            "%s::text, %s::text, %s::bigint, %s::integer)"
        )
        self.rewrite: bytes = compose(
            "SELECT * FROM {schema}.rewrite_records(%s::text, %s::text, %s::bigint, %s::text, %s::text, %s::bigint, "
            "%s::bigint, %s::bigint[], %b::bytea[], %s::bigint[], %s::text[], %s::bigint, %s::integer)"
        )
        self.replace_blob: bytes = compose(
            "SELECT * FROM {schema}.replace_blob(%s::text, %s::text, %s::bigint, %s::text, %s::text, %s::bigint, "
            "%s::text, %s::text, %b::bytea, %s::integer)"
        )
        self.lease: bytes = compose("SELECT {schema}.take_lease(%s::text, %s::text, %s::text, %s::bigint, %s::integer)")
        self.release: bytes = compose("DELETE FROM {schema}.leases WHERE thread_id = %s AND holder = %s RETURNING true")
        # Like the function that takes a lease, it leaves out one that was taken before the clock was put back.
        self.list_leases: bytes = compose(
            "SELECT thread_id, ceil(extract(epoch FROM until - clock_timestamp()) * 1000000)::bigint "
            "FROM {schema}.leases WHERE until > clock_timestamp() "
            "AND taken <= clock_timestamp() + interval '1 second' LIMIT %s"
        )
        self.walk: bytes = compose(
            "SELECT t.key, {schema}.info(t) FROM {schema}.threads AS t WHERE t.key > %s::bigint ORDER BY t.key LIMIT %s"
        )
        self.walk_user: bytes = compose(
            "SELECT t.key, {schema}.info(t) "
            "FROM {schema}.owners AS o JOIN {schema}.threads AS t ON t.key = o.thread_key "
            "WHERE o.user_id = %s AND o.thread_key > %s::bigint ORDER BY o.thread_key LIMIT %s"
        )
        self._list = compose("SELECT {schema}.info(t) FROM {schema}.threads AS t")
        # As an array, so that the server uses the index of parents whatever it knows about the number of forks.
        self._of_parent = compose(
            "t.key = ANY (ARRAY(SELECT f.key FROM {schema}.threads AS f "
            "WHERE f.parent IS NOT NULL AND (f.parent ->> 'thread_id') COLLATE \"C\" = %s))"
        )

    def list(self, wanted: ThreadFilter, place: Position | None, limit: int) -> tuple[bytes, list[object]]:
        """Return the statement for the threads that an index finds, after a place in the list, and its values."""
        conditions: list[bytes] = []
        values: list[object] = []
        if wanted.parent is not None:
            conditions.append(self._of_parent)
            values.append(wanted.parent)
        if wanted.user_id is not None:
            conditions.append(b"t.user_id = %s")
            values.append(wanted.user_id)
        if wanted.archived is not None:
            conditions.append(b"t.archived = %s")
            values.append(wanted.archived)
        if place is not None:
            conditions.append(b"(t.updated_us, t.id) < (%s, %s)")
            values.extend(place)
        if wanted.updated_from_us is not None:
            conditions.append(b"t.updated_us >= %s")
            values.append(wanted.updated_from_us)
        where = b" WHERE " + b" AND ".join(conditions) if conditions else b""
        return self._list + where + b" ORDER BY t.updated_us DESC, t.id DESC LIMIT %s", [*values, limit]
