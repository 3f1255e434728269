"""The texts of the tour in each language. The scenes themselves are written once, in `tour_scenes.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class TourTexts:
    """The texts of one language. `say_…` are messages that tell the agent something; `ask_…` are questions to it."""

    heading: str
    about_the_model: str
    about_the_storage: str
    about_the_service: str
    name: str
    place: str
    say_name: str
    say_allergy: str
    say_moved: tuple[str, str]
    say_book: str
    small_talk: tuple[str, ...]
    ask_name: str
    ask_place: str
    titles: Mapping[str, str]
    remembered: str
    not_remembered: str
    processes: str
    retried: str
    retry_comment: str
    one_kept: str
    conflict_comment: str
    killed: str
    killed_comment: str
    room_booked: str
    booked: str
    summary_comment: str
    table: tuple[str, str, str]
    table_heading: str
    all_well: str
    not_well: str
    swap: str
    swap_from: str
    swap_to: str
    next_step: str


ENGLISH = TourTexts(
    heading="A memory that lasts, scene by scene",
    about_the_model=(
        "The model here is an offline stand-in, not a language model: it answers only from the messages that it is "
        "sent. So everything it knows comes from the memory."
    ),
    about_the_storage="The storage is real: {}",
    about_the_service="The history is kept by a service: {}, process {}",
    name="Riker",
    place="Jerusalem",
    say_name="My name is Riker and I live in Jerusalem.",
    say_allergy="I am allergic to penicillin.",
    say_moved=("I live in Lima.", "I live in Oslo."),
    say_book="Book me a room in Lima.",
    small_talk=("Nice weather today.", "I walked along the sea.", "Then I had some tea."),
    ask_name="What is my name?",
    ask_place="Where do I live?",
    titles=MappingProxyType(
        {
            "same_thread": "The same thread remembers",
            "other_thread": "Another thread does not",
            "no_thread": "No thread: forgotten at once",
            "json": "Saved as JSON, and resumed",
            "process": "Resumed by a second process",
            "retry": "A retry repeats nothing",
            "conflict": "Two writers: a clear conflict",
            "summary": "Too long for the window: summarized",
            "killed": "Killed while it works, and resumed",
            "restart": "The service is killed and started",
            "forgotten": "The service forgets: continue locally",
        }
    ),
    remembered="remembered",
    not_remembered="not remembered",
    processes="process {} wrote it, process {} read it",
    retried="{} call, {} turn",
    retry_comment="again",
    one_kept="{} turn, {} conflict",
    conflict_comment="began first, wrote second",
    killed="process {} was killed while it booked",
    killed_comment="in this process",
    room_booked="room 12 is booked",
    booked="{} search, {} booking, {} turn",
    summary_comment="of 8",
    table=("scene", "expected", "got"),
    table_heading="What was remembered",
    all_well="{} of {} scenes went as they should.",
    not_well="Only {} of {} scenes went as they should.",
    swap="To use your own model instead of the stand-in, change one line:",
    swap_from="this tour",
    swap_to="yours: in recuerda.openai",
    next_step="Now talk to it: recuerda chat",
)

SPANISH = TourTexts(
    heading="Una memoria que dura, escena por escena",
    about_the_model=(
        "El modelo es aquí un suplente sin conexión, no un modelo de lenguaje: responde solo con los mensajes que "
        "recibe. Así que todo lo que sabe se lo ha dado la memoria."
    ),
    about_the_storage="El almacén es real: {}",
    about_the_service="El historial lo guarda un servicio: {}, proceso {}",
    name="Riker",
    place="Jerusalén",
    say_name="Me llamo Riker y vivo en Jerusalén.",
    say_allergy="Soy alérgico a la penicilina.",
    say_moved=("Vivo en Lima.", "Vivo en Oslo."),
    say_book="Resérvame una habitación en Lima.",
    small_talk=("Hoy hace buen tiempo.", "He paseado junto al mar.", "Luego he tomado un té."),
    ask_name="¿Cómo me llamo?",
    ask_place="¿Dónde vivo?",
    titles=MappingProxyType(
        {
            "same_thread": "El mismo hilo recuerda",
            "other_thread": "Otro hilo, no",
            "no_thread": "Sin hilo: olvidado al momento",
            "json": "Guardado en JSON y retomado",
            "process": "Retomado por otro proceso",
            "retry": "Un reintento no repite nada",
            "conflict": "Dos a la vez: conflicto claro",
            "summary": "Largo para la ventana: resumido",
            "killed": "Muere trabajando, y se retoma",
            "restart": "El servicio muere y vuelve",
            "forgotten": "El servicio olvida: seguir en local",
        }
    ),
    remembered="recordado",
    not_remembered="no recordado",
    processes="lo escribió el proceso {}, lo leyó el proceso {}",
    retried="{} llamada, {} turno",
    retry_comment="otra vez",
    one_kept="{} turno, {} conflicto",
    conflict_comment="empezó antes, escribió después",
    killed="el proceso {} murió mientras reservaba",
    killed_comment="en este proceso",
    room_booked="habitación 12 reservada",
    booked="{} búsqueda, {} reserva, {} turno",
    summary_comment="de 8",
    table=("escena", "esperado", "obtenido"),
    table_heading="Lo que se recordó",
    all_well="{} de {} escenas salieron como debían.",
    not_well="Solo {} de {} escenas salieron como debían.",
    swap="Tu modelo en lugar del suplente es una línea:",
    swap_from="esta visita",
    swap_to="el tuyo: en recuerda.openai",
    next_step="Ahora habla con él: recuerda chat",
)
