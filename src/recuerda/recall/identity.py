"""Sentences in which people say who they are: "I am a nurse", "Me llamo Ana", "Ich wohne in Bern".

Most messages have "I" or "my" somewhere. A question such as "Who am I?" asks for the few that tell a name, a job, a
home, a family, an age or a trait. They are recognized by fixed phrases.
"""

from __future__ import annotations

import re

_END = 1_000
_WORDS = r"""
    i(?:'m| am) (?:also )?(?:an? |the |from |originally |based |called |named |\d+\b|married|single|divorced|widowed)
    i(?:'m| am) (?:engaged|retired|pregnant|vegan|vegetarian|allergic|diabetic|gay|lesbian|deaf|blind|left-handed)\b
    my name(?:'s| is)\b
    i (?:live|work|was born|grew up|come from|study|teach|speak|play|suffer from|moved to)\b
    i(?:'ve| have)(?: got)? (?:an?|no|one|two|three|four|five|\d+) (?:\w+ )?(?:wife|husband|kids?|child(?:ren)?|sons?)\b
    i(?:'ve| have)(?: got)? (?:an?|no|one|two|three|four|five|\d+) (?:\w+ )?(?:daughter|brother|sister|cat|dog)s?\b
    my (?:wife|husband|partner|girlfriend|boyfriend|fiancee?|daughters?|sons?|kids?|children)(?:'s name)? (?:is|are)\b
    my (?:birthday|profession|job|occupation|hobby|hobbies|nationality|pronouns|mother tongue|hometown|age) (?:is|are)\b
    me llamo\b|mi nombre es\b|soy\b|vivo en\b|trabajo (?:en|como|de)\b|naci en\b
    tengo \w+ (?:anos|hij[oa]s?|herman[oa]s?)\b
    me chamo\b|chamo-me\b|meu nome e\b|sou\b|moro em\b|vivo em\b|trabalho (?:em|como|na|no)\b|nasci em\b
    tenho \w+ (?:anos|filh[oa]s?)\b
    mi chiamo\b|il mio nome e\b|vivo a\b|abito\b|lavoro (?:a|in|come|da|per)\b|ho \w+ (?:anni|figl[io]|fratelli)\b
    sono (?:un|una|di|nat[oa]|sposat[oa]|allergic[oa]|vegetarian[oa])\b
    ich bin (?:\d+|eine?|der|die|aus|von beruf|verheiratet|ledig|allergisch|\w+(?:er|erin|arzt|mann|frau))\b
    ich (?:heiss?e|wohne|arbeite|lebe|komme aus|habe \w+ (?:kinder|kind|sohne?|tochter|geschwister))\b
    mein name ist\b
    ik (?:ben (?:een|\d+|getrouwd|allergisch|vegetarier|veganist)|heet|woon|werk|kom uit|heb \w+ kinderen)\b
    mijn naam is\b
    je m'appelle\b|mon nom est\b|j'habite\b|je vis\b|je travaille\b|j'ai \w+ (?:ans|enfants?|fils|filles?)\b
    je suis (?:une? |nee? |mariee?\b|celibataire|allergique|vegetarien|vegan|de |d')
    je suis \w+(?:eur|euse|ien|ienne|iste|er|iere)\b
    jag (?:heter|bor|jobbar|arbetar|kommer fran|ar (?:en|ett|fran|gift|allergisk|\d+))\b
    jeg (?:heter|hedder|bor|jobber|arbejder|kommer fra|er (?:en|et|fra|gift|allergisk|\d+))\b
    nimeni on\b|asun\b|tyoskentelen\b|olen kotoisin\b
    nazywam sie\b|mam na imie\b|jestem\b|mieszkam\b|pracuje\b|mam \w+ (?:lat|dzieci)\b
    jmenuji se\b|bydlim\b|pracuji\b
    меня зовут\b|я живу\b|я работаю\b|мне \w+ (?:лет|год|года)\b|я родил(?:ся|ась)\b|я по профессии\b
    мене звати\b|я працюю\b
    adim\b|benim adim\b|yasiyorum\b|oturuyorum\b|calisiyorum\b
    nama saya\b|saya (?:tinggal|bekerja|adalah|berasal)\b
"""
_CHARACTERS = r"""
    اسمي|اعمل|اعيش|اسكن|عمري
    我叫|我是|我住|我姓|我今年|我来自|我的名字|我在.{1,12}(?:工作|上班)
    (?:私は|僕は|俺は|私の名前).{1,30}(?:です|ます)|と申します
    (?:제|내) 이름은|저는 .{1,30}(?:입니다|이에요|예요|살아요|살고|일해요|다녀요)
"""


def _any_of(lines: str) -> str:
    return "|".join(line.strip() for line in lines.strip().splitlines())


# Each alternative begins with a letter, so most places of a text are passed quickly.
_IN_WORDS = re.compile(rf"\b(?:{_any_of(_WORDS)})")
_IN_CHARACTERS = re.compile(_any_of(_CHARACTERS))


def is_identity(folded: str) -> bool:
    """Return True if a folded text says who its speaker is. Only its beginning is looked at."""
    text = folded[:_END]
    return bool(_IN_WORDS.search(text)) or (not text.isascii() and bool(_IN_CHARACTERS.search(text)))
