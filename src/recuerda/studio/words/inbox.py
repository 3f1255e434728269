"""The texts of the pages in `inbox`."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "inbox.what": (
        "These turns wait for a person. Each call has one decision, and the thread keeps who made it.",
        "Estos turnos esperan a una persona. Cada llamada tiene una decisión, y el hilo guarda quién la tomó.",
    ),
    "inbox.read-only": (
        "Start the studio with --allow-changes to decide here.",
        "Inicia el estudio con --allow-changes para decidir aquí.",
    ),
    "inbox.as": ("You decide as {name}.", "Decides como {name}."),
    "inbox.nobody": ("a person without a name", "una persona sin nombre"),
    "inbox.agent": (
        "The agent of this studio goes on as soon as all calls of a turn are decided.",
        "El agente de este estudio sigue en cuanto están decididas todas las llamadas de un turno.",
    ),
    "inbox.no-agent": (
        "The program that has the tools carries a decision out when it next resumes the thread.",
        "El programa que tiene las herramientas ejecuta la decisión cuando reanuda el hilo.",
    ),
    "inbox.sealed.one": (
        "{shown} unfinished turn is encrypted, and the studio has no key for it.",
        "{shown} turno sin terminar está cifrado y el estudio no tiene la clave.",
    ),
    "inbox.sealed.other": (
        "{shown} unfinished turns are encrypted, and the studio has no key for them.",
        "{shown} turnos sin terminar están cifrados y el estudio no tiene la clave.",
    ),
    "inbox.none": ("Nothing waits for you", "Nada te espera"),
    "inbox.none.why": (
        "A turn appears here when a tool needs approval, or when the result of a tool was lost.",
        "Aquí aparece un turno cuando una herramienta necesita aprobación o cuando se perdió su resultado.",
    ),
    "inbox.age": ("last step {age} ago", "último paso hace {age}"),
    "inbox.asked": ("Asked", "Preguntado"),
    "inbox.expires": ("Refused by itself", "Se rechaza sola"),
    "inbox.waits.approval": ("Waits for approval", "Espera aprobación"),
    "inbox.waits.outcome": ("Started, outcome not known", "Empezó, resultado desconocido"),
    "inbox.waits.resume": ("Decided", "Decidida"),
    "inbox.decision.approved": ("Allowed", "Permitida"),
    "inbox.decision.refused": ("Refused", "Rechazada"),
    "inbox.decision.edited": ("Allowed with other arguments", "Permitida con otros argumentos"),
    "inbox.decision.expired": ("Refused, because nobody decided in time", "Rechazada, porque nadie decidió a tiempo"),
    "inbox.by": ("by {name}", "por {name}"),
    "inbox.new-arguments": ("New arguments", "Argumentos nuevos"),
    "inbox.approve": ("Allow", "Permitir"),
    "inbox.refuse": ("Refuse", "Rechazar"),
    "inbox.refuse.title": ("Refuse {name}", "Rechazar {name}"),
    "inbox.refuse.what": (
        "The tool does not run. The model is told that the call was refused, and why.",
        "La herramienta no se ejecuta. Se le dice al modelo que la llamada se rechazó y por qué.",
    ),
    "inbox.reason": ("Reason (may be empty)", "Motivo (puede quedar vacío)"),
    "inbox.edit": ("Edit", "Editar"),
    "inbox.edit.title": ("Allow {name} with other arguments", "Permitir {name} con otros argumentos"),
    "inbox.edit.what": (
        "The tool runs with the arguments that you write. The thread keeps both.",
        "La herramienta se ejecuta con los argumentos que escribas. El hilo guarda ambos.",
    ),
    "inbox.edit.yes": ("Allow with these arguments", "Permitir con estos argumentos"),
    "inbox.outcome": ("Give the outcome", "Dar el resultado"),
    "inbox.outcome.title": ("The outcome of {name}", "El resultado de {name}"),
    "inbox.outcome.what": (
        (
            "The tool was started, and its result was lost. Find out what it has done. The model gets your text as "
            "the result. If the tool is still running, that run fails."
        ),
        (
            "La herramienta empezó y su resultado se perdió. Averigua qué hizo. El modelo recibe tu texto como "
            "resultado. Si la herramienta sigue en marcha, esa ejecución falla."
        ),
    ),
    "inbox.outcome.yes": ("Save the outcome", "Guardar el resultado"),
    "inbox.decided": (
        "Everything is decided. The next run of the agent continues the turn.",
        "Todo está decidido. La próxima ejecución del agente sigue el turno.",
    ),
}
