"""Words and terms of texts, and the terms of questions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recuerda.recall.folding import fold
from recuerda.recall.languages import stem
from recuerda.recall.text import (
    MAX_TEXT,
    clean_text,
    name_words,
    possible_names,
    query_terms,
    terms_of,
    words_of,
)


def test_words_are_folded_and_cut_at_punctuation() -> None:
    assert words_of("Ana's café—¿Cuándo? 3.5%") == ["ana", "cafe", "cuando", "3.5"]
    assert words_of("ﬁne ＷＩＦＩ") == ["fine", "wifi"]


def test_letters_of_their_own_are_folded() -> None:
    same = [
        ("GOETHESTRASSE", "Goethestraße"), ("Łukasz", "lukasz"), ("Søren", "SOREN"), ("ISPARTA", "ısparta"),
        ("İzmir", "izmir"), ("Đorđe", "dorde"), ("Æsir", "aesir"), ("Þór", "thor"), ("ΟΔΟΣ", "οδός"),
        ("самолёт", "самолет"), ("مُحَمَّد", "محمد"), ("أحمد", "احمد"), ("١٢", "12"), ("می\u200cخواهم", "میخواهم"),
        ("ｶﾞﾗｽ", "ガラス"),
    ]  # fmt: skip
    assert [pair for pair in same if fold(pair[0]) != fold(pair[1])] == []
    assert fold("ガラス") != fold("カラス")
    assert fold("чай") != fold("чаи")


def test_a_message_has_the_stems_of_its_language() -> None:
    assert terms_of("When did you buy the bicycles?").counts == {"buy": 1, "cycl": 1}
    assert terms_of("¿Cuándo compraste las bicicletas?").counts == {"compr": 1, "biz": 1}
    assert terms_of("Wo ist die Hochzeit?").counts == {"hochzeit": 1, "~tiezhcoh": 1}
    assert terms_of("Где моя кошка?").counts == {"кошк": 1}
    assert terms_of("Lisboa").counts == {"lisboa": 1}


def test_a_question_has_the_stems_that_a_message_may_have() -> None:
    assert query_terms("What about tickets?") == {"ticket": 0, "tickets": 0}
    assert query_terms("¿Qué alergias tengo?") == {"alerg": 0, "alergias": 0, "alergia": 0}
    assert {"lisboa", "lisbo"} <= query_terms("Lisboa").keys()
    assert query_terms("plane tickets", without={"plane"}).keys() == query_terms("tickets").keys()


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("J'ai réservé l'hôtel.", "hotel"),
        ("dell'aereo", "aereo"),
        ("la sœur d'Inès", "soeur Ines"),
        ("C’est l’anniversaire.", "anniversaire"),
        ("Ankara'ya taşındım.", "Ankara"),
        ("Okafor's office", "Okafor"),
        ("It's Ben O'Brien's boat.", "O'Brien"),
        ("It's Ben O'Brien's boat.", "OBrien"),
        ("It's Ben O'Brien's boat.", "Brien"),
        ("rock'n'roll", "rocknroll"),
        ("用watchdog监控父进程。", "watchdog"),
        ("会议在3月15日下午。", "3月15日"),
        ("订单号AB12345已经发货。", "AB12345"),
        ("私はiPhoneを買いました。", "iPhone"),
        ("猫を飼っています。", "猫"),
        ("ネコです", "ねこ"),
        ("ฉันแพ้ถั่ว", "ถั่ว"),
        ("고양이가 자요.", "고양이는"),
        ("빵이 맛있어요", "빵"),
        ("아이가 자요", "아이"),
        ("9월에 결혼해요.", "9월"),
        ("मेरी बिल्ली", "बिल्ली"),
        ("Call 600 123 456.", "600123456"),
        ("Call 600123456.", "600 123 456"),
        ("Call +34 600 123 456.", "600123456"),
        ("(415) 555-0199", "4155550199"),
        ("ES91 2100 0418 4502 0005 1332", "ES9121000418450200051332"),
        ("My IBAN is ES9121000418450200051332.", "ES91 2100"),
        ("My IBAN is DE89 3704 0044 0532 0130 00.", "DE8937040044"),
        ("My IBAN is GB29NWBK60161331926819.", "GB29 NWBK"),
        ("My IBAN is DE89370400440532013000.", "3000"),
        ("Take 20 mg.", "20mg"),
        ("Take 20mg.", "20 mg"),
        ("the Wi-Fi code", "wifi"),
        ("the e-mail", "email"),
        ("getUserById fails", "user"),
        ("getUserById fails", "getuserbyid"),
        ("get_user_by_id fails", "getUserById"),
        ("order ORD-2024-0815", "ORD-2024-0815"),
        ("order ORD-2024-0815", "0815"),
        ("flight LH 1234", "LH1234"),
        ("My flight is BA-0286.", "BA 286"),
        ("My flight is BA-0286.", "BA286"),
        ("I booked BA286.", "ba-0286"),
        ("flight ba 286", "BA286"),
        ("LH455 is late.", "LH 0455"),
        ("my flight U28213", "u2 8213"),
        ("EasyJet U2 8213", "U28213"),
        ("order ORD-2024-0815", "815"),
        ("invoice INV-0042", "42"),
        ("Room 007", "7"),
        ("invoice 42", "00042"),
        ("my new iPhone15", "iphone"),
        ("my new iPhone 15", "iPhone15"),
        ("a PS 5 for the kids", "PS5"),
        ("my seat is 12 A", "12A"),
        ("My plate is M-AB 1234.", "MAB1234"),
        ("My plate is M-AB 1234.", "M AB 1234"),
        ("My plate is MAB1234.", "MAB 1234"),
        ("My plate is MAB1234.", "where is mab 1234"),
        ("My plate is AB12 CDE.", "AB12CDE"),
        ("My plate is AB-123-CD.", "AB 123 CD"),
        ("Our VAT number is DE 123 456 789.", "DE123456789"),
        ("Send it to SW1A 2AA.", "SW1A2AA"),
        ("The card has 00:1A:2B:3C:4D:5E.", "001a2b3c4d5e"),
        ("The meter shows 12.345,67.", "12345.67"),
        ("It cost 12,345.67 dollars.", "12.345,67"),
        ("Kedim hasta oldu.", "Hasta olan kediler?"),
        ("Arabam bozuldu.", "Araba nerede?"),
        ("Evimiz çok büyük.", "Evin nerede?"),
        ("Kedisi kaçmış.", "Kedi nerede?"),
        ("ana.perez@example.com", "ana.perez@example.com"),
        ("https://docs.example.com/a?b=1", "example"),
        ("We run v2.3.1.", "2.3.1"),
        ("It cost 1,500 euros.", "1500"),
        ("My mother-in-law came.", "mother-in-law"),
        ("Es kostet 3,5 %.", "3.5"),
        ("1 500 kr", "1500"),
        ("tel. 0170/1234567", "01701234567"),
        ("I code in C#.", "C#"),
        ("the AT&T bill", "AT&T"),
        ("الشاي الأخضر", "شاي"),
        ("Ich heiße Jürgen Weiß.", "Weiss"),
        ("Frau Müller rief an.", "mueller"),
        ("Mr Mueller called.", "Müller"),
        ("Jørgensen ringede.", "Joergensen"),
        ("Joergensen ringede.", "Jørgensen"),
        ("Jeg bor i Århus.", "aarhus"),
        ("Jeg bor i Aarhus.", "Århus"),
        ("Ich wohne in der Goethestraße 5.", "Goethestr."),
        ("Goethestr. 5", "Goethestraße"),
        ("The Wi-Fi is down.", "wi fi"),
        ("We ate at McDonald's.", "Mc Donald"),
        ("my toothbrush", "tooth brush"),
        ("my email bounced", "e mail"),
        ("We have 10,000 followers.", "10k"),
        ("We have 10k followers.", "10,000"),
        ("Es kostet 1,5 Millionen.", "1,500,000"),
        ("The van is a 4 x 4.", "4x4"),
        ("The train leaves at 2:30 pm.", "14h30"),
        ("Der Zug fährt um 14.30 Uhr.", "2:30 pm"),
        ("The shop closes at 7pm.", "19 Uhr"),
        ("It was fixed in 3f2a9c1d8e5b7a6c4d3e2f1a0b9c8d7e6f5a4b3c.", "3f2a9c1"),
        ("It was fixed in 3f2a9c1.", "3f2a9c1d8e"),
        ("My wi fi is slow.", "wifi"),
        ("Send it by e mail.", "email"),
        ("I lost a blue t shirt at the gym.", "tshirt"),
        ("The X ray shows nothing.", "xray"),
        ("We ate at Mc Donald's.", "mcdonalds"),
        ("We ate at Mc Donald's.", "McDonald's"),
        ("We ate at McDonalds.", "Mc Donald's"),
        ("Das W lan ist langsam.", "WLAN"),
        ("Ring me on ０７７００ ９００１２３.", "07700900123"),
        ("Tel. 07700 900123", "07700 900123"),
        ("Té al·lèrgia.", "allergia"),
    ],
)
def test_a_word_is_found_however_it_is_joined(said: str, asked: str) -> None:
    looked_for = query_terms(asked)
    assert not looked_for.keys().isdisjoint(terms_of(said).counts)


def test_a_very_long_word_costs_little() -> None:
    for piece in ("a'", "a.", "1 ", "1.", "111 ", "1,111", "Aa", "猫", "'s", "x@"):
        found = terms_of(piece * (MAX_TEXT // len(piece)))
        assert all(0 < len(term) <= 64 for term in found.counts)


def test_no_word_is_found_by_a_part_of_another_one() -> None:
    for said, asked in [("ガラスです", "カラス"), ("We met in 2024.", "20 mg"), ("v2.3.1", "3")]:
        assert query_terms(asked).keys().isdisjoint(terms_of(said).counts)


def test_only_short_words_are_joined_in_a_message() -> None:
    assert terms_of("The play station is old.").counts == {"play": 1, "station": 1, "old": 1}
    assert terms_of("猫は家").counts == {"猫": 1, "家": 1}
    assert terms_of("Tôi bị ốm và đi bác sĩ.").counts.keys() == {"om", "di", "bac", "si"}


def test_function_words_are_left_out_in_their_language_only() -> None:
    said = {
        "Die Hochzeit ist morgen.": {"hochzeit", "~tiezhcoh", "morg"},
        "We die young.": {"die", "young"},
        "Il est à Nice.": {"nic"},
        "저는 고양이가 있어요": {"고양", "양이"},
        "我的猫叫什么": {"猫", "叫", "猫叫"},
    }
    assert {text: set(terms_of(text).counts) for text in said} == said


def test_a_function_word_with_a_capital_inside_a_sentence_is_a_name() -> None:
    named = {
        "I met Will in town.": "will",
        "Will repairs my bike.": "will",
        "We fly in May.": "may",
        "She works in IT.": "it",
        "Mi hija Mía nació ayer.": "mia",
    }
    assert [text for text, name in named.items() if stem(name, "en") not in terms_of(text).counts] == []
    assert [text for text in ("Will you?", "May I?", "It is. You may go.") if terms_of(text).counts] == []
    assert query_terms("Who is Will?") == {"will": 0}
    assert query_terms("who is will") == {"will": 0}
    assert query_terms("what does may like").keys() >= {"may"}
    assert query_terms("what will it be") == {}
    assert query_terms("Where is Will's boat?").keys() >= {"will", "boat"}


def test_words_of_a_name_are_known() -> None:
    known = {
        "Will": ["will"], "may": ["may"], "Will Byers": ["will", "byers"], "Ana de Armas": ["ana", "armas"],
        "Can Yılmaz": ["can", "yilmaz"], "The Boss": ["boss"], "J. R. Smith": ["smith"], "Al": ["al"],
    }  # fmt: skip
    assert {name: name_words(name) for name in known} == known


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("What did Will say?", "will"),
        ("what did will say", "will"),
        ("Where is Will’s kayak?", "will"),
        ("What does Al do?", "al"),
        ("What did mark say?", "mark"),
        ("¿Qué dijo Will?", "will"),
        ("Will repairs bikes, I think.", "will"),
    ],
)
def test_a_name_in_a_question_may_be_a_function_word(question: str, name: str) -> None:
    assert name in possible_names(question)


@pytest.mark.parametrize("question", ["Will the kayak be green?", "what will it be", "May I ask?", "Can it help?"])
def test_a_function_word_in_a_question_is_no_name(question: str) -> None:
    assert possible_names(question).isdisjoint(("will", "may", "can"))


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("My plate is 4821 KLM.", "4821klm"),
        ("My plate is 4821KLM.", "4821 klm"),
        ("The firmware is v2.14.3.", "version 2.14"),
        ("We run Python 3.12.4.", "3.12"),
        ("سيارتي في الورشة", "أين السيارة؟"),
        ("نسيت مظلتي", "أين المظلة؟"),
        ("Ich lief heute.", "Wie weit bin ich gelaufen?"),
        ("Er maß die Wand.", "Wer hat gemessen?"),
        ("Os anéis da minha avó sumiram.", "Onde está o anel?"),
        ("A wasp stung me.", "What stings?"),
    ],
)
def test_a_question_has_a_term_of_the_message(said: str, asked: str) -> None:
    assert terms_of(said).counts.keys() & query_terms(asked).keys()


def test_a_letter_with_a_mark_does_not_part_a_word() -> None:
    assert terms_of("Der Geschäftsführer schläft.").counts == {"geschaftsfuhr": 1, "schlaf": 1, "~rhufstfahcseg": 1}
    assert "mda" not in query_terms("hakkımda")


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("\u02bbOhana", {"ohana"}),
        ("Hawai\u02bbi, O\u02bbahu, \u02bb", {"hawaii", "oahu"}),
        ("\u02bc\u02bcmiel", {"miel"}),
        ("\u02bc\u02bc", set[str]()),
        ("\u0149\u2019kat", {"kat"}),
    ],
)
def test_a_letter_may_be_an_apostrophe_and_the_okina_is_none(text: str, terms: set[str]) -> None:
    assert terms <= terms_of(text).counts.keys()


@given(st.text())
def test_any_text_has_terms_that_can_be_kept(text: str) -> None:
    kept = clean_text(text)
    kept.encode()
    assert len(kept) <= MAX_TEXT
    assert "\x00" not in kept
    found = terms_of(kept)
    assert all(term for term in found.counts)
    assert sum(found.counts.values()) >= found.size
