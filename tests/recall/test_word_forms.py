"""Forms of words share their stems, in each language."""

import sys

import pytest

from recuerda.recall.languages import stem, stems

SAME_STEMS = {
    "en": [
        ("buy", "bought", "buying", "buys"),
        ("child", "children", "kid", "kids"),
        ("relate", "related", "relating"),
        ("hope", "hoped", "hoping"),
        ("hop", "hopped", "hopping"),
        ("city", "cities"),
        ("agree", "agreed"),
        ("connect", "connected", "connection", "connections"),
        ("swim", "swam", "swum", "swimming", "swimmer"),
        ("run", "ran", "running"),
        ("allergy", "allergies", "allergic"),
        ("apply", "applied", "application"),
        ("complain", "complaint", "complained"),
        ("steal", "stolen", "theft", "thief"),
        ("subscribe", "subscription", "subscriptions"),
        ("deep", "depth"),
        ("advise", "advice"),
        ("teach", "taught", "teacher", "teachers"),
        ("injury", "injuries", "injured"),
        ("learn", "learned", "learnt"),
        ("spanish", "spain"),
        ("metre", "meter", "metres"),
        ("scarf", "scarves"),
        ("analysis", "analyses"),
        ("phone", "telephone", "phones"),
        ("tv", "television"),
        ("behavioural", "behavioral"),
        ("favourite", "favorite", "favourites"),
        ("colour", "color", "coloured", "colors"),
        ("neighbour", "neighbor", "neighbours"),
        ("organise", "organize", "organised", "organization", "organisation"),
        ("analyse", "analyze", "analyzing"),
        ("theatre", "theater", "theatres"),
        ("programme", "program", "programs"),
        ("catalogue", "catalog"),
        ("anaemia", "anemia"),
        ("travelled", "traveled", "traveling"),
    ],
    "es": [
        ("comprar", "compré", "compramos", "comprando", "comprado"),
        ("perro", "perros", "perra"),
        ("canción", "canciones", "cancion"),
        ("información", "informacion"),
        ("ciudad", "ciudades"),
        ("vuelo", "volar", "vuelos"),
        ("juego", "jugar"),
        ("nuez", "nueces"),
        ("viaje", "viajes", "viajar", "viajaste"),
        ("alergia", "alergias", "alérgica", "alergico"),
    ],
    "de": [
        ("allergie", "allergien", "allergisch"),
        ("katze", "katzen"),
        ("häuser", "haus", "hauses"),
        ("kaufen", "gekauft", "kaufte", "kauft"),
        ("einkaufen", "eingekauft"),
        ("verkaufen", "verkauft", "verkaufte"),
        ("schreiben", "schrieb", "geschrieben", "schrieben"),
        ("unterschreiben", "unterschrieb", "unterschrieben"),
        ("anrufen", "angerufen"),
        ("arbeiten", "gearbeitet", "arbeitete"),
        ("reparieren", "repariert", "reparierte"),
        ("bringen", "brachte", "gebracht"),
        ("arzt", "ärzte", "ärztin"),
        ("foto", "fotos"),
        ("museum", "museen"),
    ],
    "fr": [
        ("allergie", "allergique", "allergies"),
        ("cheval", "chevaux"),
        ("noisette", "noisettes"),
        ("œil", "yeux"),
        ("travail", "travaux", "travaille"),
        ("vendre", "vendu", "vends"),
        ("prendre", "pris", "prend"),
        ("apprendre", "appris", "apprennent"),
        ("recevoir", "reçu", "reçois"),
        ("acteur", "actrice", "acteurs"),
        ("nouveau", "nouvelle", "nouveaux"),
        ("neveu", "neveux"),
    ],
    "it": [
        ("allergia", "allergico", "allergie"),
        ("gatto", "gatti"),
        ("fungo", "funghi"),
        ("uomo", "uomini"),
        ("scrivere", "scritto", "scrisse", "scritta"),
        ("leggere", "letto", "lessi"),
        ("promettere", "promesso"),
        ("attore", "attrice"),
        ("usare", "usato", "usa"),
    ],
    "pt": [
        ("alergia", "alérgico", "alérgica"),
        ("informação", "informações", "informacao"),
        ("animal", "animais"),
        ("papel", "papéis"),
        ("fácil", "fáceis"),
        ("pão", "pães"),
        ("homem", "homens"),
        ("pagar", "paguei", "pago"),
        ("trazer", "trouxe"),
    ],
    "ru": [
        ("кошка", "кошки", "кошку", "кошек"),
        ("врач", "врача"),
        ("самолёт", "самолета"),
        ("подарок", "подарка"),
        ("отец", "отца"),
        ("любить", "люблю"),
        ("писать", "пишу", "написал"),
        ("человек", "люди"),
    ],
    "uk": [("кіт", "кота"), ("купити", "купив", "куплю"), ("рука", "руці")],
    "sv": [
        ("allergi", "allergisk"),
        ("katten", "katter"),
        ("nyckel", "nycklar", "nyckeln"),
        ("syster", "systrar"),
        ("bok", "böcker", "boken"),
        ("köpa", "köpte", "köpt"),
        ("skriva", "skrev", "skrivit"),
        ("skola", "skolan", "skolor"),
    ],
    "no": [("sykkel", "sykler", "syklene"), ("gammel", "gamle"), ("finne", "fant", "funnet"), ("hånd", "hender")],
    "da": [
        ("nøgle", "nøgler", "nøglerne"),
        ("købe", "købte", "købt"),
        ("barn", "børn", "børnene"),
        ("drikke", "drak", "drukket"),
    ],
    "nl": [
        ("fiets", "fietsen"),
        ("verjaardag", "verjaardagen"),
        ("speelt", "spelen"),
        ("allergie", "allergisch"),
        ("kopen", "kocht", "gekocht"),
        ("verkopen", "verkocht"),
        ("groot", "grote"),
        ("allergie", "allergieën"),
        ("idee", "ideeën"),
        ("kind", "kinderen"),
    ],
    "tr": [("kitap", "kitaplar"), ("evler", "evlerde"), ("şehir", "şehri"), ("yazmak", "yazdım", "yazıyorum")],
    "pl": [
        ("siostra", "siostry", "siostrą", "siostrze"),
        ("ręka", "ręce", "rąk"),
        ("ząb", "zęby"),
        ("hydraulik", "hydraulicy", "hydraulika"),
        ("pracować", "pracuję"),
        ("pies", "psa"),
        ("szuflada", "szufladzie", "szuflad"),
        ("praca", "pracy", "pracę"),
        ("lekarz", "lekarka", "lekarze"),
    ],
    "cs": [
        ("ruka", "ruce"),
        ("koupit", "koupil", "koupila"),
        ("otec", "otce"),
        ("okno", "oken"),
        ("zubař", "zubařka", "zubaře"),
    ],
    "hu": [
        ("barát", "barátom", "barátok"),
        ("tó", "tavak"),
        ("étterem", "éttermek"),
        ("vesz", "vettem", "venni"),
        ("macska", "macskák", "macskám"),
    ],
    "fi": [("katu", "kadun"), ("nainen", "naiset"), ("kaupunki", "kaupungissa"), ("tehdä", "teki")],
    "ro": [("școală", "școli"), ("stradă", "străzi"), ("scrie", "scris"), ("om", "oameni")],
    "ca": [
        ("gos", "gossos"),
        ("platja", "platges"),
        ("informe", "informes"),
        ("escriure", "escrit"),
        ("allèrgia", "allèrgica", "allèrgies"),
    ],
    "el": [("βιβλίο", "βιβλία"), ("γράφω", "έγραψα")],
    "he": [
        ("ספר", "ספרים", "הספרים"),
        ("מחברת", "מחברות", "המחברת"),
        ("שולחן", "שולחנות"),
        ("מלון", "מלונות", "במלון"),
        ("אלרגיה", "אלרגית", "אלרגיות"),
        ("משפחה", "משפחות", "והמשפחה"),
    ],
    "fa": [("کتاب", "کتابم", "کتاب‌های"), ("خانه", "خانه‌ام", "خانه‌ها"), ("برادر", "برادران", "برادرم")],
    "ar": [
        ("كتاب", "الكتاب", "كتب"),
        ("مدرسة", "المدرسة"),
        ("طفل", "أطفال"),
        ("سكن", "يسكن", "سكنت"),
        ("تذكرة", "تذاكر", "تذكرتين"),
    ],
}


