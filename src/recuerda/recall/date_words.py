"""The words for times in the languages whose times recall understands in questions.

The words are folded. Months begin with January, weekdays with Monday.
"""

from __future__ import annotations

TIME_WORD = r"[^\W_]+-feira|[^\W_]+'hui|昨天|昨日|어제|[^\W_]+|-"
"""A pattern for a word of a question about times. A hyphen is a word, too, because it stands in ranges."""

_MONTHS = """
    january february march april may june july august september october november december
    enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
    januar februar marz april mai juni juli august september oktober november dezember
    janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre
    gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre
    janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro
    januari februari maart april mei juni juli augustus september oktober november december
    января февраля марта апреля мая июня июля августа сентября октября ноября декабря
    январе феврале марте апреле мае июне июле августе сентябре октябре ноябре декабре
"""
_WEEKDAYS = """
    monday tuesday wednesday thursday friday saturday sunday
    lunes martes miercoles jueves viernes sabado domingo
    montag dienstag mittwoch donnerstag freitag samstag sonntag
    lundi mardi mercredi jeudi vendredi samedi dimanche
    lunedi martedi mercoledi giovedi venerdi sabato domenica
    segunda-feira terca-feira quarta-feira quinta-feira sexta-feira sabado domingo
    maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
    понедельник вторник среду четверг пятницу субботу воскресенье
"""
MONTHS: dict[str, int] = {name: at % 12 + 1 for at, name in enumerate(_MONTHS.split())} | {
    "jan": 1, "feb": 2, "apr": 4, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "sept": 9, "oct": 10, "okt": 10, "nov": 11,
    "dec": 12, "dez": 12, "setiembre": 9, "janner": 1,
}  # fmt: skip
"""Maps the name of a month to its number."""

AMBIGUOUS_MONTHS = frozenset(("may", "march", "mars", "mai", "mei", "marco", "marc", "mart", "marts", "maj", "мая"))
"""Words that are months only beside a number, or after a word that introduces a time."""

WEEKDAYS: dict[str, int] = {name: at % 7 for at, name in enumerate(_WEEKDAYS.split())} | {"sonnabend": 5}
"""Maps the name of a weekday to its number, from Monday as 0 on."""

DAYS_BACK: dict[str, int] = {
    "today": 0, "tonight": 0, "hoy": 0, "heute": 0, "oggi": 0, "hoje": 0, "vandaag": 0, "сегодня": 0, "bugun": 0,
    "yesterday": 1, "ayer": 1, "gestern": 1, "ieri": 1, "ontem": 1, "gisteren": 1, "вчера": 1, "wczoraj": 1, "igar": 1,
    "dun": 1, "昨天": 1, "昨日": 1, "어제": 1, "امس": 1,
}  # fmt: skip
"""Maps a word to the number of days before now."""

DAYS_BACK_IN_FRENCH = {"hier": 1, "aujourd'hui": 0}
"""As above, for French alone: "hier" means "here" in German and Dutch."""

_BEFORE_TIMES_WORDS = """
    in of on since during last this next until before after by early late en de desde hasta im am vom seit bis
    ab du le depuis au dal nel di em no ate op sinds vanaf в с i w v al el vor av af
    avant voor nach apres dopo
"""
BEFORE_TIMES = frozenset(_BEFORE_TIMES_WORDS.split())
"""Words that introduce a time."""

_AHEAD_WORDS = """
    next coming every each proximo proxima cada todos nachste nachsten nachster nachstes kommenden jeden
    prochain prochaine chaque prossimo prossima ogni todas volgende komende elke следующий следующую каждый
    каждую
"""
AHEAD = frozenset(_AHEAD_WORDS.split())
"""Words beside a weekday that is not in the past."""

_BESIDE_DAYS_WORDS = """
    and or the of on y e o de el los dia dias und oder der den dem des et ou le du il do en и av af van
"""
BESIDE_DAYS = frozenset(_BESIDE_DAYS_WORDS.split())
"""Words between the days of a list and its month, as in "the 3rd and the 9th of June" or "del 3 al 9 de junio"."""

RANGE_STARTS = frozenset(("from", "between", "von", "zwischen", "de", "desde", "entre", "da", "tra", "van", "tussen"))
"""Words before the first month of a range."""

_RANGES_WORDS = """
    to until till through al a hasta bis au ate tot по
"""
RANGES = frozenset(_RANGES_WORDS.split())
"""Words between the first and the last day of a range."""

