"""The words of standing instructions and preferences, by language.

The words are folded, and each value is a regular expression. `standing.py` says how they go together.
"""

from __future__ import annotations

ORDERS: dict[str, str] = {
    "en": (
        "answer|reply|respond|write|use|speak|talk|give|show|add|include|avoid|keep|be|make|send|put|end|start|begin|finish|"
        "format|explain|translate|convert|mention|remind|tell|suggest|recommend|assume|treat|check|double-check|cite|"
        "list|provide|limit|skip|leave|omit|stick|drop|sign|refer|remember|consider|don't|dont|do not|never|"
        "always|let's (?:stick|use|keep|speak|talk|write|switch)|"
        "spell|summari[sz]e|shorten|round|quote|name|state|note|say|code|stop|quit|switch|ignore|follow|offer|propose|"
        "generate|output|test|sort|rank|label|highlight|warn|confirm|verify|prioriti[sz]e|focus|act|apologi[sz]e|ask|"
        "address|call|default to|prefer|draft|round|respect|stay|point out|spare"
    ),
    "es": (
        "(?:contest|us|utili[zc]|habl|expli(?:c|qu)|m[uo]e?str|mencion|cit|revis|compr(?:ob|ueb)|confirm|pregunt|avis|"
        "empie[zc]|termin|evit|adapt|trat|llam|mand|indi(?:c|qu)|calcul|agregu?|limit|dej|recomiend|recomend|aconsej|"
        "recuerd|consider|verifi(?:c|qu)|respond|escrib|resum|anad|ofre(?:c|zc)|tradu(?:c|zc)|propong|incluy|sugier|"
        "convi?ert|pong|hag|dig)(?:[ae]s?|an|[aei]r)(?:me|nos|le)?|pon(?:me)?|haz(?:me)?|di(?:me)?|da(?:me)?|"
        "deme|des|ten|"
        "tenga|propon|manten|se (?:breve|claro|directo|conciso)"
    ),
    "de": (
        "(?:antwort|schreib|benutz|verwend|nutz|erklar|red|sag|frag|denk|mach|formulier|zeig|nenn|rechn|vermeid|"
        "lass|halt|"
        "fass|fug|setz|beginn|liefer|berucksichtig|beacht|konvertier|ubersetz|siez|duz|verzicht|such|stell|bleib|"
        "erwahn|"
        "kurz|beschrank|orientier|kommentier)(?:en?)?|sprich|sprechen|gib|geben|nimm|nehmen|sei|seien|empfiehl|schlag"
    ),
    "fr": (
        "repondre|utiliser|ecrire|indiquer|repond(?:s|ez)|ecri(?:s|vez)|(?:n')?utilisez?|parlez?|donnez?|"
        "expliquez?|fai(?:s|tes)|di(?:s|tes)|mets|mettez|"
        "demandez?|verifiez?|evitez?|ajoutez?|inclu(?:s|ez)|indiquez?|citez?|commencez?|terminez?|proposez?|"
        "converti(?:s|ssez)|tradui(?:s|sez)|montrez?|gardez?|arretez?|sois|soyez|tutoie|vouvoie|suggere|limitez?|"
        "precisez?|mentionnez?"
    ),
    "pt": (
        "respond(?:[ae]|er)|escrev(?:[ae]|er)|us(?:[ae]|ar)|fal(?:[ae]|ar)|expli(?:ca|que)|pergunt[ae]|"
        "utiliz[ae]|mostr[ae]|de-me|da-me|me de|"
        "inclu[ia]|inclua|adicion[ae]|evit[ae]|cit[ae]|mencion[ae]|convert[ae]|tradu[zc]a?|trat[ae]|comec[ae]|"
        "termin[ae]|"
        "seja|mantenha|sugira|recomend[ae]|indi(?:ca|que)|diga|ponha|faca"
    ),
    "it": (
        "rispond(?:i(?:mi)?|a|ere)|scriv(?:i(?:mi)?|a|ere)|us(?:[ai]|are)|utilizz(?:[ai]|are)|parl[ai](?:mi)?|"
        "spieg[a](?:mi)?|dammi|dimmi|"
        "mostra(?:mi)?|includi|aggiungi|evita|cita|converti|traduci|inizia|comincia|termina|proponi(?:mi)?|"
        "suggerisci(?:mi)?|consiglia(?:mi)?|fai|fammi|metti|sii|tieni|indica|controlla|verifica"
    ),
    "nl": (
        "antwoord|schrijf|gebruik|spreek|praat|geef|zeg|noem|leg|vermijd|voeg|vermeld|begin|eindig|houd?|wees|zet|toon|"
        "laat|vertaal|reken|stel"
    ),
    "scandinavian": (
        "svara?|skriv|anvand|bruk|brug|prata|snakk?|tal|ge|gi|giv|forklara?|undvik|unnga|undga|lagg|legg|tilfoj|borja|"
        "begynd|avsluta|hall|hold|visa?|ange|oppgi|angiv|inkludera?"
    ),
    "ru": (
        "(?:отвеча|использу|дава|добавля|указыва|объясня|называ|избега|предлага|показыва|начина|заканчива|спрашива|"
        "учитыва|проверя|счита|упомина|дела|рекоменду|приду(?:мыва))й(?:те)?|(?:пиш|говор|перевод|привод|ответ|помн)"
        "(?:и|ь)(?:те)?|обращай(?:ся|тесь)|пользуй(?:ся|тесь)|будь(?:те)?|ставь(?:те)?"
    ),
    "pl": (
        "(?:odpowiadaj|pisz|uzywaj|mow|podawaj|dodawaj|wyjasniaj|nazywaj|zwracaj|unikaj|proponuj|pokazuj|"
        "zaczynaj|koncz|"
        "pytaj|sprawdzaj|licz|tlumacz|badz|stosuj|polecaj)(?:cie)?"
    ),
    "tr": "(?:yaz|kullan|ver|konus|yanitla|cevapla|belirt|ekle|goster|acikla|oner)(?:in|iniz|ma|me|mayin|meyin)?",
    "ar": "اجب|اجيب|استخدم|اكتب|تحدث|رد|خاطبني|اعطني|اذكر|لا تستخدم|لا تذكر|اضف",
}
"""Orders to an assistant: verbs of speaking, writing and choosing in the imperative."""

