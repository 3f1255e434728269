"""The texts of the pages in `memory`."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "memory.no-index": ("There is no index of memories", "No hay índice de recuerdos"),
    "memory.no-index.why": (
        (
            "An agent with a RecallProvider makes one. Name it with --recall-index if it is not beside the storage. "
            "If it is newer than this studio, start the studio again."
        ),
        (
            "Lo crea un agente con RecallProvider. Indícalo con --recall-index si no está junto al almacén. "
            "Si es más reciente que este estudio, reinicia el estudio."
        ),
    ),
    "memory.show": ("Show", "Mostrar"),
    "memory.thread": ("Thread without a user", "Hilo sin usuario"),
    "memory.query": ("What would be remembered for", "Qué se recordaría para"),
    "memory.whose": (
        "Memories belong to a user. Name one, or choose one of the users of the newest threads.",
        "Los recuerdos pertenecen a un usuario. Indica uno o elige uno de los usuarios de los hilos más recientes.",
    ),
    "memory.words": (
        "The studio compares words, not vectors. Open a score to see its reasons.",
        "El estudio compara palabras, no vectores. Abre una puntuación para ver sus razones.",
    ),
    "memory.order": (
        "The conversation that was remembered last comes first, and in it the newest message.",
        "Primero va la última conversación recordada y, en ella, el mensaje más reciente.",
    ),
    "memory.namespaces": ("Namespaces:", "Espacios:"),
    "memory.found": ("What is found", "Lo que se encuentra"),
    "memory.all": ("Everything that is remembered", "Todo lo que se recuerda"),
    "memory.none": ("Nothing is remembered.", "No se recuerda nada."),
    "memory.none-such": ("Nothing that was said fits.", "Nada de lo dicho coincide."),
    "memory.of-turn": ("Memories", "Recuerdos"),
    "memory.of-turn.heading": ("What is remembered of turn {number}", "Lo que se recuerda del turno {number}"),
    "memory.from": ("turn {turn}", "turno {turn}"),
    "memory.corrected": ("corrected", "corregido"),
    "memory.replaced": ("replaced", "reemplazado"),
    "memory.forget": ("Forget this turn", "Olvidar este turno"),
    "memory.score": (
        "Score {score}, relevance {relevance}: why?",
        "Puntuación {score}, relevancia {relevance}: ¿por qué?",
    ),
    "memory.reranked": ("reranker {score}, place {place} before it", "reordenador {score}, antes en el lugar {place}"),
    "memory.why": ("Why this memory", "Por qué este recuerdo"),
    "memory.reason": ("Reason", "Razón"),
    "memory.points": ("Points", "Puntos"),
    "memory.factor": ("Factor", "Factor"),
    "memory.sum": ("Score", "Puntuación"),
    "memory.reason.word": ("It has the word", "Tiene la palabra"),
    "memory.reason.coverage": ("It lacks other words", "Le faltan otras palabras"),
    "memory.reason.date": ("It is of the named date", "Es de la fecha nombrada"),
    "memory.reason.similarity": ("It means the same", "Significa lo mismo"),
    "memory.reason.neighbour": ("The messages around it fit", "Los mensajes de alrededor coinciden"),
    "memory.reason.reply": ("It is the reply to the same question", "Es la respuesta a la misma pregunta"),
    "memory.reason.conversation": ("Its conversation fits", "Su conversación coincide"),
    "memory.reason.question": ("It is a question", "Es una pregunta"),
    "memory.reason.personal": ("Its speakers talk about themselves", "Quien habla, habla de sí"),
    "memory.reason.standing": ("It is a standing instruction", "Es una instrucción permanente"),
    "memory.reason.time": ("It names a time", "Nombra un momento"),
    "memory.reason.name": ("It names something", "Nombra algo"),
    "memory.reason.assistant": ("The assistant said it", "Lo dijo el asistente"),
    "memory.reason.speaker": ("The question names its speaker", "La pregunta nombra a quien lo dijo"),
    "memory.reason.recent": ("It is newer than others", "Es más reciente que otros"),
    "memory.standing": ("Standing instructions and preferences", "Instrucciones y preferencias permanentes"),
    "memory.standing.what": (
        "These are the user's own words, found by fixed phrases. Nobody has checked them.",
        "Son palabras del propio usuario, halladas por frases fijas. Nadie las ha comprobado.",
    ),
    "memory.facts": ("Facts and corrections", "Hechos y correcciones"),
    "memory.fact": ("Fact", "Hecho"),
    "memory.valid": ("Valid", "Vigencia"),
    "memory.replaces": ("In place of", "En lugar de"),
    "memory.source": ("From", "De"),
    "memory.by": ("by this one", "por este"),
    "memory.forgotten": ("Forgotten on request", "Olvidado a petición"),
    "memory.forgotten.what": (
        "Only the numbers of these turns are known. Of a thread that was deleted or erased, nothing is known.",
        "Solo se conocen los números de estos turnos. De un hilo eliminado o borrado no se sabe nada.",
    ),
    "memory.turns": ("turns {first} to {last}", "turnos {first} a {last}"),
}