def test_forms_of_a_word_share_their_stem() -> None:
    apart = [
        (language, words)
        for language, groups in SAME_STEMS.items()
        for words in groups
        if len({stem(word, language) for word in words}) > 1
    ]
    assert apart == []


def test_other_words_have_other_stems() -> None:
    pairs = [("plan", "plane"), ("four", "for"), ("organ", "organise"), ("party", "part"), ("morning", "mourning")]
    assert [pair for pair in pairs if stem(pair[0], "en") == stem(pair[1], "en")] == []


def test_stems_do_not_depend_on_pystemmer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "Stemmer", None)
    stem.cache_clear()
    assert stem("hochzeiten", "de") == "hochzeit"


MISTAKEN = [
    ("pt", "ca", "bilhete", "bilhetes"),
    ("it", "ca", "macchina", "macchine"),
    ("es", "ca", "amigo", "amiga"),
    ("pt", "ca", "janela", "janelas"),
    ("es", "ca", "ventana", "ventanas"),
    ("it", "pt", "finestra", "finestre"),
    ("ca", "pt", "finestra", "finestres"),
    ("da", "no", "nøgle", "nøgler"),
    ("sv", "da", "katten", "katter"),
    ("cs", "pl", "soused", "sousedi"),
    ("uk", "ru", "сусід", "сусіди"),
]


@pytest.mark.parametrize(("language", "taken_for", "said", "asked"), MISTAKEN)
def test_a_message_that_is_taken_for_a_language_like_its_own_is_found(
    language: str, taken_for: str, said: str, asked: str
) -> None:
    assert stem(said, taken_for) in stems(asked, [language])
    assert stem(asked, taken_for) in stems(said, [language])
