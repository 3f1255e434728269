"""Facts about people themselves: what messages tell, what questions ask for, and that they meet in other words."""

from datetime import timedelta

import pytest

from recuerda.recall import RecallProvider
from recuerda.recall.about_me import as_asked_of_me, facts_asked, facts_told
from recuerda.recall.folding import fold
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import NOW, pair, person, say

TOLD = {
    "age": """
        I'm thirty-four. / Turned 30 yesterday, ugh. / Ya tengo 41. / Gestern bin ich 30 geworden.
        J'ai quarante et un ans. / I am 41. / I'm 41 years old, can you believe that / I turned 41 last May.
        I'll be 42 in June. / I'm in my late forties. / Tengo 41 años. / Cumplí 41 en mayo. / Ich bin 41.
        Ich bin im Mai 41 geworden. / Ich werde im Juni 42. / J'ai 41 ans. / J'ai eu 41 ans en mai. / Fiz 41 em maio.
        Tenho quarenta e um anos. / Ho 41 anni. / Ho compiuto 41 anni. / I'll be turning 35 this saturday
        35 yrs old, female, based in Leeds / im 27 btw / bin grad 28 geworden
    """,
    "home": """
        We moved to Leeds. / I've been in Leeds since 2020. / Nos mudamos a Gijón. / Wir wohnen in Halle.
        Seit 2020 wohne ich in Halle. / I moved to Bergen. / I'm based in Bergen now. / I live in Bergen.
        My flat is in Bergen. / I've just moved into a flat. / Me mudé a Bergen. / Vivo en Bergen.
        Nos hemos mudado a Bergen. / Ich bin nach Bergen gezogen. / Ich wohne in Bergen.
        Ich bin letzten Monat in eine neue Wohnung gezogen. / J'ai déménagé à Bergen. / J'habite à Bergen.
        Moro em Bergen. / Mudei-me para Bergen. / Mi sono trasferito a Bergen. / Abito a Bergen.
        La mia casa è a Bergen. / just relocated from Paris to Vienna for work / Finally moved into our flat!
        we're based in Porto since march / on s'est installés à Nantes
    """,
    "work": """
        been working as a plumber for 10 yrs / I got hired by Siemens in January / started at Lufthansa last Monday
        bin Krankenpflegerin in der Charité / faccio l'idraulico / I've been a teacher for ten years.
        Estoy trabajando en un banco. / Faccio il panettiere.
        I work as a nurse. / I'm a nurse. / I am a software developer at a bank. / My job is teaching.
        I became a nurse. / Soy enfermera. / Trabajo como enfermera. / Me dedico a la enseñanza. / Ich bin Lehrer.
        Ich arbeite als Lehrerin. / Ich bin von Beruf Arzt. / Je suis infirmière. / Je travaille à l'hôpital.
        Sou enfermeira. / Trabalho numa escola. / Sono infermiera. / Lavoro come cuoco. / Il mio lavoro è noioso.
    """,
    "birth": """
        my bday is june 3rd / b-day is on 12 July / I was born on 3 May. / My birthday is on 3 May.
        Nací el 3 de mayo. / Mi cumpleaños es el 3 de mayo.
        Ich bin am 3. Mai geboren. / Ich habe am 3. Mai Geburtstag. / Je suis né le 3 mai.
        Mon anniversaire est le 3 mai. / Nasci a 3 de maio. / O meu aniversário é a 3 de maio.
        Sono nata il 3 maggio. / Il mio compleanno è il 3 maggio.
    """,
    "name": """
        this is Marco btw / Hey, Marta here / My name is Riker. / I'm Riker. / I'm Will Riker, nice to meet you.
        Call me Riker. / Me llamo Ana. / Soy Ana.
        Ich heiße Ana. / Ich bin Ana. / Je m'appelle Ana. / Chamo-me Ana. / Sou o Rui. / Mi chiamo Ana.
    """,
    "partner": """
        Married to Ana for 12 years / I've been single since the divorce / my hubby cooks / My wife is called Ana.
        I got married in 2010. / Mi mujer se llama Ana. / Estoy soltera.
        Meine Frau heißt Ana. / Ich bin verheiratet. / Ma femme s'appelle Ana. / Minha esposa é médica.
        Mia moglie si chiama Ana.
    """,
    "children": """
        We're expecting our first baby in July / We have three kids. / My little girl starts school.
        Tenemos tres hijos. / Wir haben drei Kinder.
        Abbiamo tre figli. / My son Leo is 5. / I have two kids. / Mi hijo tiene 5 años. / Tengo dos hijas.
        Ich habe zwei Töchter. / Mon fils a 5 ans. / J'ai deux filles. / O meu filho tem 5 anos. / Ho due figlie.
    """,
    "family": """
        My brother Tom is a baker. / I call my mother at nine. / Mi hermana vive en Lugo. / Meine Eltern wohnen in Ulm.
        Ma sœur est infirmière. / Os meus pais vivem no Porto. / Mio fratello vive a Roma. / My mother-in-law came.
    """,
    "pets": """
        adopted a puppy today, named him Pixel / we rescued a kitten / We have a dog called Rex.
        Wir haben einen Hund. / My dog Rex is ill. / I have a cat.
        Mi perro está enfermo. / Tengo un gato. / Mein Hund ist krank. / Ich habe eine Katze. / Mon chien est malade.
        J'ai un chat. / O meu cão está doente. / Ho un gatto.
    """,
    "origin": """
        I come from Peru. / I'm from Peru. / I'm Peruvian. / I grew up in Lima. / Soy de Lima. / Vengo de Lima.
        Ich komme aus Peru. / Ich bin in Lima geboren. / Je viens du Pérou. / Sou do Peru. / Vengo dal Perù.
        Sono di Lima.
    """,
    "siblings": """
        I have two younger brothers. / I grew up with two older brothers / I'm an only child / My sister is a baker.
        Tengo tres hermanas. / Soy hija única. / Ich habe einen Bruder. / ich bin Einzelkind / J'ai deux sœurs.
        Je suis fille unique. / Sou filho único. / Tenho dois irmãos. / Ho una sorella. / Sono figlio unico.
    """,
    "diet": """
        I'm allergic to penicillin. / allergic to nuts / I don't eat meat / I have a severe nut allergy / I'm a vegan.
        Soy alérgico a los frutos secos. / No como carne. / Ich vertrage keine Laktose. / Ich bin Vegetarierin.
        Je suis coeliaque. / Je ne mange pas de porc. / Sou vegetariana. / Não como carne. / Sono celiaco.
        Non mangio pesce.
    """,
    "languages": """
        I'm fluent in Dutch and Polish / I speak Italian and a bit of Greek / My mother tongue is Basque.
        Hablo gallego.
        Ich spreche Ungarisch. / Je parle breton. / Falo basco. / Parlo sardo.
    """,
    "studies": """
        I have a degree in marine biology / Graduated in chemistry from Delft / I majored in economics.
        Estudié biología.
        Hab in Wien Physik studiert / J'ai étudié le droit. / Estudei direito. / Ho studiato fisica.
        Ich studiere Jura.
    """,
    "hobbies": """
        in my free time I go bouldering / I love bouldering and baking / My hobby is chess. / I play the cello.
        En mi tiempo libre pinto. / In meiner Freizeit klettere ich. / Dans mon temps libre, je peins.
        No meu tempo livre pinto. / Nel mio tempo libero dipingo.
    """,
    "height": "I'm 180 cm. / I am 1.80 m tall. / Mido 1,80. / Ich bin 1,80 m groß. / Je mesure 1,80 m.",
    "weight": "I weigh 80 kilos. / I'm 80 kg. / Peso 80 kilos. / Ich wiege 80 Kilo. / Je pèse 80 kilos.",
    "phone": """
        My number is 600 123 456. / Call me at 600 123 456. / Mi móvil es el 600 123 456.
        Meine Handynummer ist 0171 55.
    """,
    "mail": "Write to ana@example.com. / Mi correo: ana@example.com",
}
ASKED = {
    "age": """
        How old am I? / What's my age? / ¿Cuántos años tengo? / Wie alt bin ich? / Quel âge ai-je ?
        Quantos anos tenho? / Quanti anni ho?
    """,
    "home": """
        Where do I live? / Which city do I live in? / What city am I in?
        ¿Dónde vivo? / Wo wohne ich? / In welcher Stadt wohne ich?
        Où est-ce que j'habite ? / Onde moro? / Dove abito?
    """,
    "work": """
        What do I do for work? / What do I do for a living? / What's my job? / ¿En qué trabajo? / ¿A qué me dedico?
        Was bin ich von Beruf? / Was mache ich beruflich? / Quel est mon métier ? / O que faço na vida?
        Che lavoro faccio?
    """,
    "birth": """
        When is my birthday? / When was I born? / ¿Cuándo es mi cumpleaños? / Wann habe ich Geburtstag?
        Quand est mon anniversaire ? / Quando é o meu aniversário? / Quando è il mio compleanno?
    """,
    "name": """
        What's my name? / ¿Cómo me llamo? / Wie heiße ich? / Comment je m'appelle ? / Como me chamo? / Come mi chiamo?
    """,
    "partner": """
        Who am I married to? / ¿Cómo se llama mi mujer? / Wie heißt meine Frau? / Comment s'appelle mon mari ?
    """,
    "children": "Do I have kids? / How many children do I have? / ¿Tengo hijos? / Habe ich Kinder? / Ho figli?",
    "family": """
        Tell me about my family. / Who is in my family? / Háblame de mi familia. / Was weißt du über meine Familie?
        Parle-moi de ma famille. / Fala da minha família. / Parlami della mia famiglia.
    """,
    "pets": """
        Do I have any pets? / What's the name of my dog? / ¿Tengo mascotas? / Habe ich Haustiere?
        Ai-je des animaux ?
    """,
    "origin": "Where am I from? / ¿De dónde soy? / Woher komme ich? / D'où je viens ? / De onde sou? / Di dove sono?",
    "siblings": """
        Do I have any siblings? / How many brothers do I have? / What are my sister's and brother's names?
        ¿Tengo hermanos?
        Habe ich Geschwister? / Ai-je des frères et sœurs ? / Quantos irmãos tenho? / Quanti fratelli ho?
    """,
    "diet": """
        What am I allergic to? / What foods can't I eat? / Do I have any allergies? / Am I vegan?
        ¿Cuáles son mis alergias?
        Wogegen bin ich allergisch? / Quelles sont mes allergies ? / Quais são as minhas alergias?
        Sono allergico a qualcosa?
    """,
    "languages": """
        What languages do I speak? / Do I speak any foreign languages? / What is my native language?
        ¿Qué idiomas hablo?
        Welche Sprachen spreche ich? / Quelles langues est-ce que je parle ? / Que línguas falo? / Che lingue parlo?
    """,
    "studies": """
        What did I study? / What was my major? / Where did I go to university? / ¿Qué estudié? / Was habe ich studiert?
        Qu'est-ce que j'ai étudié ? / O que estudei? / Cosa ho studiato?
    """,
    "hobbies": """
        What are my hobbies? / What do I do in my free time? / ¿Cuáles son mis aficiones? / Was sind meine Hobbys?
        Quels sont mes loisirs ? / Quais são os meus hobbies?
    """,
    "height": "How tall am I? / ¿Cuánto mido? / Wie groß bin ich?",
    "weight": "How much do I weigh? / ¿Cuánto peso? / Wie viel wiege ich?",
    "phone": "What's my phone number? / ¿Cuál es mi teléfono? / Wie ist meine Telefonnummer?",
    "mail": "What is my email? / ¿Cuál es mi correo?",
}
TELLS_NOTHING = """
    I'm 5 minutes away. / I'm 30 weeks pregnant. / I turned 90 degrees to the left. / I am better now.
    I am so tired. / I'm here, later than planned. / How old am I? / Where do I live? / Her sister moved to Bergen.
    She is 41. / El trabajo en la cocina está terminado. / Ich bin immer müde. / Ich bin sicher. / Je suis fatigué.
    O trabalho na cozinha. / Credo che il lavoro in cucina sia finito. / I call the doctor at nine.
    We talked about the number 7. / Call me later. / Same here! / This is Berlin at its best. / He moved to Kiel.
    im Mai war es warm / Bin gleich da. / Hab keine Zeit. / She speaks Dutch. / Turned out fine. / got it / Started
    raining.
"""
ASKS_NOTHING = """
    How old is the house? / Where does Ben live? / What is the job of a nurse? / ¿Dónde vive Ben?
    Wie alt ist das Haus? / What do I do if it rains? / My dog is ill. / What does my plan cost?
"""
SAID_BESIDE = (
    ("I like the old town, it is quiet.", "Me gusta el casco antiguo desde hace años.", "Ich mag die alte Stadt."),
    ("I think the work is done.", "El trabajo en la cocina está hecho.", "Die Arbeit in der Küche ist fertig."),
    ("We play live music on Fridays.", "La música en vivo es los viernes.", "Live-Musik gibt es am Freitag."),
    ("The name of the street is funny.", "El nombre de la calle es raro.", "Der Name der Straße ist komisch."),
    ("My sister gave a birthday party.", "Hubo una fiesta de cumpleaños.", "Meine Schwester feierte Geburtstag."),
)  # fmt: skip