LASTING: dict[str, str] = {
    "now today tomorrow here point moment forward henceforth onwards": (
        r"from (?:now|here|today|this point|this moment) on(?:wards?)?|from (?:today|tomorrow)|(?:going|"
        r"moving) forward|henceforth"
    ),
    "default future time times notice rule rest everywhere uberall partout ovunque overal partes": (
        r"by default|everywhere|uberall|partout|ovunque|overal|en todas partes|in (?:the )?future|(?:every|"
        r"each) time|at all times|until further notice|as a rule|"
        r"for the rest of (?:this|our|the) (?:chat|conversation)"
    ),
    "all every each any": (
        r"(?:in|for|on|off|to|under) (?:all|every|each|any)(?: of)?(?: (?:your|my|our|the|these|future|further|next))* "
        r"(?:repl|answer|response|message|chat|conversation|question|request|explanation|email|recipe|code)\w*"
    ),
    "ahora hoy ya adelante futuro defecto sucesivo respuestas vez": (
        r"a partir de (?:ahora|hoy|este momento|ya)|(?:de|desde) (?:ahora|hoy|aqui) en (?:adelante|mas)|"
        r"desde (?:ahora|hoy|ya)|en adelante|en (?:el )?futuro|por defecto|en lo sucesivo|"
        r"en (?:todas )?(?:tus|las) (?:proximas )?respuestas|cada vez"
    ),
    "jetzt sofort heute nun hier zukunft kunftig zukunftig fortan jedes standardmassig grundsatzlich antwort": (
        r"ab (?:jetzt|sofort|heute|nun)|von (?:nun|jetzt|heute|hier) an|in zukunft|(?:zu)?kunftig|fortan|jedes ?mal|"
        r"standardmassig|grundsatzlich|in jeder (?:\w+ )?antwort"
    ),
    "antworten generell": r"in (?:allen|deinen|ihren|zukunftigen) (?:\w+ )?antworten|generell",
    "desormais dorenavant avenir partir defaut reponses chaque": (
        r"desormais|dorenavant|a l'avenir|a partir (?:de (?:maintenant|ce moment|agora|hoje)|d'aujourd'hui)|par defaut|"
        r"dans (?:toutes )?(?:tes|vos) (?:prochaines )?reponses|a chaque fois"
    ),
    "diante frente doravante padrao respostas": (
        r"de (?:agora|hoje) em diante|daqui (?:em diante|(?:para|pra)(?: a)? frente)|doravante|por (?:padrao|defeito)|"
        r"em todas as (?:suas |tuas )?respostas"
    ),
    "poi avanti risposte volta": (
        r"d'ora in (?:poi|avanti)|da (?:ora|adesso|oggi) in (?:poi|avanti)|in tutte le (?:tue )?risposte|ogni volta"
    ),
    "nu vandaag voortaan vervolg standaard toekomst": (
        r"vanaf (?:nu|vandaag)|voortaan|in het vervolg|standaard|in de toekomst|van nu af aan|fran och med nu|fra nu af"
    ),
    "hadanefter fortsattningen fremover heretter na fremtiden framtiden standard": (
        r"hadanefter|i fortsattningen|fremover|heretter|fra na av|i (?:fremtiden|framtiden)|som standard"
    ),
    "этого отныне впредь дальнейшем будущем будущее умолчанию сегодняшнего": (
        r"с этого (?:момента|дня)|отныне|впредь|в дальнейшем|в будущем|по умолчанию|на будущее|с сегодняшнего дня"
    ),
    "teraz dzis dzisiaj przyszlosc przyszlosci domyslnie odtad": (
        r"od (?:teraz|dzis|dzisiaj)|na przyszlosc|w przyszlosci|domyslnie|odtad"
    ),
    "sonra boyle itibaren varsayilan zaman": (r"bundan (?:sonra|boyle)|su andan itibaren|varsayilan olarak|her zaman"),
    "فصاعدا المستقبل دائما": r"من (?:الان|اليوم) فصاعدا|في المستقبل|دائما",
}
"""Words that make an order last: maps words of which each has one to their pattern."""

