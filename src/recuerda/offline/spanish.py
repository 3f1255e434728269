"""The Spanish table of the offline client."""

from __future__ import annotations

import re

from recuerda.offline.language import Language, rule, words

_CAPITALISED = r"[^\W\d_a-záéíóúñ][^\s,]*"

SPANISH = Language(
    code="es",
    words=words(
        "el la los las de que mi mis es soy vivo llamo como donde quien cual en y un una por favor hola gracias sabes "
        "recuerda recuerdas recuerdes tengo anos se te tu trabajo gusta dime nombre quiero con para"
    ),
    opener=re.compile(
        r"(?:(?P<fix>no[,:]|perd[oó]n|en realidad|mejor dicho|digo|correcci[oó]n)(?:[,:]\s*|\s+)"
        r"|(?P<note>(?:por favor,?\s+)?(?:recuerda|recu[eé]rdame|acu[eé]rdate de|apunta|anota|no olvides|ten en cuenta)"
        r"(?:\s+que\b|:)?)[,:]?\s+"
        r"|(?:hola|bueno|pues|ok|vale|y|e|pero|adem[aá]s|s[ií]|por favor|por cierto|que)(?:[,:]\s*|\s+)"
        r"|\d{1,3}[.)]\s+)?",
        re.IGNORECASE,
    ),
    rules=(
        rule("name", r"(?:ahora\s+)?me llamo\s+(?P<value>.+)"),
        rule("name", r"mi nombre(?:\s+ahora)? es\s+(?P<value>.+)"),
        rule("name", r"(?:puedes llamarme|ll[aá]mame)\s+(?P<value>.+)"),
        rule("age", r"tengo\s+(?P<value>\d{1,3})\s+a(?:ñ|n\u0303|n)os"),
        rule("place", r"(?:yo\s+)?(?:ahora\s+)?vivo\s+(?:ahora\s+)?(?P<value>(?:en|cerca de|junto a)\s+.+)"),
        rule("place", r"(?:ya\s+)?me (?:he mudado|mud[eé]) a\s+(?P<value>.+)", before="en "),
        rule("origin", r"(?:yo\s+)?soy de(?:l)?\s+(?P<value>.+)"),
        rule("role", r"(?:yo\s+)?trabajo (?:de|como)\s+(?P<value>.+)"),
        rule("workplace", r"(?:yo\s+)?trabajo\s+(?P<value>(?:en|para|con)\s+.+)"),
        rule("allergy", r"(?:yo\s+)?(?:soy al[eé]rgic[oa]|tengo alergia)\s+(?P<value>al?\s+.+)"),
        rule("likes", r"(?:tambi[eé]n\s+)?me (?:gustan?|encantan?)(?:\s+mucho)?\s+(?P<value>.+)"),
        rule("likes", r"(?:yo\s+)?prefiero\s+(?P<value>.+)"),
        rule(
            "name",
            rf"(?i:(?:yo\s+)?soy)\s+(?P<value>{_CAPITALISED}(?:\s+(?:de\s+|del\s+|la\s+)*{_CAPITALISED}){{0,3}})$",
            is_weak=True,
            is_exact=True,
        ),
        rule("role", r"(?:yo\s+)?soy\s+(?P<value>.+)"),
        rule("my", r"(?P<my>mis?)\s+(?P<thing>[^,:]{1,60}?)\s+(?P<value>(?:es|son|se llaman?)\s+.+)"),
    ),
    kinds={
        "trabajo": "role",
        "profesion": "role",
        "oficio": "role",
        "puesto": "role",
        "rol": "role",
        "edad": "age",
        "ciudad": "place",
        "casa": "place",
    },
    possessives={"mi": "Tu", "mis": "Tus"},
    questions={
        "name": re.compile(r"\b(?:me llamo|mi nombre|quien soy|me llamas)\b"),
        "age": re.compile(r"\b(?:anos tengo|edad tengo|mi edad)\b"),
        "place": re.compile(r"\b(?:vivo|mi (?:ciudad|casa|direccion))\b"),
        "origin": re.compile(r"\bde donde soy\b"),
        "workplace": re.compile(r"\b(?:donde|para quien|con quien) trabajo\b"),
        "role": re.compile(
            r"\b(?:mi (?:trabajo|profesion|oficio|puesto|rol)|me dedico|(?:en|de) que trabajo|que soy$|que hago$)"
        ),
        "allergy": re.compile(r"\balergi"),
        "likes": re.compile(r"\b(?:me gustan?|me encantan?|prefiero)\b"),
    },
    everything=re.compile(
        r"\b(?:sabes|recuerdas|conoces|aprendiste) (?:de|sobre|acerca de) mi\b"
        r"|\bte (?:he dicho|he contado|dije|conte)\b|\bte acuerdas de mi$|\bque (?:sabes|recuerdas)$|\btodo\b"
    ),
    known={
        "name": "Te llamas {}.",
        "age": "Tienes {} años.",
        "place": "Vives {}.",
        "origin": "Eres de {}.",
        "workplace": "Trabajas {}.",
        "role": "Eres {}.",
        "allergy": "Tienes alergia {}.",
        "likes": "Te gusta: {}.",
        "note": "Me pediste que recordara: {}.",
    },
    unknown={
        "name": "No sé cómo te llamas",
        "age": "No sé cuántos años tienes",
        "place": "No sé dónde vives",
        "origin": "No sé de dónde eres",
        "workplace": "No sé dónde trabajas",
        "role": "No sé a qué te dedicas",
        "allergy": "No sé de ninguna alergia",
        "likes": "No sé qué te gusta",
        "thing": "Eso no lo sé",
    },
    unknown_ending=": no lo dice nada de lo que me han enviado.",
    thing=re.compile(r"\b(?:que|cual|cuales|quien|donde|cuando|como)\b.{1,40}\bmis? \w"),
    noted="Anotado.",
    nothing="No sé nada de ti: nada de lo que me han enviado lo dice.",
    stand_in=(
        "Soy el suplente sin conexión de recuerda, no un modelo de lenguaje; solo puedo repetir lo que me cuentes. "
        "Prueba con «Me llamo …» y después «¿Cómo me llamo?»"
    ),
)