PARTS_OF_MONTHS: dict[str, range] = {
    word: days
    for words, days in {
        """
            beginning start early beginn principio principios comienzo comienzos anfang debut inizio inizi inicio
            comeco begin начале poczatku borjan begynnelsen begyndelsen basinda zacatku
        """: range(1, 12),
        """
            middle mid mediados mitte milieu mi meta meados midden half medio середине polowie mitten midten ortasinda
            polovine
        """: range(10, 22),
        """
            end late finales fines ende fin fine final finais eind einde конце koncu koniec slutet slutten slutningen
            sonunda konci
        """: range(20, 32),
    }.items()
    for word in words.split()
}
"""Maps the word for a part of a month to its days."""

NUMBERS: dict[str, int] = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "couple": 2, "few": 3,
    "un": 1, "una": 1, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "seis": 6, "unos": 3, "unas": 3,
    "einem": 1, "einer": 1, "zwei": 2, "drei": 3, "vier": 4, "funf": 5, "sechs": 6, "paar": 3,
    "une": 1, "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "quelques": 3,
    "due": 2, "tre": 3, "quattro": 4, "cinque": 5, "sei": 6, "qualche": 3,
    "um": 1, "uma": 1, "dois": 2, "duas": 2, "quatro": 4, "alguns": 3, "algumas": 3,
    "een": 1, "twee": 2, "drie": 3, "vijf": 5, "zes": 6,
    "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "fourteen": 14, "fifteen": 15,
    "twenty": 20,
    "siete": 7, "ocho": 8, "nueve": 9, "diez": 10, "once": 11, "doce": 12, "catorce": 14, "quince": 15, "veinte": 20,
    "sieben": 7, "acht": 8, "neun": 9, "zehn": 10, "elf": 11, "zwolf": 12, "vierzehn": 14, "zwanzig": 20,
    "sept": 7, "huit": 8, "neuf": 9, "dix": 10, "onze": 11, "douze": 12, "quinze": 15, "vingt": 20,
    "sette": 7, "otto": 8, "nove": 9, "dieci": 10, "undici": 11, "dodici": 12, "quindici": 15, "venti": 20,
    "sete": 7, "oito": 8, "dez": 10, "doze": 12, "vinte": 20,
    "zeven": 7, "negen": 9, "tien": 10, "twaalf": 12, "veertien": 14, "twintig": 20,
}  # fmt: skip
"""Maps a number word to its number. A few are taken for three."""

VAGUE_NUMBERS = frozenset(("few", "couple", "unos", "unas", "paar", "quelques", "qualche", "alguns", "algumas"))
"""Number words for more or less that many."""

UNITS: dict[str, str] = {
    word: unit
    for unit, words in {
        "day": "day days dia dias tag tage tagen jour jours giorno giorni dag dagen",
        "week": "week weeks semana semanas woche wochen semaine semaines settimana settimane weken",
        "fortnight": "fortnight fortnights quincena quincenas",
        "month": "month months mes meses monat monate monaten monats mois mese mesi maand maanden",
        "year": "year years ano anos jahr jahre jahren jahres annee annees an ans anno anni jaar jaren",
        "decade": """
            decade decades decada decadas jahrzehnt jahrzehnte jahrzehnten decennie decennies decennio decenni decennium
            decennia
        """,
    }.items()
    for word in words.split()
}
"""Maps the word for a unit, in the singular or the plural, to the English word."""

_UNIT = "|".join(sorted(UNITS, key=len, reverse=True))
_AMOUNT = r"(\d{1,3}|" + "|".join(NUMBERS) + ")"

AGO = (
    rf"\b{_AMOUNT} (?:of )?({_UNIT}) (?:ago|back|fa|atras|geleden|terug)\b"
    rf"|\b(?:hace|vor|il y a|ha) {_AMOUNT} ({_UNIT})\b"
)
"""A pattern for a time some units ago. It has the amount and the unit, or empty groups and then these two."""

LAST = (
    rf"\b(?:last|past|previous|letzte[mnrs]?|vorige[mnrs]?|vergangene[mnrs]?|scors[oa]|ultim[oa]|afgelopen) "
    rf"({_UNIT})\b"
    rf"|\b({_UNIT}) (?:pasad[oa]|anterior|dernier|derniere|passee?|precedente?|scors[oa]|passat[oa]|passad[oa])\b"
)
"""A pattern for the unit before this one."""

TRAILING = (
    rf"\b(?:last|past|previous|letzten|vergangenen|ultim[oa]s|derniers|dernieres|ultim[ie]|laatste|afgelopen) "
    rf"{_AMOUNT} (?:of )?({_UNIT}|hours|stunden|horas|heures|ore|uur)\b"
    rf"|\b{_AMOUNT} (?:letzten|derniers|dernieres|ultim[ie]) ({_UNIT}|heures|ore)\b"
)
"""A pattern for some units until now. It has the amount and the unit."""

