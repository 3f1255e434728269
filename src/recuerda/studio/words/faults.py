"""The texts of refusals: what happened, and under the same key with `.next` what to do."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    # Missing things.
    "fault.no-page": ("There is no page with this address.", "No hay ninguna página con esta dirección."),
    "fault.no-page.next": (
        "Look for what you need in the list of threads.",
        "Busque lo que necesita en la lista de hilos.",
    ),
    "fault.no-thread": ("There is no thread {thread} here.", "Aquí no hay ningún hilo {thread}."),
    "fault.no-thread.next": (
        "It may have been deleted, or be in another storage. The list of threads finds a part of an id or of a title.",
        "Quizá se borró o está en otro almacén. Busque en la lista de hilos una parte de su id o de su título.",
    ),
    "fault.no-turn": ("Thread {thread} has no turn {number}.", "El hilo {thread} no tiene el turno {number}."),
    "fault.no-turn.next": (
        "It may have been undone or deleted. The page of the thread shows its turns.",
        "Quizá se deshizo o se borró. La página del hilo muestra sus turnos.",
    ),
    "fault.no-turns": ("Thread {thread} has no turns.", "El hilo {thread} no tiene turnos."),
    "fault.no-turns.next": (
        "They may have been undone or deleted. Load the page of the thread again.",
        "Quizá se deshicieron o se borraron. Vuelva a cargar la página del hilo.",
    ),
    "fault.no-file": (
        "Turn {number} of thread {thread} has no file {place} here.",
        "El turno {number} del hilo {thread} no tiene aquí el archivo {place}.",
    ),
    "fault.no-file.next": (
        "The page of the turn shows its files. A file that the storage lost is on the page of its health.",
        "La página del turno muestra sus archivos. Un archivo perdido aparece en la página de la salud del almacén.",
    ),
    "fault.no-user": ("There is no such user here.", "Aquí no hay ese usuario."),
    "fault.no-user.next": (
        "This studio was started for one user. Start it with another --user, or without one.",
        "Este estudio se inició para un solo usuario. Inícielo con otro --user o sin él.",
    ),
    "fault.no-id": (
        "No thread and no user can have this id: {detail}",
        "Ningún hilo ni usuario puede tener este id: {detail}",
    ),
    "fault.no-id.next": (
        "Check whether the address was cut off or joined with another text.",
        "Compruebe si la dirección se cortó o se unió a otro texto.",
    ),
    # Changes.
    "fault.read-only": (
        "This studio is read-only, and nothing was changed.",
        "Este estudio es de solo lectura y no se cambió nada.",
    ),
    "fault.read-only.next": (
        "Start the studio with --allow-changes to change threads.",
        "Inicie el estudio con --allow-changes para cambiar hilos.",
    ),
    "fault.old-form": (
        "The form does not belong to this session, and nothing was done.",
        "El formulario no es de esta sesión y no se hizo nada.",
    ),
    "fault.old-form.next": ("Load the page of the form again.", "Vuelva a cargar la página del formulario."),
    "fault.no-draft": (
        "Thread {thread} does not have this unfinished turn any more. Nothing was changed.",
        "El hilo {thread} ya no tiene este turno sin terminar. No se cambió nada.",
    ),
    "fault.no-draft.next": (
        "Load the page of the thread: the turn was continued, or given up.",
        "Cargue la página del hilo: el turno se continuó o se abandonó.",
    ),
    "fault.no-agent": (
        "The studio has no agent that could continue a turn.",
        "El estudio no tiene ningún agente que pueda continuar un turno.",
    ),
    "fault.no-agent.next": (
        "Start it with the import path of one: recuerda studio app:agent",
        "Inícielo con la ruta de importación de uno: recuerda studio app:agent",
    ),
    "fault.no-index": (
        "There is no index of memories here, so nothing can be forgotten.",
        "Aquí no hay índice de recuerdos, así que no se puede olvidar nada.",
    ),
    "fault.no-index.next": (
        "Name one with --recall-index. If the index is newer than this studio, start the studio again.",
        "Indíquelo con --recall-index. Si el índice es más nuevo que este estudio, reinicie el estudio.",
    ),
    "fault.other-memories": (
        "{count} messages would be forgotten now, and the page showed {seen}. Nothing was changed.",
        "Ahora se olvidarían {count} mensajes, y la página mostraba {seen}. No se cambió nada.",
    ),
    "fault.other-memories.next": ("Load the page again.", "Vuelva a cargar la página."),
    "fault.other-threads": (
        "The threads of this user have changed since the page was shown. Nothing was changed.",
        "Los hilos de este usuario han cambiado desde que se mostró la página. No se cambió nada.",
    ),
    "fault.other-threads.next": (
        "Load the page again, and check what would be erased now.",
        "Vuelva a cargar la página y compruebe qué se borraría ahora.",
    ),
    "fault.no-upload": (
        "The file does not wait any more. Nothing was imported.",
        "El archivo ya no espera. No se importó nada.",
    ),
    "fault.no-upload.next": ("Send it again.", "Envíelo de nuevo."),
    "fault.no-export": (
        "The thread cannot be exported in this format: {detail}",
        "El hilo no se puede exportar en este formato: {detail}",
    ),
    "fault.no-export.next": (
        "Undo the turn first, or give the studio a storage with the key.",
        "Deshaga antes el turno, o dé al estudio un almacén con la clave.",
    ),
    "fault.no-comparison": (
        "Thread {thread} cannot be compared: {detail}",
        "El hilo {thread} no se puede comparar: {detail}",
    ),
    "fault.no-comparison.next": (
        "Give the studio a storage with the key.",
        "Dé al estudio un almacén con la clave.",
    ),
    # The chat pane.
    "fault.no-chat": ("The studio has no agent to talk to.", "El estudio no tiene ningún agente con quien hablar."),
    "fault.no-chat.next": (
        "Start it with the import path of one: recuerda studio app:agent",
        "Inícielo con la ruta de importación de uno: recuerda studio app:agent",
    ),
    "fault.chat-thread": (
        "This studio changes no thread of the application or of its users.",
        "Este estudio no cambia hilos de la aplicación ni de sus usuarios.",
    ),
    "fault.chat-thread.next": (
        "Start a new chat, or start the studio with --allow-changes.",
        "Empiece otra charla, o inicie el estudio con --allow-changes.",
    ),
    "fault.chat-user": (
        "This studio changes nothing of the users of the application.",
        "Este estudio no cambia nada de los usuarios de la aplicación.",
    ),
    "fault.chat-user.next": (
        "Start a chat without a user, or start the studio with --allow-changes.",
        "Empiece una charla sin usuario, o inicie el estudio con --allow-changes.",
    ),
    # The door.
    "fault.locked": (
        "The token of this studio is missing or wrong.",
        "Falta el token de este estudio, o es otro.",
    ),
    "fault.locked.next": (
        (
            "Open the link that `recuerda studio` printed: it holds the token. If you have just opened it, open this "
            "page again. A program sends the token as a bearer token."
        ),
        (
            "Abra el enlace que imprimió `recuerda studio`: contiene el token. Si acaba de abrirlo, vuelva a abrir "
            "esta página. Un programa envía el token como «bearer token»."
        ),
    ),
    "fault.wrong-host": (
        "The studio does not answer under this name.",
        "El estudio no responde bajo este nombre.",
    ),
    "fault.wrong-host.next": (
        "Use the address that the studio printed, or start it with --allow-host and this name.",
        "Use la dirección que imprimió el estudio, o inícielo con --allow-host y este nombre.",
    ),
    "fault.foreign-page": (
        "The request comes from a page of another site, and nothing was done.",
        "La petición viene de una página de otro sitio y no se hizo nada.",
    ),
    "fault.foreign-page.next": (
        "Open the studio by the link that it printed.",
        "Abra el estudio con el enlace que imprimió.",
    ),
    "fault.too-long": ("The request is longer than {size} MB.", "La petición pasa de {size} MB."),
    "fault.too-long.next": ("Send less at once.", "Envíe menos de una vez."),
    "fault.busy": ("{count} threads are watched already.", "Ya se observan {count} hilos."),
    "fault.busy.next": ("Close some pages, and load this again.", "Cierre algunas páginas y vuelva a cargar esta."),
    "fault.refused": (
        "This address does not take such a request.",
        "Esta dirección no admite una petición así.",
    ),
    "fault.failed": ("The page failed with {detail}.", "La página falló con {detail}."),
    "fault.failed.next": ("The log of the studio has more.", "El registro del estudio dice más."),
    # Errors of the library. Their texts name the thing and the next step, in English.
    "fault.conflict": ("{detail}", "Algo ha cambiado mientras tanto. En detalle: {detail}"),
    "fault.sealed": ("{detail}", "El texto está cifrado y falta la clave. En detalle: {detail}"),
    "fault.damaged": ("{detail}", "Lo que está guardado no se puede leer. En detalle: {detail}"),
    "fault.unavailable": ("{detail}", "El almacén no responde. En detalle: {detail}"),
    "fault.not-possible": ("{detail}", "Este estudio no está configurado para eso. En detalle: {detail}"),
    "fault.invalid": ("{detail}", "La petición no vale así. En detalle: {detail}"),
}
