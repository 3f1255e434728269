"""Requests: messages that ask an assistant to do something, such as "Could you plan a dinner?" and "Write me a letter".

The answer to a request is not in what was said before. But standing instructions and preferences hold for it, whatever
its words. A request is recognized by the words of wishes, and by orders at the beginning of a clause. To sum up what
was said, and to remember it, are no such requests: their answer is in what was said.
"""

from __future__ import annotations

import re

from recuerda.recall.recaps import asks_for_what_was_said
from recuerda.recall.standing_words import POLITE

_WISHES = r"""
    would|could|should|shall|might|(?:can|will) you|suggest\w*|recommend\w*|ideas?|advice|help
    (?:find|book|order) (?:me|us)|how (?:do|can) (?:i|we)|what can (?:i|we)|(?:best|good|right) way (?:for|to)
    como (?:hago|puedo)|que puedo|wie (?:kann|konnen|mache|machen) (?:ich|wir)|was (?:kann|konnen) (?:ich|wir)
    comment (?:faire|puis-je|je peux)|que puis-je|come (?:posso|faccio)|cosa posso|como (?:posso|faco)|o que posso
    (?:hoe|wat) kan ik|hur (?:kan|gor) jag|hvordan kan jeg|jak (?:moge|zrobic)|как (?:мне|можно|я могу)|nasil yap\w*
    podria\w*|puedes|puede|deberia\w*|conviene|recomien\w+|recomend\w+|sugier\w+|sugerir|consejos?|ayud\w+
    quiero|quisiera|necesito|harias
    konnt\w+|kannst|sollt\w+|soll|sollen
    wurdest du|wurden sie|hilf|hilfe|helfen|empfiehl\w*|empfehl\w+|schlage?|schlagst|vorschlag\w*
    ideen?|tipps?|brauche|mochte
    pourr\w+|peux|pouvez|devr\w+|dois-je|faut-il|conseil\w*|recommand\w+|sugger\w+|idees?|aide\w*
    voudrais|besoin
    poderia\w*|podes?|deveria\w*|devo|sugest\w+|sugir\w+|ideias?|conselhos?|ajud\w+|preciso|gostaria
    potresti|potrebbe|puoi|dovre\w+|consigli\w*|suggeri\w*|raccomand\w+|idee?a?|aiut\w+|vorrei|bisogno
    kun je|kunt u|zou|zouden|moet|moeten|advies|raad|tips?|aanraden|aanbevelen|voorstel\w*
    kan du|skulle|borde?|bor jag|skal jeg|ska jag|hjalp\w*|hjaelp\w*|hjelp\w*|forslag|forslar?|foresla\w*|anbefal\w*
    rekommend\w*|behover
    mozesz|moglbys|moglabys|powinn\w+|pomoz\w*|polec\w*|zapropon\w*|pomysl\w*|potrzebuje|doradz\w*
    можешь|можете|мог бы|могла бы|помоги\w*|посовету\w*|порекоменду\w*|предложи\w*|идеи|совет\w*|нужно
    \w+[ae]bilir misin\w*|oner\w*|tavsiye\w*|fikir\w*|yardim\w*|\w+m[ae]liyim
    اقترح\w*|ساعدن\w+|هل يمكنك|انصح\w*|نصيحه|نصيحة|احتاج
"""
_ORDERS = r"""
    write draft plan give show make create explain set lay design build translate compose generate add fix improve
    check rewrite refactor implement choose pick escrib\w+ redacta\w* haz(?:me)? dame muestra\w* explica(?:me)?
    crea(?:me)? prepara(?:me)? planea\w* planifica\w* traduce\w* disena\w* mejora corrige\w* propon\w* schreib\w*
    entwirf plane? gib zeige? mach(?:e|en)? erstell\w* erklar\w* ubersetze? bereite formulier\w* verbesser\w*
    ecri(?:s|vez)(?:-moi|-nous)? redige\w* donnez?(?:-moi|-nous)? fai(?:s|tes) montrez?(?:-moi|-nous)?
    expliquez?(?:-moi|-nous)? creez? prepare\w* planifie\w* tradui\w+ ameliore\w* propose\w* escreva\w* faca\w* faz
    de-me da-me mostre crie planeje traduza melhore sugira scrivi\w* dammi fammi fai mostra(?:mi|ci)? spiega(?:mi)?
    pianifica traduci migliora correggi proponi schrijf geef maak toon vertaal bedenk verbeter skriv ge gi giv visa
    vis lag lav gjor planera planlegg planlaeg forklar oversatt oversett napisz zaplanuj daj pokaz zrob stworz
    wyjasnij przetlumacz przygotuj ulozl? popraw напиши\w* составь\w* дай\w* покажи\w* сделай\w* создай\w* объясни\w*
    переведи\w* подготовь\w* спланируй\w* придумай\w* исправь\w* yaz hazirla goster planla acikla cevir اكتب اعطني خطط
    اشرح ترجم
"""
_CHARACTERS = (
    r"请(?!问)|請(?!問)|帮我|幫我|帮忙|能不能|可以.{0,12}[吗嗎]|建议|建議|推荐|推薦|应该|應該|怎么办|怎麼辦|怎么做|怎麼做|如何|写一|寫一|我想要?|"
    r"(?<!教えて)(?:ください|下さい)|お願い|おすすめ|お勧め|提案|アイデア|べき|たらいい|どうすれば|どうやって|ほうがいい|手伝|作って|書いて|"
    r"주세요|해 ?줘|추천|제안|도와|해야|어떻게 하면|좋을까|부탁|써 ?줘|만들어"
)


def _any_of(lines: str) -> str:
    return "|".join(line.strip() for line in lines.strip().splitlines())


_REQUEST = re.compile(
    rf"(?<!\w)(?:{_any_of(_WISHES)}|{POLITE})(?!\w)"
    rf"|(?:^|[.!?:;,\n-]\s*)(?:{'|'.join(_ORDERS.split())})\s"
    rf"|{_CHARACTERS}"
)


def is_request(folded: str) -> bool:
    """Return True if a text, in lower case and without accents, asks an assistant to do something."""
    return _REQUEST.search(folded) is not None and not asks_for_what_was_said(folded)
