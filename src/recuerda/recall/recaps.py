"""Recaps: questions about much of what was said, such as "How did my plans change?" and "In which order did we talk?".

Such a question has words of its topic and words of its frame, such as "order", "overview" and "conversations". Those of
the frame are in messages about anything, so they tell less. The same holds for words of telling, such as "mentioned",
in any question.
"""

from __future__ import annotations

from recuerda.recall.patterns import compiled

_RECAPS = r"""
    summar(?:y|ies|i[sz]\w*)|sum(?:ming)? (?:\w+ ){0,3}up|recap\w*|overview|account of|over time|in total|altogether
    (?:what|which|in) (?:\w+ )?(?:order|sequence)|the (?:order|sequence) (?:in|that|of|we|you|i)|chronolog\w*
    (?:over|across|in|through(?:out)?|during|from) (?:all )?(?:of )?(?:our|my|these) (?:\w+ )?(?:talk|conversation)s?
    (?:over|across|in|through(?:out)?|during|from) (?:all )?(?:of )?(?:our|my|these) (?:\w+ )?(?:chat|session)s?
    how (?:did|has|have|had) .{1,80}?(?:develop|evolve|progress|change|grow|grew|shift|come along)\w*
    resumen|resumir|resume(?:me|nos|la|lo)|resume (?:todo|lo que|nuestr\w+|mi|mis|por)
    recapitul\w+|cronolog\w+|(?:que|el|en|por) orden|a lo largo de|panorama|en total
    como (?:ha|han) .{0,60}?(?:cambi|evolucion|progres)\w+|como (?:cambi|evolucion|progres|mudou|mudaram|evolui)\w*
    zusammenfass\w+|fass\w* .{0,60}zusammen|uberblick|ubersicht|reihenfolge|chronologi\w+|insgesamt|zeitverlauf
    (?:in|aus) (?:all )?unseren (?:gesprach|unterhaltung|chat)\w*|wie (?:hat|haben) sich .{1,80}?(?:entwickel|ander)\w*
    resumer|resumez|resume(?:-| )(?:moi|nous)|un resume
    (?:quel|par|l')\s?ordre|vue d'ensemble|au total|apercu|au fil (?:du temps|de nos)
    comment .{1,80}?(?:evolue|change|developpe|progresse)\w*
    riassu\w+|(?:che|in|quale) ordine|panoramica|in totale|nel corso delle nostre|com'e cambiat\w+
    resum[oa]|resuma-\w+|(?:que|em|por) ordem|visao geral|no total|ao longo d[eao]s?
    samenvat\w*|overzicht|volgorde|in totaal|hoe (?:is|zijn|heeft|hebben) .{1,80}?(?:veranderd|ontwikkeld)
    sammanfatt\w*|oversikt|vilken ordning|totalt|oppsummer\w*|rekkefolge|opsummer\w*|overblik|raekkefolge
    podsumuj\w*|podsumowan\w*|kolejnosc\w*|przeglad|lacznie
    подведи итог\w*|подытож\w*|кратко изложи|обзор|каком порядке|по порядку|как (?:менял|изменил|развивал)\w*
    ozetle\w*|ozet\w*|hangi sirayla|toplamda|genel bakis|لخص\w*|ملخص\w*|الترتيب|ترتيب
"""
_CHARACTERS = r"总结|總結|概述|概括|顺序|順序|まとめ|要約|順番|全部で|요약|정리해|순서"
_REMINDERS = r"""
    remind me|remember|recall|tell me (?:what|where|who|when|which|my|our|the)|look up
    recuerda\w*|erinner\w+|rappelle\w*|ricorda\w*|lembr\w+|przypomnij|напомни\w*|hatirlat\w*
"""
_FRAME = """
    order sequence chronological chronologically list walk summary summarize summarise summarised summarized
    summarizing sum overview recap timeline account story history stages steps step aspects aspect topics points
    different various several whole everything entire complete comprehensive detailed brief short developed develop
    development developments evolved evolve progressed progress progression changed change changes shifted grew grow
    come came coming comes including include appearance final beginning start starting end far happened happen
    events event total altogether overall ask asked reported report speak spoke advised advise suggested suggest
    proposed propose offered offer gave given counting put raised raise
    resumen resume resumir orden cronologico cronologicamente lista historia etapas pasos aspectos diferentes
    distintos varios completo breve evolucion evoluciono cambiado cambio cambios progreso incluyendo principio final
    total panorama sugeriste aconsejaste propusiste
    zusammenfassung zusammen fasse reihenfolge uberblick ubersicht liste geschichte schritte schritt aspekte
    verschiedene verschiedenen ganze ganzen kurz kurze entwickelt entwicklung verandert geandert verlauf insgesamt
    anfang ende einschliesslich vorgeschlagen geraten empfohlen
    resumer ordre apercu ensemble liste histoire etapes aspects differents differentes divers complet bref evolue
    evolution change changements progres total debut fin compris conseille suggere propose
    riassunto riassumi ordine panoramica elenco storia tappe aspetti diversi varie completo breve cambiato
    evoluzione progressi totale inizio fine compreso consigliato suggerito proposto
    ordem lista etapas diferentes varios mudou evoluiu evolucao mudancas inicio fim incluindo aconselhaste sugeriste
    samenvatting overzicht volgorde lijst verhaal stappen aspecten verschillende hele korte veranderd ontwikkeld
    ontwikkeling totaal begin einde inclusief aangeraden voorgesteld
"""
_TELLING = """
    mention mentioned mentions mentioning discuss discussed discussing told telling talk talks talked talking
    conversation conversations chat chats discussion discussions
    mencione mencionaste mencionado conte contaste contado hable hablamos hablaste conversacion conversaciones charlas
    erwahnt erwahnte erwahnst erzahlt besprochen gesprochen gesprach gesprache gesprachen unterhaltung unterhaltungen
    mentionne raconte parle discute conversation conversations discussions
    menzionato accennato raccontato parlato discusso conversazione conversazioni
    mencionei contei falei falamos conversa conversas
    genoemd verteld besproken gesproken gesprek gesprekken
"""


def _any_of(lines: str) -> str:
    return "|".join(line.strip() for line in lines.strip().splitlines())


_FRAME_WORDS = frozenset(_FRAME.split())
_TELLING_WORDS = frozenset(_TELLING.split())


_RECAP = rf"(?<!\w)(?:{_any_of(_RECAPS)})(?!\w)|{_CHARACTERS}"
_REMINDER = rf"(?<!\w)(?:{_any_of(_REMINDERS)})(?!\w)"


def asks_for_what_was_said(folded: str) -> bool:
    """Return True if a text, in lower case and without accents, asks for a recap, or to be reminded of something."""
    return any(compiled(pattern).search(folded) for pattern in (_RECAP, _REMINDER))


def frame_words(folded: str) -> frozenset[str]:
    """Return the words that are of the frame of a question if it has them. All are in lower case, without accents."""
    return _FRAME_WORDS | _TELLING_WORDS if compiled(_RECAP).search(folded) else _TELLING_WORDS
