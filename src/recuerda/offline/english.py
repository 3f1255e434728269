"""The English table of the offline client."""

from __future__ import annotations

import re

from recuerda.offline.language import Language, rule, words

_I = r"(?:i|(?:the )?user)\s+"
_I_AM = r"(?:i\s+am|i['\u2019]?m|(?:the )?user is)\s+"
_MY = r"(?P<my>my|(?:the )?user['\u2019]s)\s+"
_CAPITALISED = r"[^\W\d_a-z][^\s,]*"

ENGLISH = Language(
    code="en",
    words=words(
        "the my is i im am are you what where who how old your do does did hello hi and name know remember please "
        "tell about live in of that it this have can would thanks"
    ),
    opener=re.compile(
        r"(?:(?P<fix>no|actually|sorry|correction|i mean|wait)(?:[,:]?\s+|[,:])"
        r"|(?P<note>(?:please\s+)?(?:remember|note|keep in mind"
        r"|do not forget|don['\u2019]t forget)(?:\s+that\b|:)?)[,:]?\s+"
        r"|(?:hi|hello|hey|well|ok|okay|so|and|but|also|now|yes|please|by the way)(?:[,:]\s*|\s+)|\d{1,3}[.)]\s+)?",
        re.IGNORECASE,
    ),
    rules=(
        rule("name", _MY + r"name(?:\s+is|['\u2019]s)\s+(?:now\s+)?(?P<value>.+)"),
        rule("name", r"(?:(?:please\s+)?call me|name is|i['\u2019]?m called|i am called)\s+(?P<value>.+)"),
        rule("age", _I_AM + r"(?P<value>\d{1,3})(?:\s+years?(?:\s+old)?)?$"),
        rule("origin", rf"(?:{_I_AM}from|{_I}comes? from)\s+(?P<value>.+)"),
        rule(
            "place",
            rf"(?:{_I}(?:now\s+)?lives?|{_I}moved|{_I_AM}living|lives?)\s+(?:now\s+)?(?P<value>(?:in|at|on|near)\s+.+)",
        ),
        rule("place", _I + r"(?:have\s+)?(?:just\s+)?moved to\s+(?P<value>.+)", before="in "),
        rule("role", rf"(?:{_I}works?|{_I_AM}working|works?) as\s+(?P<value>.+)"),
        rule("workplace", rf"(?:{_I}works?|{_I_AM}working|works?)\s+(?P<value>(?:at|for|in|with)\s+.+)"),
        rule("allergy", rf"(?:{_I_AM}|am )allergic to\s+(?P<value>.+)"),
        rule("likes", rf"(?:{_I}(?:really\s+)?(?:likes?|loves?|prefers?|enjoys?)|like|love)\s+(?P<value>.+)"),
        rule("role", rf"(?:{_I_AM}|am )(?P<value>(?:an?|the)\s+(?!bit\b|little\b|fan\b|big fan\b).+)"),
        rule(
            "name",
            rf"(?i:{_I_AM})(?P<value>{_CAPITALISED}(?:\s+{_CAPITALISED}){{0,3}})(?:\s+(?:from|in)\s.*)?$",
            is_weak=True,
            is_exact=True,
        ),
        rule("my", _MY + r"(?P<thing>[^,:]{1,60}?)\s+(?P<value>(?:is|are)\s+.+)"),
    ),
    kinds={
        "job": "role",
        "role": "role",
        "profession": "role",
        "occupation": "role",
        "age": "age",
        "city": "place",
        "home": "place",
        "hometown": "origin",
        "workplace": "workplace",
    },
    possessives={"my": "Your", "user's": "Your", "the user's": "Your"},
    questions={
        "name": re.compile(r"\b(?:my name|who (?:am i|i am)|(?:am i|i am|i'm) called|you call me)\b"),
        "age": re.compile(r"\b(?:my age|how old (?:am i|i am|i'm)|old am i)\b"),
        "place": re.compile(r"\b(?:i (?:\w{1,12} ){0,2}live|my (?:city|home|address)|am i living|i'm living)\b"),
        "origin": re.compile(r"\b(?:(?:am i|i am|i'm|i come|do i come) from|my hometown)\b"),
        "workplace": re.compile(r"\b(?:where (?:do )?i work|who (?:do )?i work for|my (?:workplace|employer))\b"),
        "role": re.compile(r"\b(?:my (?:job|role|profession|occupation)|what (?:do i do|i do|work do i)|what am i$)"),
        "allergy": re.compile(r"\ballerg(?:ic|y|ies)\b"),
        "likes": re.compile(r"\b(?:do i|i) (?:like|love|prefer|enjoy)\b"),
    },
    everything=re.compile(
        r"\b(?:know|remember|learn(?:ed|t)?) (?:about|of) me\b|\b(?:have i told|did i tell|i told) you\b"
        r"|\bdo you (?:remember|know) me$|\bwhat do you (?:remember|know)$|\beverything\b"
    ),
    known={
        "name": "Your name is {}.",
        "age": "You are {} years old.",
        "place": "You live {}.",
        "origin": "You are from {}.",
        "workplace": "You work {}.",
        "role": "You are {}.",
        "allergy": "You are allergic to {}.",
        "likes": "You like {}.",
        "note": "You asked me to remember: {}.",
    },
    unknown={
        "name": "I do not know your name",
        "age": "I do not know how old you are",
        "place": "I do not know where you live",
        "origin": "I do not know where you are from",
        "workplace": "I do not know where you work",
        "role": "I do not know what you do",
        "allergy": "I do not know of any allergy",
        "likes": "I do not know what you like",
        "thing": "I do not know that",
    },
    unknown_ending=": nothing that I was sent says it.",
    thing=re.compile(r"\b(?:what|which|who|where|when|how)\b.{1,40}\bmy \w"),
    noted="Noted.",
    nothing="I know nothing about you: nothing that I was sent says anything.",
    stand_in=(
        "I am recuerda's offline stand-in, not a language model; I can only repeat what you tell me about yourself. "
        'Try "My name is …" and then "What is my name?"'
    ),
)