ADVERBS: dict[str, str] = {
    "es": "siempre|nunca|jamas",
    "de": "immer|niemals|nie",
    "fr": "toujours|jamais",
    "pt": "sempre|nunca|jamais",
    "it": "sempre|mai",
    "nl": "altijd|nooit",
    "scandinavian": "alltid|altid|aldri|aldrig",
    "ru": "всегда|никогда не",
    "pl": "zawsze|nigdy nie",
    "ar": "دائما",
}
"""The words for "always" and "never". They count only beside an order. English has further rules for them."""

POLITE = (
    r"please|pl[sz]|por favor|porfa|bitte|s'il (?:te|vous) plait|stp|svp|per (?:favore|piacere)|alsjeblieft|"
    r"alstublieft|aub|snalla|пожалуйста|prosze|lutfen|من فضلك|لو سمحت"
)
"""The words for "please". `requests.py` has them, too."""

PLEASE = rf"{POLITE}|kindly|graag|رجاء"
"""Words that make a wish of a sentence without a verb: also words with other meanings."""

REQUESTS = (
    r"(?:can|could|would|will) (?:you|u)|(?:can|could) we agree|(?:puedes|podrias|puede usted|podria)|(?:kannst|"
    r"konntest|wurdest) du|"
    r"(?:konnen|konnten|wurden) sie|(?:peux|pourrais)-tu|tu (?:peux|pourrais)|(?:pouvez|pourriez)-vous|puoi|potresti|"
    r"podes|pode|poderias?|(?:kun|kan|zou) je|kunt u|можешь|можете|не мог\w* бы|mozesz|moglbys|moglabys|kan du|"
    r"هل يمكنك|ممكن"
)
REQUESTING_CHARACTERS = "请|能不能|能否|可以|もらえ|くれ|ください|줄래|줘|주세요"
"""The beginnings of an order in the form of a question."""

AGREED = (
    r"ok(?:ay)?|alright|deal|got it|understood|yes|vale|de acuerdo|entendido|si|ja|klar|verstanden|d'accord|compris|"
    r"va bene|capito|certo|combinado|ta|oke|goed|хорошо|ладно|понял\w?|dobrze|tamam"
)
"""Words behind an order that ask only whether it was understood."""

REPORTED = (
    r"\b(?:translate|rewrite|rephrase|proofread|correct|ubersetze?|traduce|traduis|traduz|traduci|переведи) "
    r"[^:\n]{0,40}:|"
    r"(?<!\bi )(?<!\bwe )(?<!\bjust )\b(?:said|says|(?:told|tells) (?:me|us|him|her|them|everyone)|wrote|writes|warned|"
    r"advised|insist(?:s|ed)|reads?:|motto|slogan)\b|"
    r"(?<!\byo )\b(?:dijo|dice|decia|escribio|aconsejo que)\b|\b(?:sagte|sagt|meinte|schrieb)\b|hat gesagt|"
    r"\b(?:il|elle|on|lui|mere|pere|chef|\w+) a dit\b|\b(?:disait|ecrivait)\b|\b(?:ha detto|diceva)\b|"
    r"\b(?:disse|dizia)\b|\b(?:zei|zegt)\b|\b(?:сказал[аи]?|говорит|говорил[аи]?|написал[аи]?)\b|"
    r"\b(?:powiedzial[a]?|mowi)\b|قال"
)
"""Words that tell what somebody else has said."""

_STYLES = (
    r"emojis?|emoticon\w*|smileys?|bullet(?:s|[- ]?points?)|bulleted lists?|markdown|jargon|exclamation (?:marks|"
    r"points)|"
    r"hashtags?|small ?talk|disclaimers?|fluff|filler|preambles?|apologies|buzzwords|tables|lists|headings|headers|"
    r"slang|latex|spoilers?|walls? of text|"
    r"emoticonos|vinetas|listas|tablas|tecnicismos|aufzahlung\w*|listen|tabellen|fachbegriffe|floskeln|anglizismen|"
    r"ausrufezeichen|listes?|puces|tableaux|anglicismes|elenchi|tabelle|tabelas|giri di parole|opsommingen|"
    r"lijstjes|эмодзи|смайл\w*|списков|таблиц|emotikon\w*|emotek|punktlist\w*"
)
"""Parts of a reply that people do without."""

