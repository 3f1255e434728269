"""What a search finds first: words and their forms, languages, speakers, times, exchanges, roles."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recuerda import ChatMessage
from recuerda.errors import InvalidInput
from recuerda.recall import RecallProvider
from recuerda.recall.index import CandidateQuery
from recuerda.sqlite import SQLiteStorage
from recuerda.storage import ThreadPage
from tests.recall.talking import NOW, pair, person, say


async def first(recall: RecallProvider, query: str) -> str:
    return (await recall.search(query))[0].text


@pytest.fixture
async def friends(storage: SQLiteStorage) -> SQLiteStorage:
    """Two people over some weeks; what is asked for is said once, much else is near it."""
    talks = {
        datetime(2026, 3, 2, tzinfo=UTC): [
            person("Ana", "Hey Ben! How was the weekend?"),
            person("Ben", "Great, I bought a canoe and took it to the lake."),
            person("Ana", "Wow! What colour is it?"),
            person("Ben", "Bright orange, nobody can miss me."),
            person("Ana", "I stayed in and repaired my old bicycle."),
        ],
        datetime(2026, 4, 11, tzinfo=UTC): [
            person("Ben", "What are you doing next month?"),
            person("Ana", "I'm running a marathon in Lisbon with my sister."),
            person("Ben", "I ran one years ago. Never again!"),
            person("Ana", "My children think that it is a silly idea."),
        ],
        datetime(2026, 5, 19, tzinfo=UTC): [
            person("Ana", "The race went well, I finished in four hours."),
            person("Ben", "Congratulations! I started a pottery class yesterday."),
            person("Ana", "Do you like the teacher?"),
            person("Ben", "She is strict, but funny."),
        ],
    }
    for number, (day, messages) in enumerate(talks.items()):
        for place, message in enumerate(messages):
            await say(storage, f"talk {number}", message, at=day + timedelta(minutes=place))
    return storage


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What did Ben buy?", "Great, I bought a canoe and took it to the lake."),
        ("What colour is Ben's canoe?", "Bright orange, nobody can miss me."),
        ("Who repairs bikes or bicycles?", "I stayed in and repaired my old bicycle."),
        ("Where will Ana run?", "I'm running a marathon in Lisbon with my sister."),
        ("Which of them, Ben, ran a marathon?", "I ran one years ago. Never again!"),
        ("What do Ana's kids think?", "My children think that it is a silly idea."),
        ("When did Ben start pottery?", "Congratulations! I started a pottery class yesterday."),
        ("What is the pottery teacher like?", "She is strict, but funny."),
    ],
)
async def test_a_question_finds_its_answer_among_the_first_three(
    friends: SQLiteStorage, recall: RecallProvider, question: str, answer: str
) -> None:
    assert answer in [memory.text for memory in await recall.search(question, limit=3)]


@pytest.mark.parametrize("question", ["What did they say in March?", "Was wurde am 2 march 2026 gesagt?", "2026-03-02"])
async def test_a_date_finds_what_was_said_then(friends: SQLiteStorage, recall: RecallProvider, question: str) -> None:
    found = await recall.search(question, limit=3)
    assert {memory.created_at.date() for memory in found} <= {datetime(2026, 3, 2, tzinfo=UTC).date()}


@pytest.mark.parametrize("question", ["What happened yesterday?", "¿Qué pasó ayer?", "yesterday"])
async def test_yesterday_is_relative_to_the_clock(
    friends: SQLiteStorage, recall: RecallProvider, question: str
) -> None:
    found = await recall.search(question)
    assert {memory.thread_id for memory in found[:4]} == {"talk 2"}


SPANISH = (
    "Mi hermana se llama Begoña y vive en Cádiz.",
    "Compré dos bicicletas rojas para mis hijos.",
    "El médico me dijo que soy alérgica a las nueces.",
    "Estuvimos trabajando en el jardín todo el sábado.",
    "Las canciones de cuna me dan sueño.",
)


@pytest.mark.parametrize(
    ("question", "number"),
    [
        ("¿Dónde vive mi hermana?", 0),
        ("donde vive begona", 0),
        ("¿Cuándo compramos la bicicleta roja?", 1),
        ("¿A qué tengo alergia? ¿A las nueces o a la nuez?", 2),
        ("¿Trabajamos en los jardines?", 3),
        ("¿Qué canción me gusta?", 4),
        ("Where is Cadiz?", 0),
    ],
)
async def test_questions_in_spanish_find_other_forms_with_and_without_accents(
    storage: SQLiteStorage, recall: RecallProvider, question: str, number: int
) -> None:
    for text in SPANISH:
        await say(storage, "uno", *pair(text, "Entendido, lo tendré en cuenta."))
    assert await first(recall, question) == SPANISH[number]


async def test_the_rare_words_are_those_of_the_user_s_own_memories(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    # For others "garden" is on everybody's lips; for ana it is what tells her memories apart.
    for number in range(40):
        await say(storage, f"ben's {number}", ChatMessage("user", "The garden of the garden."), user="ben")
    for number in range(8):
        await say(storage, "one", ChatMessage("user", f"We talked about the budget, item {number}."))
    await say(storage, "two", ChatMessage("user", "We talked in the garden."))
    assert await first(recall, "budget in the garden") == "We talked in the garden."


async def test_times_and_roles_narrow_a_search(friends: SQLiteStorage, recall: RecallProvider) -> None:
    april = datetime(2026, 4, 1, tzinfo=UTC)
    assert {m.thread_id for m in await recall.search("Ben bought a marathon canoe class", before=april)} == {"talk 0"}
    assert "talk 0" not in {m.thread_id for m in await recall.search("canoe marathon class", after=april)}
    await say(friends, "chat", *pair("Recommend a canoe.", "The canoe Prospector is a classic."), at=NOW)
    assert [m.text for m in await recall.search("canoe", roles=["assistant"])] == ["The canoe Prospector is a classic."]


async def test_a_search_is_told_plainly(recall: RecallProvider) -> None:
    with pytest.raises(InvalidInput, match="time zone"):
        await recall.search("canoe", before=datetime(2026, 4, 1))  # noqa: DTZ001 - wrong on purpose
    with pytest.raises(InvalidInput, match="roles user and assistant"):
        await recall.search("canoe", roles=["tool"])
    with pytest.raises(InvalidInput, match="limit"):
        await recall.search("canoe", limit=0)


async def test_a_limit_is_kept_and_scores_fall(friends: SQLiteStorage, recall: RecallProvider) -> None:
    found = await recall.search("canoe marathon pottery class", limit=5)
    assert len(found) == 5
    scores = [memory.score for memory in found]
    assert scores == sorted(scores, reverse=True)


async def test_a_common_word_among_thousands_does_not_hide_a_rare_one(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    from tests.recall.talking import say_all

    day = datetime(2026, 1, 1, tzinfo=UTC)
    await say_all(storage, "log", [[ChatMessage("user", f"report {n}: all machines fine")] for n in range(1_500)], day)
    await say(storage, "other", ChatMessage("user", "The report of the fine machines mentions a leak."))
    assert await first(recall, "Which report of the machines mentions a leak?") == (
        "The report of the fine machines mentions a leak."
    )


async def test_a_question_is_found_before_behind_and_within_a_long_paste(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "one", *pair("My dentist is called Okafor, near the harbour."))
    log = "\n".join(f"2026-05-20 10:{number:02d}:00 INFO worker {number} heartbeat accepted" for number in range(60))
    for question in (f"Who is my dentist?\n{log}", f"{log}\nWho is my dentist?", f"{log}\nOkafor said so.\n{log}"):
        assert [memory.text for memory in await recall.search(question)][:1] == [
            "My dentist is called Okafor, near the harbour."
        ]


async def test_a_speakers_name_alone_finds_what_they_said_and_what_was_said_of_them(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    said = [("Ana", "I lent Ben my drill."), ("Ben", "The boat leaves at nine."), ("Ana", "We need a tent.")]
    for number, (name, text) in enumerate(said):
        await say(storage, f"t{number}", person(name, text))
    for question in ("What did Ben say?", "Ben", "¿Qué dijo Ben?"):
        found = [memory.text for memory in await recall.search(question)]
        assert set(found) == {"I lent Ben my drill.", "The boat leaves at nine."}, question


async def test_a_named_speaker_with_an_unknown_word_finds_what_is_known_of_them(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "t1", person("Ana", "I lent Ben my drill."))
    await say(storage, "t2", person("Ben", "The boat leaves at nine."))
    await say(storage, "t3", person("Ana", "We need a tent."))
    question = "What does Ben think about xylophones?"
    found = [memory.text for memory in await recall.search(question)]
    assert found[0] == "The boat leaves at nine."
    assert "We need a tent." not in found
    assert await recall.search(question, min_relevance=0.3) == []
    assert await recall.search("What does Zoe think about xylophones?") == []


async def test_a_question_about_the_asker_finds_what_they_told_of_themselves(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    for number, text in enumerate(("I am a carpenter.", "The weather is fine.", "My sister lives in Bergen.")):
        await say(storage, f"t{number}", *pair(text))
    for question in ("Who am I?", "What do you know about me?", "¿Quién soy yo?"):
        found = {memory.text for memory in await recall.search(question, roles=["user"])}
        assert found == {"I am a carpenter.", "My sister lives in Bergen."}, question
    assert await recall.search("And then?") == []


async def test_what_users_said_of_who_they_are_is_found_first(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "first", *pair("I am a nurse and I have two kids."))
    for number in range(300):
        await say(storage, f"t{number}", *pair(f"We watched film {number} and I cleaned kitchen {number}."))
    for question in ("Who am I?", "What do you remember about me?", "Describe me.", "Wer bin ich?"):
        found = await recall.search(question, limit=3)
        assert found[0].text == "I am a nurse and I have two kids.", question


async def test_what_corrects_an_older_statement_is_found_before_it(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    said = {
        "work": ("I work at Siemens.", "I quit Siemens and work at Bosch."),
        "doctor": ("My doctor is Dr. Weber.", "Actually, my doctor is Dr. Lang, not Dr. Weber."),
        "wohne": ("Ich wohne in Bern.", "Ich wohne nicht mehr in Bern, ich wohne in Basel."),
    }
    for word, texts in said.items():
        for number, text in enumerate(texts):
            await say(storage, f"{word}{number}", *pair(text), at=NOW - timedelta(days=200 - 100 * number))
    for question, word in (("Where do I work?", "work"), ("Who is my doctor?", "doctor"), ("Wo wohne ich?", "wohne")):
        assert (await recall.search(question, limit=2))[0].text == said[word][1], question


async def test_what_was_told_once_is_found_among_questions_that_repeat_the_query(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "told", *pair("My locker code at the gym is 4471."))
    for number in range(12):
        await say(storage, f"t{number}", *pair("What's my locker code at the gym?", "No idea."))
    found = [memory.text for memory in await recall.search("What is my locker code at the gym?")]
    assert found[0] == "My locker code at the gym is 4471."
    assert not [text for text in found if text.endswith("?")]
    assert found.count("No idea.") <= 1


async def test_a_reply_comes_in_place_of_a_question_that_repeats_the_query(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "told", *pair("What is the wifi password?", "It is trombone77."))
    await say(storage, "other", *pair("My password manager is fine.", "Good."))
    assert (await recall.search("wifi password?"))[0].text == "It is trombone77."


async def test_equal_messages_are_found_once(storage: SQLiteStorage, recall: RecallProvider) -> None:
    for number, text in enumerate(
        ("The boat leaves at nine.", "the boat leaves at NINE!", "Boat leaves at nine", "The boat leaves at ten.")
    ):
        await say(storage, f"t{number}", *pair(text))
    await say(storage, "t9", ChatMessage("assistant", "The boat leaves at nine."))
    found = [memory.text for memory in await recall.search("When does the boat leave?", limit=3)]
    assert len(found) == 3
    assert "The boat leaves at ten." in found
    assert "The boat leaves at nine." in found


async def test_the_newer_of_two_statements_that_fit_equally_well_comes_first(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    for number, town in enumerate(("Bergen", "Oslo")):
        await say(storage, f"t{number}", *pair(f"I live in {town}."), at=NOW - timedelta(days=30 * (number + 1)))
    assert await first(recall, "Where do I live?") == "I live in Bergen."


async def test_the_statement_with_a_time_or_a_name_comes_before_an_equal_one(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    for number, text in enumerate(
        ("My sister moved to Bergen happily.", "My sister moved last week.", "My sister moved home happily.")
    ):
        await say(storage, f"t{number}", person("Ben", text), at=NOW - timedelta(days=9 - number))
    found = [memory.text for memory in await recall.search("my sister moved")]
    assert found[-1] == "My sister moved home happily."


async def test_a_time_and_a_name_tell_less_in_what_a_user_says_to_an_assistant(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    text = "My sister moved to Bergen last week."
    await say(storage, "assistant", *pair(text), at=NOW)
    await say(storage, "people", person("Ben", text + " Happily."), at=NOW)
    factors = {
        (report.memory.thread_id, part.reason): part.factor
        for report in await recall.explain("my sister moved", roles=["user"])
        for part in report.parts
        if part.reason in ("time", "name")
    }
    assert factors == {
        (thread, reason): pytest.approx(factor)
        for thread, factor in (("assistant", 1.1), ("people", 1.3))
        for reason in ("time", "name")
    }


async def test_the_storage_and_the_index_are_read_at_once(
    storage: SQLiteStorage, recall: RecallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    await say(storage, "talk", person("Ana", "A lantern."))
    await recall.search("lantern")
    listed, read = storage.list_threads, recall._of().index.overview  # pyright: ignore[reportPrivateUsage]
    is_listing = asyncio.Event()

    async def list_threads(**wanted: Any) -> ThreadPage:
        is_listing.set()
        return await listed(**wanted)

    async def overview(*wanted: Any) -> Any:
        await is_listing.wait()
        return await read(*wanted)

    monkeypatch.setattr(storage, "list_threads", list_threads)
    monkeypatch.setattr(recall._of().index, "overview", overview)  # pyright: ignore[reportPrivateUsage]
    await say(storage, "new", person("Ana", "My lantern broke."))
    async with asyncio.timeout(10):
        assert len(await recall.search("lantern")) == 2


async def test_only_the_best_documents_come_with_their_neighbours(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    for number, text in enumerate(["A lantern.", "A lantern, a lantern!", "My lantern: lantern, lantern."]):
        for place, said in enumerate(["Good morning.", "It rains.", text, "It is late.", "Good night."]):
            await say(storage, f"talk {number}", person("Ana", said), at=NOW + timedelta(days=number, hours=place))
    await recall.search("lantern")
    index = recall._of().index  # pyright: ignore[reportPrivateUsage] - to look into it without a ranking
    second = int((NOW + timedelta(days=1)).timestamp()) * 1_000_000
    day = (second, second + 24 * 3600 * 1_000_000)

    async def found(query: CandidateQuery) -> list[str]:
        documents = await index.documents(list((await index.candidates(query)).found))
        return sorted(f"{one.thread_id[-1]} {one.text}" for one in documents.values())

    def words(*neighbours: int) -> CandidateQuery:
        return CandidateQuery(scope="user:ana", terms=("lantern",), neighbours=neighbours)

    alone = ["0 A lantern.", "1 A lantern, a lantern!", "2 My lantern: lantern, lantern."]
    assert await found(words()) == alone
    assert await found(words(1)) == sorted([*alone, "2 It rains.", "2 It is late."])
    assert len(await found(words(60))) == 9
    beside = ["1 It is late.", "1 It rains.", "2 It is late.", "2 It rains."]
    assert await found(words(2, 1)) == sorted([*alone, *beside, "2 Good morning.", "2 Good night."])
    within = CandidateQuery(scope="user:ana", terms=(), periods=(day,), limit=2, neighbours=())
    assert await found(within) == ["1 Good night.", "1 It is late."]
    within = CandidateQuery(scope="user:ana", terms=(), periods=(day,), limit=1, neighbours=(1, 1))
    assert await found(within) == ["1 A lantern, a lantern!", "1 Good night.", "1 It is late."]
