"""Several scopes as one: what a provider finds in several namespaces is ranked together, by the same frequencies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from recuerda.recall.index import Candidate, Candidates, ScopeInfo


def joined_info(infos: Sequence[ScopeInfo]) -> ScopeInfo:
    """Return the statistics of several scopes together."""
    if len(infos) == 1:
        return infos[0]
    documents = sum(info.documents for info in infos)
    size = sum(info.documents * info.mean_size for info in infos)
    speakers = tuple(dict.fromkeys(name for info in infos for name in info.speakers))
    return ScopeInfo(
        documents=documents,
        mean_size=max(1.0, size / max(1, documents)),
        speakers=speakers,
        has_corrections=any(info.has_corrections for info in infos),
    )


def joined_candidates(found: Sequence[Candidates]) -> Candidates:
    """Return the candidates of several scopes together. Keys are different in all scopes of an index."""
    if len(found) == 1:
        return found[0]
    frequencies: Counter[str] = Counter()
    candidates: dict[int, Candidate] = {}
    threads: dict[int, str] = {}
    similar: dict[str, str] = {}
    for one in found:
        frequencies.update(one.frequencies)
        candidates |= one.found
        threads |= one.threads
        similar |= one.similar
    return Candidates(found=candidates, frequencies=frequencies, threads=threads, similar=similar)