_LESS = (
    r"no more|no|stop (?:using|adding|writing|with|sending)(?: the| all the| so many)?|avoid|skip|drop|without|"
    r"less|fewer|"
    r"enough with(?: the)?|quit|lose the|don't use|do not use|"
    r"sin|no mas|nada de|evita|deja de usar|no uses|no pongas|menos|basta de|"
    r"keine?n?|ohne|weniger|lass die|verzichte auf|vermeide|nutze keine|verwende keine|"
    r"plus d[e']|pas d[e']|sans|evite(?: les)?|evitez(?: les)?|arrete(?: avec)? les|moins d[e']|"
    r"niente|senza|basta(?: con)?(?: gli| le)?|non usare|meno|evita (?:gli|le)|sem|nao use|nao uses|chega de|evite|"
    r"geen|zonder|stop met|minder|без|не используй(?:те)?|никаких|хватит|меньше|bez|nie uzywaj|zadnych|"
    r"inga|ingen|utan|uten|uden"
)
STYLE = rf"\b(?:{_LESS}) ?(?:\w+ ){{0,2}}?(?:{_STYLES})\b(?! (?:are|is|was|were|found|allowed))"
"""An order to do without something in replies."""

STYLE_WORDS = """
    emoji emojis emoticon emoticons smiley smileys bullet bullets bulletpoints points bulleted markdown jargon
    exclamation
    hashtag hashtags talk smalltalk disclaimer disclaimers fluff filler preamble preambles apologies buzzwords tables
    lists headings headers slang latex spoiler spoilers wall walls emoticonos vinetas listas tablas tecnicismos
    aufzahlung aufzahlungen aufzahlungszeichen listen tabellen fachbegriffe floskeln anglizismen ausrufezeichen liste
    listes puces tableaux
    anglicismes elenchi tabelle tabelas parole opsommingen lijstjes эмодзи смайлов смайлики смайликов списков таблиц
    emotikonow emotikony emotikon emotek punktlistor punktliste punktlister
"""
"""The words of such parts, of which each such order has one."""

_BRIEF = (
    r"short(?:er)?|brief(?:er)?|concise|detailed|long(?:er)?|simple[r]?|direct|quick|"
    r"kurze?|kurzere|knappe?|ausfuhrliche|breves?|cort[ae]s?|larg[oa]s|detallad[oa]s|court[e]?s?|longues|"
    r"detaillees|brevi|"
    r"lunghe|curtas|detalhadas|korte|kortere|korta|коротк\w+|кратк\w+|подробн\w+|krotkie|krotsze"
)
_REPLIES = (
    r"answers?|repl(?:y|ies)|responses?|messages?|explanations?|summar(?:y|ies)|antworten?|respuestas?|reponses?|"
    r"risposte|"
    r"respostas?|antwoorden|svar|ответ\w*|odpowiedzi"
)
REPLIES = rf"(?:{_REPLIES})"
"""The words for what an assistant says."""

REPLY_WORDS = """
    answer answers reply replies response responses message messages explanation explanations summary summaries antwort
    antworten respuesta respuestas reponse reponses risposte resposta respostas antwoord antwoorden svar ответ ответы
    ответов odpowiedzi
"""
"""The words for what an assistant says, of which each wish for a length has one."""

BRIEF = rf"(?:(?:{_BRIEF}) {REPLIES}|{REPLIES} (?:mas |plus |piu |mais )?(?:{_BRIEF}))\b"
"""The wish for replies of a length."""

_NO_PRONOUN = r"(?!him|her\b|them|it\b|that\b|this\b|be(?:ing|en)|getting|having)"
"""What does not follow "I try to avoid" in a preference: it is about one person or one moment."""