RECENTLY = (
    r"\b(?:recently|lately|the other (?:day|night|week)|not long ago|of late|these days|"
    r"recientemente|ultimamente|hace poco|el otro dia|neulich|"
    r"letztens|kurzlich|unlangst|in letzter zeit|recemment|l'autre jour|ces derniers temps|recentemente|di recente|"
    r"l'altro giorno|no outro dia|onlangs|laatst|недавно|nyligen|ostatnio|son zamanlarda|gecenlerde)\b|最近|요즘|최근"
)
"""A pattern for the time before now."""

BOUNDS: dict[str, str] = {
    "before": "before|prior to|antes d(?:e|el|o|a)|vor|avant|prima (?:di|del)|voor|przed|innan|inden",
    "until": "until|till|up to|bis|hasta|jusqu'(?:a|au|en)|fino al?|ate|tot|до",
    "after": "after|nach|despues del?|depois d[eoa]|apres|dopo|после|efter|etter",
    "since": "since|seit|desde|depuis|dal|sinds|с|od",
}
"""Maps the kind of a period with one end to words that stand before its date: "until June", "antes de mayo"."""

_QUARTER = "(?:quarter|quartals?|trimestre|kwartaal|квартале?)"
_ORDINALS_OF_QUARTERS = {
    1: "first|1st|ersten|erstes|primer|premier|primo|primeiro|eerste|1(?:er|o|e|\\.)?|первом",
    2: "second|2nd|zweiten|zweites|segundo|deuxieme|secondo|tweede|2(?:e|o|\\.)?|втором",
    3: "third|3rd|dritten|drittes|tercer|troisieme|terzo|terceiro|derde|3(?:e|o|er|\\.)?|третьем",
    4: "fourth|4th|vierten|viertes|cuarto|quatrieme|quarto|vierde|4(?:e|o|\\.)?|четвертом",
}
QUARTER_WORDS = ("q1", "q2", "q3", "q4", "quart", "trimestr", "kwart", "кварт", "季度")
"""Parts of the words for a quarter. A question without them needs no search for quarters."""

_LAST_QUARTER = "last|past|previous|letzte[nsm]|vorige[nsm]|vergangene[nsm]|scorso|ultimo|afgelopen|прошлом"
QUARTERS: dict[int, str] = {
    **{
        number: rf"\bq{number}\b|\b(?:{ordinals}) {_QUARTER}\b|{'一二三四'[number - 1]}季度"
        for number, ordinals in _ORDINALS_OF_QUARTERS.items()
    },
    -1: (
        rf"\b(?:{_LAST_QUARTER}) {_QUARTER}\b|上(?:个|個)?季度"
        rf"|\b{_QUARTER} (?:pasado|anterior|dernier|precedent|scorso|passado)\b"
    ),
    0: rf"\b(?:this|diese[sm]|este|ce|questo|neste|dit|этом) {_QUARTER}\b",
}
"""Maps the number of a quarter, or the quarters before now as 0 and less, to a pattern."""

NAMED_UNITS: dict[tuple[str, int], str] = {
    (
        "week",
        2,
    ): r"\b(?:позапрошлой неделе|позапрошлую неделю)\b|上上(?:个|個)?(?:周|週|星期|礼拜)|先々週|지지난 ?주(?!말)",
    ("month", 2): r"\bпозапрошлом месяце\b|上上(?:个|個)?月|先々月|지지난 ?달",
    ("year", 2): r"\bпозапрошлом году\b|(?:前年|一昨年|おととし|재작년)(?![の ]?[春夏秋冬봄여가겨])",
    ("week", 1): (
        r"\b(?:прошлой неделе|прошлую неделю|минулого тижня|(?:zeszlym|ubieglym) tygodniu|minuly tyden|gecen hafta|"
        r"forra veckan|sidste uge|forrige uke|viime viikolla|minggu lalu)\b|"
        r"(?<!上)上(?:个|個)?(?:周|週|星期|礼拜)|先週|(?<!지)지난 ?주(?!말)|الاسبوع الماضي"
    ),
    ("month", 1): (
        r"\b(?:прошлом месяце|минулого місяця|(?:zeszlym|ubieglym) miesiacu|minuly mesic|gecen ay|forra manaden|"
        r"sidste maned|forrige maned|viime kuussa|bulan lalu)\b|(?<!上)上(?:个|個)?月|先月|(?<!지)지난 ?달|الشهر الماضي"
    ),
    ("year", 1): (
        r"\b(?:прошлом году|минулого року|(?:zeszlym|ubieglym) roku|minuly rok|gecen (?:yil|sene)|forra aret|i fjol|"
        r"sidste ar|i fjor|viime vuonna|tahun lalu)\b|(?:去年|昨年|작년)(?![の ]?[春夏秋冬봄여가겨])|지난해|"
        r"العام الماضي|السنه الماضيه"
    ),
    ("week", 0): (
        r"\b(?:этой неделе|tym tygodniu|bu hafta|den har veckan|denne uge|denne uken|talla viikolla)\b|"
        r"这(?:个|個)?(?:周|星期)|本周|今週|이번 ?주(?!말)"
    ),
    ("month", 0): (
        r"\b(?:этом месяце|tym miesiacu|bu ay|den har manaden|denne maned|tassa kuussa)\b|"
        r"这(?:个|個)?月|本月|今月|이번 ?달"
    ),
    ("year", 0): r"\b(?:этом году|tym roku|bu yil|tana vuonna)\b|今年|올해",
}
"""Maps a unit, and the number of units before now, to a pattern in languages whose words for both have many forms."""