def sentences(lines: str) -> list[str]:
    return [sentence.strip() for line in lines.strip().splitlines() for sentence in line.split(" / ")]


@pytest.mark.parametrize("kind", TOLD)
def test_a_message_tells_facts_about_its_speaker(kind: str) -> None:
    assert [text for text in sentences(TOLD[kind]) if f"=={kind}" not in facts_told(text)] == []


@pytest.mark.parametrize("kind", ASKED)
def test_a_question_asks_for_facts_about_the_asker(kind: str) -> None:
    assert [text for text in sentences(ASKED[kind]) if f"=={kind}" not in facts_asked(fold(text))] == []


def test_other_messages_tell_no_fact_and_other_questions_ask_for_none() -> None:
    told = {text: facts_told(text) for text in sentences(TELLS_NOTHING)}
    asked = {text: facts_asked(fold(text)) for text in sentences(ASKS_NOTHING)}
    assert {text: kinds for text, kinds in (told | asked).items() if kinds} == {}


def test_a_fact_beside_a_question_is_told() -> None:
    text = "I moved to Bergen. Do you know a dentist there?"
    assert facts_told(text) == ["==home"]


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("How old am I?", "I turned 41 last May."),
        ("How old am I?", "I was born in 1984."),
        ("Where do I live?", "I moved to Bergen."),
        ("What do I do for work?", "I'm a nurse."),
        ("When is my birthday?", "I was born on 3 May."),
        ("When is my birthday?", "I was born in 1984 on March 3rd."),
        ("What is my name?", "I'm Riker."),
        ("What city am I in?", "I moved to Bergen."),
        ("¿Cuántos años tengo?", "Cumplí 41 en mayo."),
        ("¿Dónde vivo?", "Me mudé a Bergen."),
        ("¿En qué trabajo?", "Soy enfermera."),
        ("¿Cuándo es mi cumpleaños?", "Nací el 3 de mayo."),
        ("Wie alt bin ich?", "Ich bin 41."),
        ("Wo wohne ich?", "Ich bin nach Bergen gezogen."),
        ("Was bin ich von Beruf?", "Ich bin Krankenschwester."),
        ("Wann habe ich Geburtstag?", "Ich bin am 3. Mai geboren."),
    ],
)
async def test_a_question_about_the_asker_finds_what_they_told_in_other_words(
    storage: SQLiteStorage, recall: RecallProvider, question: str, told: str
) -> None:
    for number, of_languages in enumerate(SAID_BESIDE):
        for place, text in enumerate(of_languages):
            await say(storage, f"{place}", *pair(text), at=NOW - timedelta(days=90 - number))
    await say(storage, "told", *pair(told), at=NOW - timedelta(days=90))
    assert (await recall.search(question, roles=["user"]))[0].text == told


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("How old is Bea?", "I turned 41 last May."),
        ("Where does Bea live?", "I moved to Bergen."),
        ("What is Bea's job?", "I'm a nurse."),
        ("Does Bea have kids?", "My son Leo is 5."),
        ("¿Dónde vive Bea?", "Me mudé a Bergen."),
        ("Wie alt ist Bea?", "Ich bin 41."),
        ("Wo wohnt Bea?", "Ich bin nach Bergen gezogen."),
    ],
)
async def test_a_question_about_a_speaker_finds_what_they_told_of_themselves(
    storage: SQLiteStorage, recall: RecallProvider, question: str, told: str
) -> None:
    said = [
        ("Ana", "I like the old town."),
        ("Bea", "We should buy a tent."),
        ("Ana", "The work is done."),
        ("Bea", told),
    ]
    for number, (name, text) in enumerate(said):
        await say(storage, f"t{number}", person(name, text), at=NOW - timedelta(days=90 - number))
    await say(
        storage, "ana", person("Ana", "I'm 30, a teacher, and I live in Oslo with my kids."), at=NOW - timedelta(days=9)
    )
    found = [memory.text for memory in await recall.search(question)]
    assert found[0] == told


