"""The texts of the pages in `threads`."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "threads.heading": ("Threads", "Hilos"),
    "threads.search": ("Search", "Buscar"),
    "threads.user": ("User", "Usuario"),
    "threads.state": ("State", "Situación"),
    "threads.state.any": ("any", "cualquiera"),
    "threads.state.unfinished": ("unfinished turn", "turno sin terminar"),
    "threads.state.waiting": ("waits for approval", "espera aprobación"),
    "threads.state.damaged": ("damaged", "dañado"),
    "threads.state.sealed": ("unfinished, sealed", "sin terminar, sellado"),
    "threads.damaged.one": ("{shown} damaged turn", "{shown} turno dañado"),
    "threads.damaged.other": ("{shown} damaged turns", "{shown} turnos dañados"),
    "threads.tag": ("Tag", "Etiqueta"),
    "threads.metadata": ("Metadata", "Metadatos"),
    "threads.since": ("Changed since", "Cambiado desde"),
    "threads.until": ("Changed until", "Cambiado hasta"),
    "threads.archived": ("Archived", "Archivado"),
    "threads.archived.none": ("left out", "sin archivados"),
    "threads.archived.only": ("only archived", "solo archivados"),
    "threads.archived.all": ("all", "todos"),
    "threads.fork": ("fork", "rama"),
    "threads.thread": ("Thread", "Hilo"),
    "threads.turns": ("Turns", "Turnos"),
    "threads.messages": ("Messages", "Mensajes"),
    "threads.updated": ("Last change", "Último cambio"),
    "threads.notes": ("Notes", "Notas"),
    "threads.no-index": (
        "Only titles are searched. An index of memories beside the storage lets the studio search messages too.",
        "Solo se buscan títulos. Con un índice de memorias junto al almacén también se buscan mensajes.",
    ),
    "threads.whose": (
        "All titles are searched, and messages of threads without a user. Name a user to search their messages.",
        "Se buscan todos los títulos y los mensajes de hilos sin usuario. Indica un usuario para buscar los suyos.",
    ),
    "threads.none": ("No threads yet", "Todavía no hay hilos"),
    "threads.none.why": ("This storage holds no thread.", "Este almacén no contiene ningún hilo."),
    "threads.none-such": ("No such threads", "No hay hilos así"),
    "threads.none-such.why": ("No thread meets these conditions.", "Ningún hilo cumple estas condiciones."),
    "threads.none-yet": ("Nothing found so far", "Nada encontrado hasta ahora"),
    "threads.partial": (
        "The studio has looked at a part of the threads. The next page continues.",
        "El estudio ha mirado una parte de los hilos. La página siguiente continúa.",
    ),
}