PREFERENCES: dict[str, str] = {
    # English
    "prefer preferred preference preferences": (
        r"\b(?:i|we)(?:'d| would)? (?:\w+ly |much |also |always |still )?prefer\b(?! not to (?:say|tell|answer|talk))|"
        r"\bmy prefer(?:red|ences?)\b"
    ),
    "rather": (
        r"\b(?:i|we)(?:'d| would) (?:much )?rather (?!wait|not\b|see\b|try\b|leave)\w|"
        r"\b(?:i|we)(?:'d| would) rather not (?!say|talk|answer|know)\w+[^.!?\n]{0,40}? (?:at all|ever|any ?more)\b"
    ),
    "go goto": (
        r"\bmy go[- ]?to (?:\w+ ){0,3}(?:is|are|for)\b|\bi go by (?!\d|the |my |a |an |what|bus|train|car|bike|"
        r"foot|plane|boat|ferry|taxi|tram|metro)\w"
    ),
    "favourite favorite": r"\bmy (?:all[- ]time )?favou?rite (?:\w+ ){1,3}(?:is|are)\b",
    "hate detest despise loathe dislike": (
        r"\bi (?:\w+ly |also |just )?(?:hate|detest|despise|loathe|dislike) (?!to\b|that\b|this\b|it\b|how\b|"
        r"him\b|her\b|"
        r"them\b|my\b|his\b|myself\b|the (?:idea|fact|way)|being\b|having to|when\b|doing this|you\b)\w|"
        r"\bi (?:\w+ly )?(?:hate|detest|dislike) (?:it )?when you\b"
    ),
    "stand bear tolerate": (
        r"\bi (?:really |just )?(?:can't|cant|cannot|can not) (?:stand|bear|tolerate) (?!it\b|him|her\b|them|this|"
        r"that|up)\w"
    ),
    "like love enjoy want need appreciate": (
        r"\bi (?:don't|dont|do not) (?:really |even )?like (?!it\b|this|that\b|him|her\b|them|to\b|the\b|how|what|my\b|"
        r"when (?!you)|your\b|being|you\b|where)\w|"
        r"\bi(?:'d| would)? (?:don't |do not |really |never |always )?(?:like|love|hate|want|"
        r"appreciate) it (?:when|if) you\b|"
        r"\bi(?:'d| would)? (?:don't |do not |never |always )?(?:like|want|need) (?:you|u) to (?!come|join|meet|"
        r"visit|know|see|have|get|go)\w|"
        rf"\bi(?:'d| would)? (?:really |always |only |just )?(?:like|love|want|need|"
        rf"prefer) (?:\w+ )?(?:{_BRIEF}) {REPLIES}\b"
    ),
    "coffee tea eggs steak meat pizza food": (
        r"\bi (?:like|take|want|drink|prefer) my (?:coffee|tea|eggs|steak|meat|pizza|food)\b"
    ),
    "diet": r"\bi(?:'m| am|m) on (?:an? )?(?:[\w-]+ ){1,2}diet\b",
    "eat drink": (
        r"\bi (?:don't|dont|do not|can't|cant|cannot|never|only) (?:eat|drink)\b (?!it\b|that|there|here|anything|"
        r"much|at\b|in\b)|"
        r"\bi (?:always|usually) (?:eat|drink)\b"
    ),
    "usually always never only": (
        r"\bi usually (?:want|need|prefer|like|use|take)\b|\b(?:i|we) always (?:want|need|prefer|like|use|eat|"
        r"drink|take)\b|"
        r"\b(?:i|we) never (?:want|need|prefer|like|use|eat|drink|take|fly|book|buy|wear)\b|"
        r"\bi only (?:use|fly|wear|buy|read|watch|want|travel|stay|shop)\b (?!it\b|this|that\b|to\b)"
    ),
    "vegetarian vegan pescatarian celiac coeliac diabetic intolerant allergic teetotal colourblind colorblind": (
        r"\bi(?:'m| am|m) (?:an? |also |now |very |severely |strictly |actually |both )*(?:strict |"
        r"lifelong )?(?:vegetarian|vegan|"
        r"pescatarian|celiac|coeliac|diabetic|lactose[- ]intolerant|gluten[- ]intolerant|intolerant to|allergic to|"
        r"teetotal(?:l?er)?|colou?r-?blind)\b"
    ),
    "fan": r"\bi(?:'m| am|m) not (?:really |exactly )?an? (?:big |huge |great )?fan of\b",
    "best better": r"\bworks? (?:best|better) for me\b|\bsuits? me (?:best|better)\b",
    "kosher halal keto": r"\bi (?:keep|eat|only eat|am on|'m on) (?:a )?(?:kosher|halal|keto)\b",
    "pronouns": r"\bmy pronouns are\b",
    "comfortable": r"\bi(?:'m| am|m) (?:much |far |a lot |a bit )?(?:more|most) comfortable (?:with|using|in|when)\b",
    "tend lean": (
        r"\bi (?:\w+ly )?tend to (?:prefer|like|favou?r|choose|pick|avoid|go for|use)\b|"
        r"\bi (?:\w+ly )?lean (?:more )?towards?\b"
    ),
    "favor favour value": (
        r"\bi(?:'d| would)? (?:\w+ly )?favou?r (?!of\b)\w|"
        r"\bi (?:\w+ly |also |always )?value \w+(?: \w+){0,3} (?:over|more than|above)\b"
    ),
    "keen": r"\bi(?:'m| am|m) not (?:too |very |really |so |that |overly )?keen on\b",
    "learner learn work focus concentrate": (
        r"\bi(?:'m| am|m) (?:more of )?an? (?:visual|hands[- ]?on|auditory) (?:learner|person)\b|"
        r"\bi (?:learn|work|focus|concentrate) (?:best|better) (?:with|in|at|by|from|when|if|on|alone|under)\b"
    ),
    "usually normally generally typically": (
        r"\bi (?:usually|normally|generally|typically) (?:choose|pick|go for|avoid|opt for|order|stick (?:to|with))\b"
    ),
    "avoid stick": (
        rf"\bi (?:try|like|prefer|want|aim) to avoid {_NO_PRONOUN}\w|"
        rf"\bi(?:'d| would) (?:like|prefer|rather) (?:to )?avoid {_NO_PRONOUN}\w|"
        r"\bi (?:try|like|prefer|want|tend) to stick (?:to|with)\b"
    ),
    "keep": (
        r"\bi(?:'m| am|m)? (?:like|prefer|try|trying|want) to keep (?:things|it|everything|my \w+) (?:\w+ )?"
        r"(?:simple|light|lightweight|minimal|short|cheap|low|clean|small|private|local)\b"
    ),
    "than over": (
        r"\bi (?:really |much |actually )?(?:enjoy|like|love) (?!you)[^.!?,\n]{1,50} (?:(?:more|better) than|over) \w"
    ),
    "simple short plain strong mild spicy well clean brief": (
        r"\bi (?:really |also |always )?(?:like|want|need) my \w+ (?:to be )?"
        r"(?:simple|short|plain|strong|mild|spicy|well|clean|brief)\b|"
        r"\bi(?:'d| would)? (?:\w+ly )?appreciate (?:\w+ )?(?:short|brief|simple|plain|clean)\b"
    ),
    "all every each any": (
        r"\bi(?:'d like| would like| want| need) (?:all|every|each|any)(?: of)? (?:your |my |the )?[^.!?,\n]{1,40} "
        r"to (?:have|be|include|contain|show|use|follow|start|end|come with)\b"
    ),
    # Spanish
    "prefiero preferiria": r"\bprefiero\b|\bpreferiria\b",
    "preferencia preferencias": r"\bmis? preferencias?\b",
    "odio detesto soporto": (
        r"(?<!\bel )(?<!\bun )(?<!\bsu )(?<!\bde )(?<!\bcon )\bodio (?!a\b|que (?!me)|esto|eso|tener|"
        r"cuando (?!me)|e\b|y\b|al?\b|"
        r"hacia|decir)\w|\b(?:yo )?detesto (?!que|quando|cuando)\w|\b(?:no|non) (?:lo )?soporto (?!que|mas|a\b|esto)\w"
    ),
    "gusta gustan": (
        r"\ba? ?m?i? ?\bno me gustan? (?!nada esto|esto|eso|que (?!me)|como|tu\b|la idea)(?:el|la|los|las|que me)\b"
    ),
    "soy": (
        r"\bsoy (?:\w+ )?(?:vegan[oa]|vegetarian[oa]|celiac[oa]|alergic[oa]|intolerante|diabetic[oa]|daltonic[oa])\b|"
        r"\bsoy mas de\b"
    ),
    "como bebo": (
        r"\bno (?:como|bebo) (?:carne|pescado|cerdo|gluten|lacteos|marisco|alcohol|azucar|cafe|leche|peixe|porco|"
        r"acucar)"
    ),
    "quiero": r"\bquiero que (?:me|no|siempre|nunca|uses|respondas|contestes|hables|seas)\b",
    "comodo comoda tiendo suelo evitar fan": (
        r"\bme siento mas comod[oa] (?:con|usando)\b|\btiendo a (?:preferir|elegir|evitar|usar)\b|"
        r"\bsuelo (?:preferir|elegir|evitar|usar)\b|\b(?:intento|prefiero|trato de) evitar (?!que)\w|"
        r"\bno soy (?:muy |un gran |una gran )?fan de\b"
    ),
    "favorito favorita favoritos preferido preferida": (
        r"\bmi \w+ (?:favorit|preferid)[oa] es\b|\b(?:meu|minha) \w+ (?:favorit|preferid)[oa] e\b"
    ),
    # German
    "bevorzuge hasse verabscheue": (
        r"\b(?:ich )?(?:bevorzuge|hasse|verabscheue)(?: ich)? (?!es\b|das\b|ihn|sie\b|dich|mich|dass|wie\b|diese)\w|"
        r"\bich hasse es,? wenn (?:du|sie mir)\b"
    ),
    "lieber liebsten": (
        r"\b(?:ich (?:mochte|hatte|mag|will|nehme|trinke|esse|lese|fahre|fliege)|mag ich|hatte ich)(?: \w+)? lieber\b|"
        r"\bmir (?:ist|sind) (?:\w+ ){1,2}lieber\b|\bam liebsten (?:mag|trinke|esse|hatte|nehme|fliege|fahre|"
        r"lese) ich\b|"
        r"\bich (?:mag|trinke|esse|hatte|nehme|fliege|fahre) (?:\w+ ){0,2}am liebsten\b"
    ),
    "keine keinen kein nicht": (
        r"\bich (?:mag|esse|trinke|vertrage|will) keine?n?\b|\bich mag (?:\w+ ){1,3}nicht\b|"
        r"\bich kann (?:\w+ ){1,3}nicht (?:leiden|ausstehen|ab)\b"
    ),
    "vegetarier vegetarierin veganer veganerin vegan allergisch laktoseintolerant diabetiker diabetikerin": (
        r"\b(?:ich bin|bin ich) (?:\w+ ){0,2}?(?:vegetarier|vegan|allergisch|laktoseintolerant|diabetiker)"
    ),
    "dass": r"\bich (?:mochte|will|hatte gern|wunsche mir),? dass (?:du|sie mi[cr]h?)\b",
    "ziehe": r"\bich ziehe [^.!?,\n]{1,60} vor\b",
    "fan freund zurecht neige vermeide lerne": (
        r"\bich bin kein(?:e)? (?:grosser |grosse |richtiger )?(?:fan|freund) von\b|"
        r"\bich komme (?:\w+ ){0,3}besser (?:\w+ ){0,4}zurecht\b|\bich neige (?:eher )?zu \w|"
        r"\bich vermeide (?:lieber |gern )?(?!es\b|das\b|ihn\b|sie\b)\w|\bich lerne am besten\b"
    ),
    # French
    "suis tendance essaie evite j'evite": (
        r"\bje suis plus a l'aise (?:avec|en|quand)\b|\bj'ai tendance a (?:preferer|choisir|eviter)\b|"
        r"\bj'essaie d'eviter \w|\bj'evite (?!ca\b|de )\w|\bje ne suis pas (?:trop |tres |un grand )?fan d"
    ),
    "prefere prefererais": r"\bje prefere(?:rais)?\b|\bmon \w+ prefere est\b",
    "deteste hais horreur supporte": (
        r"\bje (?:deteste|hais) (?!quand (?!tu|vous)|que|ca\b|cette|mon|ma\b)\w|\bj'ai horreur d|"
        r"\bje (?:ne )?supporte pas (?!que|quand (?!tu|vous)|ca\b|cette)\w"
    ),
    "aime mange bois": (
        r"\bje n'aime pas (?!ca\b|que|quand (?!tu|vous)|cette|ce\b|mon|ma\b)\w|\bj'aime pas (?!ca\b|que|"
        r"quand (?!tu|vous)|cette|ce\b)\w|"
        r"\bj'aime (?:quand|que|mieux quand) (?:tu|vous)\b|\bje (?:ne )?(?:mange|bois) (?:pas|jamais) d"
    ),
    "suis": r"\bje suis (?:\w+ )?(?:vegetarien|vegan|vegane|allergique|intolerante?|diabetique|coeliaque)",
    # Portuguese and Italian
    "prefiro preferia preferisco preferirei": r"\bprefir?o\b|\beu preferia\b|\bpreferisco\b|\bpreferirei\b",
    "odeio sopporto": (r"\bodeio (?!que|quando (?!voce)|isso|isto|ter\b)\w|\bnon sopporto (?!che|quando|piu|questo)\w"),
    "trovo tendo cerco costumo tento evito fan fa": (
        r"\bmi trovo meglio con\b|\b(?:tendo a|cerco di|tento|costumo) evitar[ei]? \w|"
        r"\b(?:tendo a|costumo) (?:preferi|scegli|escolh|usar)\w*|\bevito (?!di |de |que|che|lo\b|la\b)\w|"
        r"\bnon sono (?:un |una )?(?:gran(?:de)? )?fan d|\bnao sou (?:muito )?fa d"
    ),
    "suporto gosto": (
        r"\bnao suporto (?!que|mais|isso)\w|\beu nao gosto d|\bnao gosto (?:d[eoa]s?|que me) (?!isso|isto|ti\b|ele|ela)"
    ),
    "sou sono": (
        r"\b(?:sou|sono) (?:\w+ )?(?:vegan[oa]|vegetarian[oa]|celiac[oa]|alergic[oa]|allergic[oa]|intolerante|"
        r"intollerante|"
        r"diabetic[oa])\b"
    ),
    "piace piacciono mangio bevo": (
        r"\bnon mi piac(?:e|ciono) (?!che|quest|quando|come)(?:il|lo|la|l'|i|gli|le)\b|\bnon (?:mangio|"
        r"bevo) (?:carne|pesce|"
        r"maiale|alcol\w*|latte|caffe|glutine|zucchero)|\bmi piace quando (?:mi|rispondi)\b"
    ),
    # Dutch and the Scandinavian languages
    "fan vermijd": r"\bik ben geen (?:grote )?fan van\b|\bik vermijd (?!dat\b|het\b|hem\b|haar\b)\w",
    "liever": r"\bik (?:heb|wil|drink|eet|neem|lees|reis) (?:\w+ )?liever\b",
    "haat hekel": r"\bik haat (?!het|dat|hem|haar|dit|je)\w|\bik heb een hekel aan\b",
    "hou eet drink": r"\bik hou niet van\b|\bik (?:eet|drink) geen\b",
    "vegetarier veganist allergisch allergisk vegetarian vegan vegetar veganer": (
        r"\bik ben (?:\w+ )?(?:vegetarier|veganist|allergisch)|\b(?:jag ar|jeg er) (?:\w+ )?(?:vegetar|vegan|allergisk)"
    ),
    "foredrar hatar gillar": r"\bjag (?:foredrar|hatar|gillar inte)\b (?!att|det|nar (?!du))",
    "foretrekker foretraekker hater hader liker": (
        r"\bjeg (?:foretrekker|foretraekker|hater|hader|liker ikke)\b (?!at\b|det|nar (?!du)|hvordan)"
    ),
    "lide": r"\bjeg kan ikke lide (?!at|det|ham|hende)\w",
    # Polish, Russian, Turkish, Arabic
    "wole nienawidze znosze lubie jem pije": (
        r"\bwole\b|\bnienawidze (?!go|jej|ich|tego|gdy)\w|\bnie (?:znosze|lubie|jem|pije) (?!go|jej|ich|tego|gdy|"
        r"tu|tam|teraz)\w"
    ),
    "jestem": r"\bjestem (?:\w+ )?(?:wegetarian|wegan|uczulon|diabetyk)",
    "предпочитаю ненавижу люблю переношу могу ем пью": (
        r"\b(?:я )?предпочитаю\b|\bненавижу (?!е[её]|его|их|это|когда (?!ты|вы))\w|\bне (?:люблю|"
        r"переношу) (?!е[её]|его|их|это|когда (?!ты|вы))\w|"
        r"терпеть не могу (?!е[её]|его|их|это)\w|\bне (?:ем|пью) (?!е[её]|его|это|там|здесь|сейчас)\w"
    ),
    "вегетарианец вегетарианка веган веганка аллергик аллергия": (
        r"\bя (?:\w+ )?(?:вегетариан|веган|аллергик)|\bу меня (?:\w+ )?аллергия"
    ),
    "ederim sevmem yemem vejetaryenim veganim alerjim": (
        r"\b(?:tercih|nefret) ederim\b|\b\w+ (?:sevmem|yemem|icmem)\b|\b(?:vejetaryen|vegan)im\b|\balerjim var\b"
    ),
    "افضل اكره احب نباتي نباتيه": r"\bانا افضل\b|\bافضل ان\b|\bاكره (?!ان|هذا)|\bلا احب (?!هذا|ان)|\bانا نباتي",
}
"""Preferences in the first person: maps words of which each has one to their pattern."""