PARTS_OF_WEEKS: dict[str, range] = {
    word: days
    for words, days in {
        """
            beginning start early earlier beginn principio principios comienzo anfang debut inizio inicio begin
            начале poczatku
        """: range(3),
        "middle mid mediados mitte milieu meta meados midden середине polowie": range(1, 4),
        "end late later finales fines ende fin fine final eind einde конце koncu": range(3, 7),
    }.items()
    for word in words.split()
}
"""Maps the word for a part of a week to its days, from Monday as 0 on."""

PARTS_OF_YEARS: dict[str, range] = {
    word: months
    for words, months in {
        """
            early beginning start anfang beginn principio principios comienzo comienzos debut inizio inicio comeco begin
            начале poczatku borjan begynnelsen begyndelsen
        """: range(1, 4),
        "mid middle mitte mediados milieu meta meados midden середине polowie mitten midten": range(5, 9),
        "late end ende finales fines fin fine final eind einde конце koncu slutet slutten slutningen": range(10, 13),
    }.items()
    for word in words.split()
}
"""Maps the word for a part of a year to its months."""

THIS = rf"\b(?:this|esta|este|diese[nrsm]?|ce|cette|quest[oa]|dieses|deze|dit|nesta|neste) ({_UNIT})\b"
"""A pattern for the unit that has this day."""

WEEKEND = (
    r"\b(last |past |previous |letztes |letzten |vorig |afgelopen |scorso )?"
    r"(?:week-?end|fin de semana|wochenende|fine settimana|fim de semana)( pasado| dernier| scorso| passado)?\b"
)
"""A pattern for a weekend. A group matches if it is the last one."""

WEEKENDS = "weekend|week-end|wochenende|fin de semana|fine settimana|fim de semana"
"""A pattern for a weekend of any kind."""

BEFORE_YESTERDAY = (
    r"\b(?:(?:the )?day before yesterday|ante ?ayer|antes de ayer|antier|vorgestern|avant-hier|"
    r"(?:l'altro|altro|avant)ieri|l'altro ieri|anteontem|eergisteren|позавчера|przedwczoraj)\b|前天|一昨日|그저께"
)
"""A pattern for the day before yesterday."""

BEFORE_LAST_NIGHT = r"\b(?:night before last|anteanoche)\b"
"""A pattern for the night before the last one."""

LAST_NIGHT = (
    r"\b(?:(?:last|yesterday) (?:night|evening)|anoche|ayer por la noche|gestern (?:abend|nacht)|letzte nacht|"
    r"hier soir|la nuit derniere|ieri (?:sera|notte)|la scorsa notte|ontem (?:a|de) noite|noite passada|gisteravond)\b"
)
"""A pattern for the last night."""

THIS_MORNING = (
    r"\b(?:this (?:morning|afternoon|evening)|esta (?:manana|tarde|manha|noite)|"
    r"heute (?:morgen|fruh|vormittag|mittag|nachmittag|abend)|ce (?:matin|soir)|cet apres-midi|stamattina|stasera|"
    r"questa (?:mattina|sera)|questo pomeriggio|vanmorgen|vanmiddag|vanavond)\b"
)
"""A pattern for a part of this day."""

TIME_WORDS = frozenset((*MONTHS, *WEEKDAYS, *DAYS_BACK, *UNITS)) - AMBIGUOUS_MONTHS - {"an", "dun", "day", "days"}
"""Words that tell that a message names a time."""
