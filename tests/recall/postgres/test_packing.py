"""The rows of postings: each chunk is in the last row whose key is not greater, through any changes."""

from bisect import bisect_right
from random import Random

from recuerda.recall.postgres.packing import MAX_ROW, Key, chunks_of, packed, rewritten, unpacked
from recuerda.recall.postings import MAX_CHUNK, Chunk, Postings, entered, without

Rows = dict[Key, bytes]


def holding(rows: Rows, key: Key) -> Rows:
    """Return the row that has a chunk or would have it, as the database finds it."""
    keys = sorted(rows)
    at = bisect_right(keys, key) - 1
    return {} if at < 0 else {keys[at]: rows[keys[at]]}


def change(rows: Rows, changes: dict[Key, bytes]) -> None:
    """Change chunks, given only the rows that have them."""
    given: Rows = {}
    for key in changes:
        given |= holding(rows, key)
    done = rewritten({key: unpacked(row) for key, row in given.items()}, changes)
    for key in done.gone:
        del rows[key]
    rows.update(done.rows)


def check(rows: Rows, expected: dict[Key, bytes]) -> None:
    """Check that each row begins with its key, and that the rows have exactly these chunks, in order."""
    found: dict[Key, bytes] = {}
    for key, row in sorted(rows.items()):
        chunks = unpacked(row)
        assert next(iter(chunks)) == key
        assert len(row) <= MAX_ROW + 2 * MAX_CHUNK or len(chunks) == 1
        found.update(chunks)
    assert list(found.items()) == sorted(expected.items())


def test_a_row_gives_back_its_chunks() -> None:
    chunks = [entered([], counts) for counts in ({7: 1}, {7: 2}, {65_543: 1}, {1: 1, 2: 3, 300: 1})]
    given = [(("löwe", chunk.first), chunk.data) for of_term in chunks[:1] for chunk in of_term]
    given += [((f"z{n}", chunk.first), chunk.data) for n, of_term in enumerate(chunks[1:]) for chunk in of_term]
    row = packed(given)
    assert list(unpacked(row).items()) == given
    assert len(packed(given[:1])) == len("löwe".encode()) + 7


def test_rows_have_the_chunks_after_any_changes() -> None:
    random = Random(1)
    rows: Rows = {}
    expected: dict[Key, bytes] = {}
    words = [f"{random.choice('azéñ猫')}{random.randrange(300)}" for _ in range(400)]
    for _ in range(300):
        changes: dict[Key, bytes] = {}
        for _ in range(random.randint(1, 40)):
            key = random.choice(words), random.choice((0, 0, 0, 500, 65_536))
            changes[key] = (
                b"" if random.random() < 0.45 and key in expected else random.randbytes(random.choice((4, 60, 482)))
            )
        changes = {key: b"\x02" + data[1:] if data else data for key, data in changes.items()}
        change(rows, changes)
        expected = {key: data for key, data in (expected | changes).items() if data}
        check(rows, expected)
    assert len(rows) > 20
    change(rows, dict.fromkeys(expected, b""))
    assert rows == {}


def test_a_term_keeps_its_documents_whichever_rows_it_has() -> None:
    random = Random(2)
    rows: Rows = {}
    told: dict[str, dict[int, int]] = {"common": {}, "rare": {}, "some": {}}
    for start in range(0, 70_000, 700):
        for term, share in (("common", 0.9), ("rare", 0.002), ("some", 0.1)):
            counts = {n: random.choice((1, 1, 1, 3)) for n in range(start, start + 700) if random.random() < share}
            if not counts:
                continue
            low, high = (term, min(counts)), (term, max(counts))
            given = holding(rows, low) | {key: row for key, row in rows.items() if low < key <= high}
            chunks = chunks_of({key: unpacked(row) for key, row in given.items()}, [term])[term]
            change(rows, {(term, chunk.first): chunk.data for chunk in entered(chunks, counts)})
            told[term] |= counts
    for term, counts in told.items():
        for number in random.sample(sorted(counts), len(counts) // 3):
            held = {key: unpacked(row) for key, row in holding(rows, (term, number)).items()}
            first, data = max(chunk for chunk in chunks_of(held, [term])[term] if chunk[0] <= number)
            left, gone = without(Chunk(first, data), [number])
            assert gone == {number}
            change(rows, {(term, first): left})
            del counts[number]
        postings = Postings(chunks_of({key: unpacked(row) for key, row in rows.items()}, [term])[term])
        assert postings.numbers == sorted(counts)
        assert postings.repeated == {number: count for number, count in counts.items() if count > 1}
