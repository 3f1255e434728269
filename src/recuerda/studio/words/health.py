"""The texts of the pages in `health`."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "health.storage": ("Storage", "Almacén"),
    "health.kind": ("Kind", "Tipo"),
    "health.name": ("Name", "Nombre"),
    "health.size": ("Size", "Tamaño"),
    "health.persistence": ("Persistence", "Persistencia"),
    "health.warning": ("Warning", "Aviso"),
    "health.lasting.process": (
        "The threads are in the memory of this process and end with it.",
        "Los hilos están en la memoria de este proceso y terminan con él.",
    ),
    "health.lasting.nothing": (
        "The server keeps nothing on disk, so the threads end with its process.",
        "El servidor no guarda nada en disco: los hilos terminan con su proceso.",
    ),
    "health.lasting.unknown": (
        "The server does not say whether it keeps the threads on disk.",
        "El servidor no dice si guarda los hilos en disco.",
    ),
    "health.damage": ("Damage", "Daños"),
    "health.findings.one": ("{shown} finding", "{shown} hallazgo"),
    "health.findings.other": ("{shown} findings", "{shown} hallazgos"),
    "health.sound": ("Nothing to repair", "Nada que reparar"),
    "health.examined": (
        "{threads} threads with {turns} turns were examined.",
        "Se examinaron {threads} hilos con {turns} turnos.",
    ),
    "health.of-newest": (
        "They are the newest ones. `recuerda doctor` examines all threads.",
        "Son los más recientes. `recuerda doctor` examina todos los hilos.",
    ),
    "health.more": ("Examine more", "Examinar más"),
    "health.sealed.one": (
        "{shown} encrypted value could not be examined.",
        "No se pudo examinar {shown} valor cifrado.",
    ),
    "health.sealed.other": (
        "{shown} encrypted values could not be examined.",
        "No se pudieron examinar {shown} valores cifrados.",
    ),
    "health.skipped": (
        "These threads are too long for this page; `recuerda doctor --thread ID` examines them:",
        "Estos hilos son demasiado largos para esta página; los examina `recuerda doctor --thread ID`:",
    ),
    "health.finding": ("Finding", "Hallazgo"),
    "health.next": ("Next step", "Siguiente paso"),
    "health.repair": (
        "The flags belong to `recuerda doctor`, which copies a thread before it repairs it.",
        "Las opciones son de `recuerda doctor`, que copia un hilo antes de repararlo.",
    ),
    "health.kind.open_draft": ("Interrupted turn", "Turno interrumpido"),
    "health.kind.waiting_draft": ("Waits for a person", "Espera a una persona"),
    "health.kind.unreadable_draft": ("Unreadable unfinished turn", "Turno sin terminar ilegible"),
    "health.kind.corrupt_turn": ("Unreadable turn", "Turno ilegible"),
    "health.kind.newer_turn": ("Written by a newer version", "Escrito por una versión más nueva"),
    "health.kind.lost_file": ("Lost file", "Archivo perdido"),
    "health.kind.orphans": ("Calls and results without a pair", "Llamadas y resultados sin pareja"),
    "health.kind.counters": ("Wrong counters", "Contadores erróneos"),
    "health.kind.unreadable_summary": ("Unreadable summary", "Resumen ilegible"),
    "health.kind.unreadable_thread": ("Unreadable thread", "Hilo ilegible"),
    # What was found, and what to do about it.
    "health.found.open_draft": (
        "A turn was interrupted after step {step}, or is at work.",
        "Un turno se interrumpió después del paso {step}, o está en curso.",
    ),
    "health.do.open_draft": (
        "If no program is working on it, agent.resume(thread) continues it and --repair --drop-drafts deletes it.",
        "Si ningún programa trabaja en él, agent.resume(thread) lo continúa y --repair --drop-drafts lo borra.",
    ),
    "health.found.outdated_draft": (
        "A turn was interrupted after step {step}, and the thread has changed since.",
        "Un turno se interrumpió después del paso {step}, y el hilo ha cambiado desde entonces.",
    ),
    "health.do.outdated_draft": (
        "Unless only a summary was added, the turn can only be deleted: --repair --drop-drafts.",
        "Salvo que solo se añadiera un resumen, el turno solo se puede borrar: --repair --drop-drafts.",
    ),
    "health.found.waiting_draft": (
        "A turn waits until a person decides about {calls}.",
        "Un turno espera a que una persona decida sobre {calls}.",
    ),
    "health.do.waiting_draft": (
        "The inbox lists the calls and decides. `recuerda pending` does so too.",
        "La bandeja de entrada muestra las llamadas y decide. `recuerda pending` también.",
    ),
    "health.found.decided_draft": (
        "A turn is paused, and the next run continues it: {calls}.",
        "Un turno está en pausa y la próxima ejecución lo continúa: {calls}.",
    ),
    "health.do.decided_draft": ("agent.resume(thread) continues it.", "agent.resume(thread) lo continúa."),
    "health.found.unreadable_draft": (
        "The thread has an interrupted turn that cannot be read.",
        "El hilo tiene un turno interrumpido que no se puede leer.",
    ),
    "health.do.unreadable_draft": (
        "It can only be deleted: --repair --drop-drafts.",
        "Solo se puede borrar: --repair --drop-drafts.",
    ),
    "health.found.corrupt_turn": (
        "Turn {number} cannot be read ({reason}), so runs on this thread fail.",
        "El turno {number} no se puede leer ({reason}), así que fallan las ejecuciones de este hilo.",
    ),
    "health.do.corrupt_turn": (
        "--repair replaces it with a note and keeps its bytes in the copy.",
        "--repair lo sustituye por una nota y guarda sus bytes en la copia.",
    ),
    "health.found.newer_turn": (
        "Turn {number} was written by a newer recuerda.",
        "El turno {number} lo escribió un recuerda más nuevo.",
    ),
    "health.do.newer_turn": (
        "Upgrade recuerda. The turn stays unchanged.",
        "Actualice recuerda. El turno no cambia.",
    ),
    "health.found.lost_file": (
        "A file that turn {number} names is missing or damaged.",
        "Falta o está dañado un archivo que nombra el turno {number}.",
    ),
    "health.do.lost_file": (
        "Restore the thread from a copy, or undo the turn.",
        "Restaure el hilo desde una copia o deshaga el turno.",
    ),
    "health.found.orphans": (
        "Calls of tools without a result: {calls}. Results without a call: {results}.",
        "Llamadas de herramientas sin resultado: {calls}. Resultados sin llamada: {results}.",
    ),
    "health.do.orphans": (
        "You do not have to do anything: models get complete pairs only. --repair turns the rest into text.",
        "No tiene que hacer nada: los modelos solo reciben parejas completas. --repair convierte el resto en texto.",
    ),
    "health.found.counters": (
        (
            "The storage counts {counted_turns} turns and {counted_messages} messages, but the log holds {turns} and "
            "{messages}."
        ),
        (
            "El almacén cuenta {counted_turns} turnos y {counted_messages} mensajes, pero el registro tiene {turns} y "
            "{messages}."
        ),
    ),
    "health.do.counters": (
        "--repair creates the thread again from its log. A later run writes a new summary.",
        "--repair vuelve a crear el hilo a partir de su registro. Una ejecución posterior escribe otro resumen.",
    ),
    "health.found.unreadable_summary": (
        "The summary of the turns up to {target} cannot be read ({reason}).",
        "El resumen de los turnos hasta el {target} no se puede leer ({reason}).",
    ),
    "health.do.unreadable_summary": (
        "You do not have to do anything: models get the turns, until the next summary replaces this one.",
        "No tiene que hacer nada: los modelos reciben los turnos hasta que otro resumen sustituya a este.",
    ),
    "health.found.unreadable_thread": (
        "The storage cannot read the thread: {reason}",
        "El almacén no puede leer el hilo: {reason}",
    ),
    "health.do.unreadable_thread": (
        "Examine the storage itself, or restore the thread from a copy.",
        "Examine el propio almacén, o restaure el hilo desde una copia.",
    ),
    "health.leftovers": ("Unfinished turns", "Turnos sin terminar"),
    "health.leftovers.none": ("There is no unfinished turn.", "No hay turnos sin terminar."),
    "health.leases": ("Leases that run now", "Bloqueos en curso"),
    "health.lease.left": ("Ends in", "Termina en"),
    "health.leases.none": ("No process holds a lease.", "Ningún proceso tiene un bloqueo."),
    "health.leases.more": ("There are more.", "Hay más."),
    "health.leases.what": (
        "A run is at work on a thread with a lease, and renews it. If its process has died, the lease ends by itself.",
        "Una ejecución trabaja en un hilo con bloqueo y lo renueva. Si el proceso murió, el bloqueo termina solo.",
    ),
    "health.leftovers.more": ("There are more. These were begun first.", "Hay más. Estos empezaron antes."),
    "health.state": ("State", "Estado"),
    "health.state.waiting": ("Waits for approval", "Espera aprobación"),
    "health.state.decided": ("Decided, waits for a run", "Decidido, espera una ejecución"),
    "health.state.interrupted": ("Interrupted, or at work", "Interrumpido o en curso"),
    "health.state.sealed": ("Sealed", "Sellado"),
    "health.state.damaged": ("Unreadable", "Ilegible"),
    "health.steps": ("Steps", "Pasos"),
    "health.last-step": ("Last step", "Último paso"),
    "health.unknown": (
        "Storages keep no list of erasures. Repeat an erasure that was interrupted, and it is completed.",
        "Los almacenes no guardan una lista de borrados. Repite un borrado interrumpido, y se completa.",
    ),
    "health.growth": ("Turns per day", "Turnos por día"),
    "health.growth.what": (
        "Counted in the {threads} examined threads, by days in UTC.",
        "Contados en los {threads} hilos examinados, por días en UTC.",
    ),
    "health.day": ("Day", "Día"),
    "health.index": ("Index of memories", "Índice de recuerdos"),
    "health.index.owners": ("Users and threads without a user", "Usuarios e hilos sin usuario"),
    "health.index.vectors": ("Vectors", "Vectores"),
    "health.index.forgotten": ("Forgotten ranges of turns", "Rangos de turnos olvidados"),
}
