"""The texts of the pages in `changes`."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "change.thread": ("Thread", "Hilo"),
    "change.thread-id": ("Thread id", "Id del hilo"),
    "change.user": ("User", "Usuario"),
    "change.turn": ("Turn", "Turno"),
    "change.turns": ("Turns", "Turnos"),
    "change.threads": ("Threads", "Hilos"),
    "change.messages": ("Messages", "Mensajes"),
    "change.memories": ("Messages in the index", "Mensajes en el índice"),
    "change.query": ("Words", "Palabras"),
    "change.steps": ("Saved steps", "Pasos guardados"),
    "change.said": ("Messages", "Mensajes"),
    "change.for-good": ("This cannot be undone.", "Esto no se puede deshacer."),
    "change.nothing": ("There is nothing to change", "No hay nada que cambiar"),
    "change.nothing.why": ("Nothing matches any more.", "Ya no hay nada que coincida."),
    "change.menu": ("Change", "Cambiar"),
    "change.fork-before": ("Fork before this turn", "Bifurcar antes de este turno"),
    "change.fork-after": ("Fork after this turn", "Bifurcar después de este turno"),
    "change.back": ("Back", "Volver"),
    # One change each: its heading, a sentence, and the button.
    "change.undo": ("Undo a turn", "Deshacer un turno"),
    "change.undo.what": (
        "The turn is removed from the thread with all of its messages. The turns around it stay.",
        "El turno se quita del hilo con todos sus mensajes. Los demás turnos se quedan.",
    ),
    "change.undo.yes": ("Remove the turn", "Quitar el turno"),
    "change.fork": ("Fork the thread", "Bifurcar el hilo"),
    "change.fork.what": (
        "A new thread begins with a copy of the turns up to the place of the fork. This thread does not change.",
        "Un hilo nuevo empieza con una copia de los turnos hasta el lugar de la bifurcación. Este hilo no cambia.",
    ),
    "change.fork.before": ("The copy ends before turn", "La copia termina antes del turno"),
    "change.fork.through": ("The copy ends after turn", "La copia termina después del turno"),
    "change.fork.before.said": ("The first turn that is not copied", "El primer turno que no se copia"),
    "change.fork.through.said": ("The last turn that is copied", "El último turno que se copia"),
    "change.fork.yes": ("Make the fork", "Crear la bifurcación"),
    "change.settings": ("Title, tags and archive", "Título, etiquetas y archivo"),
    "change.settings.what": (
        "These settings help people to find the thread. No model sees them.",
        "Estos datos ayudan a encontrar el hilo. Ningún modelo los ve.",
    ),
    "change.settings.yes": ("Save", "Guardar"),
    "change.title": ("Title", "Título"),
    "change.title.note": ("An empty field removes the title.", "Un campo vacío quita el título."),
    "change.tags": ("Tags", "Etiquetas"),
    "change.tags.note": ("One tag on each line.", "Una etiqueta en cada línea."),
    "change.archived": ("Archived", "Archivado"),
    "change.drop": ("Drop the unfinished turn", "Descartar el turno sin terminar"),
    "change.drop.what": (
        (
            "The saved steps of the turn are deleted. The thread stays as it was before the turn, but the effects of "
            "tools that have run remain."
        ),
        (
            "Se borran los pasos guardados del turno. El hilo queda como antes del turno, pero siguen los efectos de "
            "las herramientas que ya se ejecutaron."
        ),
    ),
    "change.drop.yes": ("Drop the turn", "Descartar el turno"),
    "change.resume": ("Resume the turn", "Reanudar el turno"),
    "change.resume.what": (
        "The agent continues the turn from its last saved step. This calls its model and its tools.",
        "El agente sigue el turno desde el último paso guardado. Para ello llama a su modelo y a sus herramientas.",
    ),
    "change.resume.yes": ("Resume", "Reanudar"),
    "change.delete": ("Delete the thread", "Borrar el hilo"),
    "change.delete.what": (
        "The thread is deleted with everything that it holds. The index of memories forgets it too.",
        "El hilo se borra con todo lo que contiene. El índice de recuerdos también lo olvida.",
    ),
    "change.delete.yes": ("Delete the thread", "Borrar el hilo"),
    "change.forget": ("Forget memories", "Olvidar recuerdos"),
    "change.forget.what": (
        (
            "No agent is reminded of these messages any more, also after the index is made anew. The threads keep "
            "them: an undo removes a turn from its thread."
        ),
        (
            "Ningún agente volverá a recordar estos mensajes, tampoco si el índice se vuelve a crear. Los hilos los "
            "conservan: para quitar un turno de su hilo, deshazlo."
        ),
    ),
    "change.forget.yes": ("Forget these memories", "Olvidar estos recuerdos"),
    "change.erase": ("Erase a user", "Borrar a un usuario"),
    "change.erase.what": (
        (
            "All threads of this user are deleted with everything that they hold, and so is everything that was made "
            "from them: memories, facts and mirrors. A receipt says what was deleted."
        ),
        (
            "Se borran todos los hilos de este usuario con todo lo que contienen, y también todo lo que se hizo a "
            "partir de ellos: recuerdos, hechos y copias. Un recibo dice qué se borró."
        ),
    ),
    "change.erase.yes": ("Erase everything of this user", "Borrar todo de este usuario"),
    # The receipt.
    "erased": ("The user is erased", "El usuario está borrado"),
    "erased.what": (
        "This receipt is not kept in the storage. Download it if you need it.",
        "Este recibo no se guarda en el almacén. Descárgalo si lo necesitas.",
    ),
    "erased.not-whole": (
        "The threads are deleted, but something that was made from them could not be reached. Erase the user again.",
        (
            "Los hilos están borrados, pero algo que se hizo a partir de ellos no se pudo alcanzar. Vuelve a borrar al "
            "usuario."
        ),
    ),
    "erased.followers": ("Made from the threads", "Hecho a partir de los hilos"),
    "erased.follower": ("Place", "Lugar"),
    "erased.outcome": ("Outcome", "Resultado"),
    "erased.items": ("Deleted", "Borrados"),
    "erased.outcome.removed": ("Removed", "Quitado"),
    "erased.outcome.nothing": ("Nothing to remove", "Nada que quitar"),
    "erased.outcome.failed": ("Failed", "Falló"),
    "erased.outcome.not reachable": ("Not reachable", "Sin conexión"),
    "erased.download": ("Download the receipt", "Descargar el recibo"),
    # Exports.
    "export": ("Export", "Exportar"),
    "export.what": (
        "The thread as a file, in recuerda's own format or in the format of another program.",
        "El hilo como archivo, en el formato de recuerda o en el de otro programa.",
    ),
    "export.hidden": (
        "Secrets are hidden in the file, because this studio is read-only.",
        "Los secretos están ocultos en el archivo, porque este estudio es de solo lectura.",
    ),
    "export.verbatim": ("The file holds secrets as they are.", "El archivo contiene los secretos tal como son."),
    "export.format": ("Format", "Formato"),
    "export.branches": ("With its branches", "Con sus ramas"),
    "export.look": ("Show the losses", "Mostrar las pérdidas"),
    "export.losses": ("Left out", "Queda fuera"),
    "export.supplement": ("Only recuerda reads this", "Solo recuerda lee esto"),
    "export.nothing-lost": ("Nothing is lost", "No se pierde nada"),
    "export.download": ("Download", "Descargar"),
    # Imports.
    "import": ("Import", "Importar"),
    "import.what": (
        (
            "Choose an export of recuerda or of another program. It is checked first, and nothing is written before "
            "you confirm."
        ),
        (
            "Elige un archivo exportado por recuerda o por otro programa. Primero se comprueba, y no se escribe nada "
            "hasta que lo confirmes."
        ),
    ),
    "import.file": ("File", "Archivo"),
    "import.format": ("Format", "Formato"),
    "import.guess": ("Guess it from the content", "Deducirlo del contenido"),
    "import.user": ("The user of the new threads", "El usuario de los hilos nuevos"),
    "import.thread": ("Another id for the thread", "Otro id para el hilo"),
    "import.check": ("Check the file", "Comprobar el archivo"),
    "import.checked": ("Checked", "Comprobado"),
    "import.done": ("Imported", "Importado"),
    "import.nothing-written": (
        "Nothing is written yet. The import adds the turns that the storage does not have.",
        "Todavía no se ha escrito nada. La importación añade los turnos que el almacén no tiene.",
    ),
    "import.added.one": ("{shown} turn was added.", "Se añadió {shown} turno."),
    "import.added.other": ("{shown} turns were added.", "Se añadieron {shown} turnos."),
    "import.losses": ("Cannot be read from this format", "No se puede leer de este formato"),
    "import.differing.one": ("{shown} turn differs and stays", "{shown} turno es distinto y se queda"),
    "import.differing.other": ("{shown} turns differ and stay", "{shown} turnos son distintos y se quedan"),
    "import.yes": ("Import", "Importar"),
}