def test_a_question_about_a_person_becomes_one_about_the_asker() -> None:
    assert as_asked_of_me("how old is ana maria now?", ["ana", "maria"]) == "how old am i now?"
    assert as_asked_of_me("what is bea's job?", ["bea"]) == "what is my job?"
    assert as_asked_of_me("what is the capital of peru?", ["bea"]) == "what is the capital of peru?"


async def test_of_two_facts_of_a_kind_the_newer_one_comes_first(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "old", *pair("I live in Oslo, near the opera."), at=NOW - timedelta(days=300))
    await say(storage, "new", *pair("I moved to Bergen in spring."), at=NOW - timedelta(days=3))
    found = await recall.search("Where do I live?", roles=["user"])
    assert [memory.text for memory in found] == ["I moved to Bergen in spring.", "I live in Oslo, near the opera."]


async def test_a_fact_leaves_the_index_with_its_message(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "told", *pair("I turned 41 last May."), turn_id="age")
    await say(storage, "told", *pair("I moved to Bergen."))
    assert await recall.search("How old am I?", roles=["user"])
    assert await recall.forget(thread="told", turn="age") == 2
    assert await recall.search("How old am I?", roles=["user"]) == []
    assert await recall.search("Where do I live?", roles=["user"])


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("Tell me about my family", "My wife is called Ana."),
        ("Ben kimim?", "Benim adım Ayşe."),
        ("Benim hakkımda ne biliyorsun?", "Benim adım Ayşe."),
        ("Что ты знаешь обо мне?", "Меня зовут Олег."),
        ("Co o mnie wiesz?", "Nazywam się Piotr."),
        ("Wat weet je over mij?", "Ik heet Joost."),
        ("Vad vet du om mig?", "Jag heter Lars."),
        ("私について何を知っていますか?", "私の名前は健太です。"),
        ("你知道我什么?", "我叫李明。"),
        ("저에 대해 무엇을 알고 있나요?", "저는 김민수이고 부산에 살아요."),
        ("ماذا تعرف عني؟", "اسمي عمر."),
    ],
)
async def test_a_question_about_all_of_the_asker_finds_who_they_are(
    storage: SQLiteStorage, recall: RecallProvider, question: str, told: str
) -> None:
    await say(storage, "before", *pair("The weather was fine."), at=NOW - timedelta(days=3))
    await say(storage, "told", *pair(told), at=NOW - timedelta(days=2))
    await say(storage, "after", *pair("I had soup for lunch."), at=NOW - timedelta(days=1))
    assert (await recall.search(question, roles=["user"]))[0].text == told


def test_a_sentence_without_its_subject_tells_a_fact_also_behind_another_sentence() -> None:
    assert facts_told("so tired lol. just moved to Kiel for work!") == ["==home"]
    assert facts_told("Was für ein Tag. Bin gestern 28 geworden") == ["==age"]
    assert facts_told("She has just moved to Kiel.") == []
