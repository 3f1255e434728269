"""The texts of the pages in `chat`."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "chat.with": ("You talk to {name}.", "Hablas con {name}."),
    "chat.nameless": ("an agent without a name", "un agente sin nombre"),
    "chat.any": (
        "Each message adds a turn to its thread.",
        "Cada mensaje añade un turno a su hilo.",
    ),
    "chat.own": (
        "A chat has a thread of its own. The threads of the application do not change.",
        "Cada chat tiene su propio hilo. Los hilos de la aplicación no cambian.",
    ),
    "chat.user": ("User (may be empty)", "Usuario (puede quedar vacío)"),
    "chat.new": ("New chat", "Chat nuevo"),
    "chat.earlier": ("Go on", "Continuar"),
    "chat.begin": ("Say something to {name}.", "Di algo a {name}."),
    "chat.message": ("Message", "Mensaje"),
    "chat.as-user": ("as user {user}", "como el usuario {user}"),
    "chat.send": ("Send", "Enviar"),
    "chat.stop": ("Stop", "Parar"),
    "chat.keys": ("Ctrl+Enter sends, Escape stops.", "Ctrl+Intro envía, Escape para."),
    "chat.running": ("The agent answers.", "El agente contesta."),
    "chat.answered": ("The answer has ended.", "La respuesta ha terminado."),
    "chat.stopped": (
        "Stopped. The answer so far is in the thread.",
        "Parado. El hilo guarda la respuesta hasta aquí.",
    ),
    "chat.lost": (
        "The connection to the studio broke. Load the page again.",
        "Se perdió la conexión con el estudio. Vuelve a cargar la página.",
    ),
    "chat.calling": ("Running", "En marcha"),
}
