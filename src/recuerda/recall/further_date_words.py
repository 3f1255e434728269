"""The commonest words for times in further languages: months, weekdays, days before now, and times some units ago.

The words are folded. They name a time in a question only, because some of them mean something else in other languages.
"""

from __future__ import annotations

from recuerda.recall.date_words import MONTHS, NUMBERS, UNITS, WEEKDAYS

_MONTHS = """
    januari februari mars april maj juni juli augusti september oktober november december
    januar februar mars april mai juni juli august september oktober november desember
    januar februar marts april maj juni juli august september oktober november december
    stycznia lutego marca kwietnia maja czerwca lipca sierpnia wrzesnia pazdziernika listopada grudnia
    styczniu lutym marcu kwietniu maju czerwcu lipcu sierpniu wrzesniu pazdzierniku listopadzie grudniu
    ledna unora brezna dubna kvetna cervna cervence srpna zari rijna listopadu prosince
    lednu unoru breznu dubnu kvetnu cervnu cervenci srpnu zari rijnu listopadu prosinci
    tammikuussa helmikuussa maaliskuussa huhtikuussa toukokuussa kesakuussa heinakuussa elokuussa syyskuussa
    lokakuussa marraskuussa joulukuussa
    tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesakuuta heinakuuta elokuuta syyskuuta lokakuuta
    marraskuuta joulukuuta
    januar februar marcius aprilis majus junius julius augusztus szeptember oktober november december
    januarban februarban marciusban aprilisban majusban juniusban juliusban augusztusban szeptemberben oktoberben
    novemberben decemberben
    ocak subat mart nisan mayis haziran temmuz agustos eylul ekim kasim aralik
    ocakta subatta martta nisanda mayista haziranda temmuzda agustosta eylulde ekimde kasimda aralikta
    ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie decembrie
    gener febrer marc abril maig juny juliol agost setembre octubre novembre desembre
    ιανουαριο φεβρουαριο μαρτιο απριλιο μαιο ιουνιο ιουλιο αυγουστο σεπτεμβριο οκτωβριο νοεμβριο δεκεμβριο
    ιανουαριου φεβρουαριου μαρτιου απριλιου μαιου ιουνιου ιουλιου αυγουστου σεπτεμβριου οκτωβριου νοεμβριου δεκεμβριου
    січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня
    січні лютому березні квітні травні червні липні серпні вересні жовтні листопаді грудні
    يناير فبراير مارس ابريل مايو يونيو يوليو اغسطس سبتمبر اكتوبر نوفمبر ديسمبر
    januari februari maret april mei juni juli agustus september oktober november desember
"""
FURTHER_MONTHS: dict[str, int] = {name: at % 12 + 1 for at, name in enumerate(_MONTHS.split())}
"""Maps the name of a month to its number, as `date_words.MONTHS` does."""
MONTH_NAMES: dict[str, int] = FURTHER_MONTHS | MONTHS
"""The same for all languages."""

_WEEKDAYS = """
    mandag tisdag onsdag torsdag fredag lordag sondag
    mandags tisdags onsdags torsdags fredags lordags sondags
    mandag tirsdag onsdag torsdag fredag lordag sondag
    mandags tirsdags onsdags torsdags fredags lordags sondags
    poniedzialek wtorek srode czwartek piatek sobote niedziele
    pondeli utery stredu ctvrtek patek sobotu nedeli
    hetfon kedden szerdan csutortokon penteken szombaton vasarnap
    maanantaina tiistaina keskiviikkona torstaina perjantaina lauantaina sunnuntaina
    pazartesi sali carsamba persembe cuma cumartesi pazar
    luni marti miercuri joi vineri sambata duminica
    dilluns dimarts dimecres dijous divendres dissabte diumenge
    δευτερα τριτη τεταρτη πεμπτη παρασκευη σαββατο κυριακη
    понеділок вівторок середу четвер п'ятницю суботу неділю
    الاثنين الثلاثاء الاربعاء الخميس الجمعه السبت الاحد
    senin selasa rabu kamis jumat sabtu ahad
"""
FURTHER_WEEKDAYS: dict[str, int] = {name: at % 7 for at, name in enumerate(_WEEKDAYS.split())} | {"пятница": 4}
"""Maps the name of a weekday to its number, as `date_words.WEEKDAYS` does."""

WEEKDAY_NAMES: dict[str, int] = FURTHER_WEEKDAYS | WEEKDAYS
"""The same for all languages."""

