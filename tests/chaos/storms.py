"""The storms by their names, and the storages on which each makes sense."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias

from tests.chaos.erasures import erasures
from tests.chaos.files import files
from tests.chaos.outages import outages
from tests.chaos.owners import owners
from tests.chaos.places import PLACES, Place
from tests.chaos.remade import remade
from tests.chaos.replaced import replaced
from tests.chaos.rollback import rollback
from tests.chaos.served import served
from tests.chaos.tally import Round
from tests.chaos.walks import walks

Storm: TypeAlias = Callable[[Place, Round], Coroutine[Any, Any, None]]

STORMS: dict[str, Storm] = {
    "rollback": rollback,
    "remade": remade,
    "owners": owners,
    "walks": walks,
    "erasures": erasures,
    "served": served,
    "outages": outages,
    "files": files,
    "replaced": replaced,
}


def storms_of(scheme: str, names: Sequence[str]) -> list[str]:
    """Return the names of the storms that make sense on a storage."""
    place = PLACES[scheme]
    senseless = {
        "rollback": not place.can_go_back,
        "erasures": not place.can_be_searched,
        "served": not place.can_be_served,
        "outages": place.scheme not in ("redis", "postgresql"),
        "files": not place.is_shared,
        "replaced": not place.is_shared,
    }
    return [name for name in names if not senseless.get(name)]