_NOBODY_ELSE = "^(?!.*[彼女母父妹弟姉兄んたち達生供]は)"

CHARACTERS: dict[str, str] = {
    "总是": "(?:请|要)总是|总是(?:用|以)",
    "一律": "请?一律(?:用|以)",
    "以后": "以后(?:请|都|叫我|不要|别|用|只)",
    "今后": "今后(?:请|都|不要|别|用|只)",
    "从现在": "从现在(?:开始|起).{0,3}(?:请|都|用|不要|别|只|你)",
    "默认": "(?:请|都)默认|默认(?:用|使用|以)",
    "叫我": "(?:请|就|可以)叫我",
    "我更": "我更(?:喜欢|愿意|倾向)",
    "我": (
        "我(?:很|最|非常)?讨厌(?!他|她|你|这)|我不(?:喜欢|吃|喝)(?!他|她|你|这|饭|完)|我(?:是素食|吃素)|我对.{1,6}过敏"
    ),
    "表情": "(?:不要|别|请勿|少)(?:再)?(?:用|使用|加|发|带)?.{0,3}表情",
    "回答": "(?:回答|回复)(?:请|要|都)?(?:简短|简洁|短一点|简单)",
    "每次": "每次.{1,20}(?:都|请)(?:要|用|给|先)",
    "これから": "これから(?:は|も)[^。!?]{1,40}(?:ください|下さい|して|ほしい|お願い)",
    "今後": "今後は?[^。!?]{1,40}(?:ください|下さい|して|ほしい|お願い|不要|なし)",
    "いつも": "いつも[^。!?]{1,40}(?:ください|下さい)",
    "必ず": "必ず[^。!?]{1,40}(?:ください|下さい|お願い)",
    "と呼んで": "と呼んで",
    "絵文字": "絵文字.{0,6}(?:使わない|なし|やめ|不要|控え)",
    "箇条書き": "箇条書き.{0,8}(?:使わない|なし|やめ|してください|にして)",
    "敬語": "敬語.{0,6}(?:使わない|なし|やめ|不要|じゃなくて)",
    "方が": "の?方が(?:好き|いい)(?:です|。|$)",
    "苦手": f"{_NOBODY_ELSE}.*が苦手です",
    "嫌い": "(?:私|僕|俺)は?.{1,10}嫌い",
    "アレルギー": "(?:私|僕|俺).{1,10}アレルギー|^.{1,8}アレルギーがあります",
    "ベジタリアン": "(?:私|僕|俺)は?.{0,4}(?:ベジタリアン|ヴィーガン)|^ベジタリアンです",
    "항상": "항상[^.!?]{1,40}(?:줘|주세요|해라|하세요)",
    "앞으로": "앞으로[^.!?]{1,40}(?:줘|주세요|해라|하세요|마|말아)",
    "지금부터": "(?:지금|이제)부터[^.!?]{1,40}(?:줘|주세요|하세요|마|말아)",
    "절대": "절대[^.!?]{1,40}(?:마|말아|마세요)",
    "이모": "이모(?:지|티콘)[^.!?]{0,12}(?:쓰지|빼|말|사용하지|없이)",
    "존댓말": "존댓말[^.!?]{0,8}(?:줘|하지|마|쓰지|해)",
    "반말": "반말[^.!?]{0,8}(?:줘|하지|마|해)",
    "라고 불러": "라고 불러",
    "좋아": "(?:저는|나는|난|전) .{1,20}(?:더 좋아|선호)",
    "싫어": "(?:저는|나는|난|전) .{1,20}싫어",
    "먹": "(?:저는|나는|난|전) .{1,20}(?:못|안) 먹",
    "채식": "(?:저는|나는|난|전) .{0,6}채식",
    "알레르기": "(?:저는|나는|난|전) .{1,20}알레르기",
}
"""Signs in Chinese, Japanese and Korean, by a part that each of them has."""