FURTHER_DAYS_BACK: dict[str, int] = {
    "vcera": 1, "tegnap": 1, "eilen": 1, "χθεσ": 1, "χτεσ": 1, "учора": 1, "вчора": 1, "ahir": 1, "kemarin": 1,
    "אתמול": 1, "कल": 1, "ديروز": 1, "predevcirem": 2, "tegnapelott": 2, "toissapaivana": 2, "alaltaieri": 2,
    "προχθεσ": 2, "позавчора": 2, "שלשום": 2,
}  # fmt: skip
"""Maps a word to the number of days before now."""

FURTHER_DAYS = (
    (r"\b(?:i gar|i gar kveld|i gar kvall|hom qua|abans[ -]d'ahir noche)\b", 1),
    (r"\b(?:i forrgar|i forgars|i forgars|hom kia|abans[ -]d'ahir|evvelsi gun|kemarin dulu)\b|اول امس", 2),
)
"""Patterns for days before now whose names have several words."""

_NUMBERS: dict[int, str] = {
    1: "en ett et jeden jedna jeden один одну одна bir yksi egy o un ενα ένα μια один одну",
    2: "tva to dwa dwie dva dve два две iki kaksi ket doua doi dos dues δυο два дві",
    3: "tre trzy tri три uc kolme harom trei tres τρια τρεισ три",
    4: "fyra fire cztery ctyri четыре dort nelja negy patru quatre τεσσερα τεσσερισ чотири",
    5: "fem piec pet пять bes viisi ot cinci cinc πεντε п'ять",
    6: "sex seks szesc sest шесть alti kuusi hat sase sis εξι шість",
}
FURTHER_NUMBERS: dict[str, int] = {word: number for number, words in _NUMBERS.items() for word in words.split()}
"""Maps a number word to its number."""
NUMBER_WORDS: dict[str, int] = FURTHER_NUMBERS | NUMBERS
"""The same for all languages."""

FURTHER_UNITS: dict[str, str] = {
    word: unit
    for unit, words in {
        "day": """
            dag dagar dage dager dzien dni dny dnem день дня дней дні днів gun paiva paivaa nap nappal zi zile dia dies
            ημερα ημερεσ μερα μερεσ
        """,
        "week": """
            vecka veckor uge uger uke uker tydzien tygodnie tygodni tydnem tydny неделю недели недель тиждень тижні
            тижнів hafta viikko viikkoa hettel het saptamana saptamani setmana setmanes εβδομαδα εβδομαδεσ
        """,
        "month": """
            manad manader maned maneder miesiac miesiace miesiecy mesicem mesici месяц месяца месяцев місяць місяці
            місяців ay kuukausi kuukautta honap honappal luna luni mes mesos μηνα μηνεσ
        """,
        "year": """
            ar rok lata lat rokem lety год года лет рік роки років yil sene vuosi vuotta ev evvel an ani any anys χρονο
            χρονια
        """,
    }.items()
    for word in words.split()
}
"""Maps the word for a unit to the English word."""

UNIT_WORDS: dict[str, str] = FURTHER_UNITS | UNITS
"""The same for all languages."""

_UNIT = "|".join(sorted(FURTHER_UNITS, key=len, reverse=True))
_AMOUNT = "(\\d{1,3}|" + "|".join(FURTHER_NUMBERS) + ")"
FURTHER_AGO_WORDS = (
    "назад", "тому", "temu", "sitten", "ezelott", "once", "sedan", "siden", "pred ", "acum ", "fa ", "πριν ",
)  # fmt: skip
"""The words of these patterns. A question without them needs no search for such times."""

FURTHER_AGO = (
    rf"(?:\b{_AMOUNT} )?\b({_UNIT}) (?:назад|тому|temu|sitten|ezelott)\b",
    rf"\b{_AMOUNT} ({_UNIT}) once\b",
    rf"\bfor {_AMOUNT} ({_UNIT}) (?:sedan|siden)\b",
    rf"\b(?:pred|acum|fa|πριν(?: απο)?) (?:{_AMOUNT} )?({_UNIT})\b",
)
"""Patterns for a time some units ago. Each has the amount, which is None if it is one, and the unit."""


def count_of(amount: str) -> int:
    """Return the number of a number word, or of digits."""
    return int(amount) if amount.isdecimal() else NUMBER_WORDS[amount]
