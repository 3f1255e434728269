"""The phrases with which people tell facts about themselves and ask for them, by the kind of the fact.

They are in English, Spanish, German, French, Portuguese and Italian. `about_me.py` says how they are looked for.

A line of `TOLD` begins with the words that may begin the phrase, separated by slashes. The rest is a regular
expression. `#` stands for a number. Lines of `ASKED` are regular expressions for any place of a question. All of it is
folded, English "I'm" is "i am", and a sentence that leaves its subject out has one.
"""

from __future__ import annotations

NUMBER = r"(?:\d{1,3}|[^\W\d_]+(?:(?:-| | y | e |-et-| et )[^\W\d_]+)?)"
_TENS = (
    r"(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
    r"(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?"
)
_AGE = (
    rf"(?:\d{{1,2}}|{_TENS})\b(?=(?: now| already| today| this year)?"
    r"(?:\s*[,;!)]|\s*\.(?!\d)|\s*$| (?:and|but|so|und|btw|lol|haha)\b))"
)
_KIN = r"(?:sons?|daughters?|kids?|child(?:ren)?|twins|boys|girls)"
_PET = (
    r"(?:dogs?|cats?|puppy|puppies|kittens?|hamsters?|rabbits?|parrots?|birds?|fish|turtles?|tortoises?|horses?|pets?)"
)
_OCCUPATION = (
    r"(?!fan\b|member\b|beginner\b|owner\b|lover\b|believer\b|father\b|mother\b|brother\b|sister\b|vegetarian\b|"
    r"person\b|human\b|loser\b|winner\b|fighter\b|man\b|woman\b)"
    r"(?:\w+ ){0,2}?\w*(?:er|or|ist|ician|arian|ant|eer|nurse|chef|cook|pilot|clerk|vet|judge|student|agent|doctor|"
    r"electrician|architect|accountant|designer|developer|surgeon|coach|guide|nanny|soldier|paramedic|mechanic)\b"
)
_SPANISH_OCCUPATION = (
    r"(?!solter|vegetarian|extranjer|mayor\b|menor\b|mejor\b|peor\b|el mejor|senor)(?:una? )?\w*(?:er[oa]|ista|d?ora?|"
    r"ogad[oa]|[oó]log[oa]|ente|ante|medic[oa]|nic[oa]|atric|triz|chef|piloto|autonom[oa]|profe\w*|maestr[oa]|"
    r"arquitect[oa]|jubilad[oa]|abogad[oa]|veterinari[oa]|funcionari[oa])\b"
)
_GERMAN_OCCUPATION = (
    r"(?!immer\b|sicher\b|leider\b|wieder\b|hier\b|aber\b|sehr\b|nur\b|unter\b|uber\b|hinter\b|sauer\b|lieber\b|"
    r"besser\b|schwanger\b|vegetarier|veganer|single|der\b|\w*vater|\w*mutter|\w*bruder|\w*schwester (?:von|der))"
    r"(?:von beruf )?(?:eine? )?\w*(?:er|erin|tor|torin|ist|istin|arzt|arztin|schwester|pfleger|mann|frau|anwalt|"
    r"anwaltin|ent|entin|eur|eurin|oge|ogin|wirt|wirtin|koch|kochin|pilot|pilotin|beamt\w+|student|azubi|hebamme)\b"
)
_FRENCH_OCCUPATION = (
    r"(?!derriere|fier|celibataire|vegetarien|etranger|premier|dernier)(?:une? )?\w*(?:eur|euse|ien|ienne|iste|ier|"
    r"iere|ere|trice|ante?|medecin|prof\w*|avocate?|architecte|chef|pilote|notaire|retraitee?|secretaire|veterinaire)\b"
)
_PORTUGUESE_OCCUPATION = (
    r"(?!solteir|vegetarian|estrangeir|maior\b|melhor\b|pior\b|brasileir)(?:uma? |o |a )?\w*(?:eir[oa]|ista|d?ora?|"
    r"nic[oa]|ente|ante|ogad[oa]|log[oa]|medic[oa]|chef|pilot[oa]|arquitet[oa]|reformad[oa]|aposentad[oa]|profe\w*)\b"
)
_ITALIAN_OCCUPATION = (
    r"(?!vegetarian|straniero|il migliore|fiero)(?:una? |un')?\w*(?:ier[ea]|ista|t?ore|trice|nic[oa]|ente|ante|"
    r"aio|falegname|olog[oa]|medico|avvocat\w+|cuoc[oa]|infermier\w|architett[oa]|pensionat[oa]|impiegat[oa]|"
    r"veterinari[oa]|chef|pilota)\b"
)
_NO_PORTUGUESE_NOUN = r"(?<!(?:um|no|do|ao) trabalho )(?<!\bo trabalho )(?<![ms]eu trabalho )"
"""Words for "work" that are also "I work": behind an article, they are nouns."""

TOLD: dict[str, str] = {
    "age": rf"""
        i am (?:now |only |already |just |about |almost |nearly )?(?:{_AGE}|# ?-?years? ?-?old|an? \d+[ -]year)
        i am (?:in my (?:early |mid |late |mid-)?(?:\d0s|twent|thirt|fort|fift|sixt|sevent|eight)|turning #)
        i (?:will be|will turn|turned|turn|just turned) \d+\b(?! degrees)
        my (?:\d+(?:st|nd|rd|th) birthday|age is)
        i (?:just |recently )?(?:had|celebrated) my \d+(?:st|nd|rd|th) birthday
        turned (?<=^turned )\d
        i will be turning #
        tengo (?:# anos|(?:ya )?{_AGE})
        cumpli/cumplo/cumplire/cumplir (?:los )?\d
        mi/la edad es
        ich bin (?:jetzt |schon |erst |gerade |nun )?(?:{_AGE}|# jahre|(?:\w+ ){{0,3}}?\d+(?: jahre(?: alt)?)? geworden)
        ich (?:wurde|werde) (?:\w+ ){{0,3}}?(?:{_AGE}|\d+ (?:jahre|geworden))
        bin/wurde/werde ich (?:\w+ ){{0,3}}?\d+(?: jahre(?: alt)?| geworden|[.!]?$)
        mein/meinen (?:\d+\. geburtstag|alter ist)
        j'ai (?:eu |deja |maintenant )?# ans\b
        mes/d'avoir \d+ ans\b
        mon age est
        tenho # anos
        fiz/faco/completei/fazer \d+(?: anos| em\b| no\b| na\b| ontem| hoje|[.!,]|$)
        minha idade e\b
        ho # anni
        compiuto/compiuti/compio/compiro (?:gli )?\d
    """,
    "home": r"""
        i/we (?:have |just |recently |finally |have just )?(?:moved|relocated) (?:back )?(?:to|into|in|here|from)\b
        i am (?:now |currently |still )?(?:based|living|settled|moving) (?:in|at|near|to)\b
        we are (?:now |currently |still )?(?:based|living|settled|moving) (?:in|at|near|to)\b
        i/we (?:now |still |currently )?(?:live|reside|lived) (?:in|at|near|on|by|with|close|alone)\b
        and/but/now/then (?:now )?live (?:in|at|near|on|by|with)\b
        i/we have (?:been living|been in \w+ (?:since|for)|lived|settled|bought a (?:house|flat))\b
        my/our (?:new |current |home )?(?:flat|apartment|home|house|address|place) (?:is|address)\b
        me (?:mude|mudo|he mudado|traslade)\b
        mudamos/mudado/mude (?:a|en|al)\b
        vivo/vivimos/resido/viviendo/viviamo/vivemos (?:en|a|con|cerca|in|em|no|na|nos|nas|com|nel\w*)\b
        mi/la (?:nueva )?(?:casa|piso|apartamento|departamento|direccion) (?:esta|es|queda)\b
        ich (?:wohne|lebe|ziehe)\b
        wohne/lebe ich\b
        wir (?:wohnen|leben|ziehen)\b
        wir sind (?:\w+ ){0,4}?(?:nach|in) [^.!?]{1,40}?(?:um)?gezogen
        ich bin (?:\w+ ){0,4}?(?:nach|in) [^.!?]{1,40}?(?:um)?gezogen
        wohne/lebe (?:jetzt |nun |noch )?in\b
        mein/meine (?:neues? )?(?:wohnung|haus|zuhause|adresse) (?:ist|liegt)\b
        j'habite
        on/nous (?:habite|habitons|(?:a|avons) (?:\w+ )?demenage)\b
        on s'est (?:\w+ )?installes?\b
        je me suis (?:\w+ )?installee?\b
        je vis (?:a|en|dans|au|aux|avec)\b
        j'ai (?:\w+ )?demenage
        je suis (?:\w+ )?(?:installee?|basee?) (?:a|en|dans|au)\b
        mon/ma/mes (?:nouvel )?(?:appartement|adresse|domicile|maison) est
        moro/moramos/morando
        mudei/mudei-me/mudamos/mudamo-nos (?:me )?(?:para|pra)\b
        minha/meu (?:casa|morada|residencia|apartamento|endereco) (?:e|fica)\b
        abito/abitiamo/risiedo
        mi/ci (?:sono|siamo) (?:\w+ )?trasferit
        mia/mio (?:\w+ )?(?:casa|appartamento|indirizzo) (?:e|si trova)\b
    """,
    "work": rf"""
        i am (?:currently |now |still )?(?:an? |the ){_OCCUPATION}
        i am (?:working (?:as|at|for)|(?:self-)?employed|unemployed|retired|a freelanc|between jobs)
        i (?:now |currently |still )?(?:work (?:as|at|for|in|with|part|full|from|nights)|teach|run an?|own an?|manage)\b
        i (?:became|have become) an? \w
        i have been (?:an? ){_OCCUPATION}
        i have been working (?:as|at|for|in)\b
        i (?:was|got|have been) (?:just |recently )?hired\b
        and/but/now/then (?:now )?work (?:as|at|for|in)\b
        i (?:have )?(?:just |recently )?(?:started (?:at|as|working|my (?:new )?job)|joined)\b
        i (?:have )?(?:just |recently )?got (?:an?|the) (?:new )?job\b
        my (?:new |current |day )?(?:job|profession|occupation|career|employer|boss|company|work) (?:is|as|at)\b
        trabajo (?<!(?:el|un|mi|al|su|tu) trabajo )(?:en|como|de|para|con)\b
        soy {_SPANISH_OCCUPATION}
        me dedico
        estoy trabajando (?:en|de|para|como)\b
        estou (?:a trabalhar|trabalhando) (?:em|no|na|num|numa|para|como)\b
        sto lavorando (?:in|da|per|come)\b
        mi (?:trabajo|profesion|oficio|empleo|jefe|jefa|empresa) (?:es|esta|se)\b
        empece/empiezo (?:a trabajar|en mi nuevo trabajo)
        ich (?:arbeite|unterrichte)\b
        ich bin {_GERMAN_OCCUPATION}
        ich bin (?:arbeitslos|selbst(?:st)?andig|angestellt|in rente)
        mein/meine (?:beruf|job|arbeitgeber|chef|chefin|arbeit|firma|stelle) (?:ist|heisst|bei)\b
        je travaille
        je suis {_FRENCH_OCCUPATION}
        mon/ma (?:metier|travail|emploi|boulot|patron|employeur|entreprise|profession) (?:est|c'est)\b
        trabalho {_NO_PORTUGUESE_NOUN}(?:como|em|na|no|para|com|numa?|de)\b
        sou {_PORTUGUESE_OCCUPATION}
        meu/minha (?:trabalho|emprego|chefe|profissao|empresa) (?:e|chama)\b
        lavoro (?<!(?:il|un|al|io) lavoro )(?<!del lavoro )(?:come|a|da|in|per|con|nel\w*|all\w*|presso)\b
        sono {_ITALIAN_OCCUPATION}
        faccio (?:il |la |l'|lo )\w*(?:ier[ea]|ista|ore|trice|ic[oa]|ente|ante|ai[oa]|cuoc[oa])\b
        mio/mia (?:lavoro|mestiere|capo|professione|azienda) (?:e|si)\b
    """,
    "birth": r"""
        i was born
        born (?<=^born )(?:in|on) \w
        it is my birthday
        birthday (?<=^birthday )(?:is|on)\b
        my (?:\w+ )?(?:birthday|date of birth|dob|birth date|birthdate) (?:is|was|falls)\b
        i turn \d+ (?:on|in|next)\b
        naci/nasci
        mi (?:cumpleanos|cumple|fecha de nacimiento) (?:es|fue|cae)\b
        cumplo anos
        ich (?:bin|wurde) [^!?]{0,40}?geboren
        mein (?:geburtstag|geburtsdatum) (?:ist|war)\b
        ich habe? (?:\S+ ){0,4}?geburtstag
        je suis nee?
        mon/ma (?:anniversaire|date de naissance) (?:est|c'est|tombe)\b
        meu/minha (?:aniversario|data de nascimento) e\b
        faco anos
        sono nat[oa]
        mio/mia (?:compleanno|data di nascita) (?:e|cade)\b
    """,
    "name": r"""
        my (?:full |first |last |middle |real |nick|sur)?name is
        call me (?!when|back|later|if|at|on|after|before|in|once|now|and|or|for|to|about|crazy|tomorrow|an?\b|\d)
        i am (?:called|named|known as)
        i go by
        me (?:llamo|chamo)\b
        mi nombre es
        mein name ist
        ich heisse
        je m'appelle
        mon nom est
        chamo-me
        meu nome e
        mi chiamo
        mio nome e
    """,
    "partner": r"""
        my (?:wife|husband|partner|girlfriend|boyfriend|fiancee?|spouse)\b
        i (?:married|got married|got engaged)\b
        i am (?:\w+ )?(?:married|engaged|single|divorced|widowed|dating)\b
        i have been (?:happily )?(?:married|engaged|single|divorced|widowed|dating|together)\b
        we (?:got married|got engaged|are married|are engaged)\b
        mi (?:mujer|esposa|esposo|marido|novi[oa]|pareja)\b
        estoy/soy (?:casad[oa]|solter[oa]|divorciad[oa]|viud[oa])\b
        me case
        mein/meine (?:frau|mann|freund|freundin|verlobter?|partner|partnerin)\b
        ich bin (?:\w+ )?(?:verheiratet|ledig|single|geschieden|verlobt|verwitwet)\b
        ma/mon (?:femme|copine|fiancee|compagne|mari|copain|fiance|compagnon)\b
        je suis (?:mariee?|celibataire|divorcee?|pacsee?)\b
        minha/meu (?:mulher|esposa|namorada|noiva|marido|esposo|namorado|noivo)\b
        sou (?:casad[oa]|solteir[oa]|divorciad[oa])\b
        mia/mio (?:moglie|marito|ragazz[oa]|fidanzat[oa]|compagn[oa])\b
        sono (?:sposat[oa]|single|divorziat[oa])\b
    """,
    "children": rf"""
        my/our (?:\w+ )?(?:{_KIN}|(?:little|baby) (?:girl|boy|one))\b
        i/we have (?:got )?(?:#|an?|no) (?:\w+ )?{_KIN}\b
        i/we (?:am|are) (?:pregnant|expecting (?:an?|our|my|twins))\b
        i/we (?:have )?(?:just |recently )?(?:had|adopted) (?:an?|our|my) (?:\w+ )?(?:baby|son|daughter|child|twins)\b
        tuvimos/esperamos (?:un |una |nuestr[oa] )(?:\w+ )?(?:bebe|hij[oa]|nin[oa])\b
        wir erwarten (?:\w+ ){{1,2}}(?:baby|kind)\b
        on/nous (?:attend|attendons) (?:un|notre) (?:\w+ )?(?:bebe|enfant)\b
        mi/mis (?:\w+ )?hij[oa]s?\b
        tengo/tenemos # (?:hij|nin)[oa]s?\b
        mein/meine (?:\w+ )?(?:sohn|tochter|kind|kinder|sohne)\b
        ich/wir haben? (?:\w+ ){{1,2}}(?:kind|kinder|sohn|sohne|tochter)\b
        mon/ma/mes (?:fils|fille|enfants?|filles)\b
        j'ai/avons # (?:enfants?|filles?|fils|garcons?)\b
        meu/minha/meus/minhas filh[oa]s?\b
        tenho/temos # filh[oa]s?\b
        mio/mia/miei/mie figli[oae]?\b
        ho/abbiamo # figli[oae]?\b
    """,
    "family": r"""
        my/our (?:\w+ )?(?:brothers?|sisters?|siblings|m[uo]m|mother|dad|father|parents|grand\w+|uncles?|aunts?)\b
        my/our (?:\w+ )?(?:cousins?|nephews?|nieces?|family|relatives|in-laws|(?:mother|father|sister|brother)-in-law)\b
        mi/mis (?:\w+ )?(?:herman[oa]s?|padres?|madre|abuel[oa]s?|ti[oa]s?|prim[oa]s?|sobrin[oa]s?|suegr[oa]|familia)\b
        mein/meine (?:\w+ )?(?:bruder|schwestern?|geschwister|eltern|mutter|vater|gross\w+|oma|opa|onkel|familie)\b
        mein/meine (?:\w+ )?(?:tanten?|cousins?|cousinen?|neffen?|nichten?|schwieger\w+)\b
        mon/ma/mes (?:\w+ )?(?:freres?|soeurs?|parents|mere|pere|grand\S+|oncles?|tantes?|cousine?s?|neveux?|nieces?)\b
        meu/minha/meus/minhas (?:irmaos?|irmas?|pais|pai|mae|avos?|ti[oa]s?|prim[oa]s?|sobrinh[oa]s?|familia)\b
        mio/mia/miei/mie (?:fratell[oi]|sorell[ae]|genitori|madre|padre|nonn[oaie]|zi[oaie]|cugin[oaie]|famiglia)\b
    """,
    "pets": rf"""
        my/our (?:\w+ )?{_PET}\b
        i/we have (?:got )?(?:#|an?) (?:\w+ )?{_PET}\b
        i/we (?:have )?(?:just |recently )?(?:adopted|got|rescued|bought) (?:#|an?) (?:\w+ )?{_PET}\b
        i am (?:an? )?(?:proud )?(?:dog|cat) owner\b
        adopte/adoptamos un[oa]? (?:perr[oa]|gat[oa]|cachorr[oa])\b
        mi/mis (?:perr[oa]s?|gat[oa]s?|mascotas?|conejos?|loros?|caballos?)\b
        tengo/tenemos # (?:perr[oa]s?|gat[oa]s?|mascotas?|conejos?|loros?|caballos?)\b
        mein/meine (?:hund|hunde|hundin|katze|katzen|kater|hamster|kaninchen|pferd|haustiere?|wellensittich|papagei)\b
        ich/wir haben? (?:\w+ ){{1,2}}(?:hunde?|katzen?|kater|hamster|kaninchen|pferde?|haustiere?|papagei)\b
        mon/ma/mes (?:chiens?|chienne|chats?|chatte|lapins?|cheval|hamster|perroquet)\b
        j'ai/avons # (?:chiens?|chienne|chats?|chatte|lapins?|cheval|hamsters?|perroquets?)\b
        meu/minha/meus/minhas (?:cao|caes|cachorr[oa]s?|gat[oa]s?|cadela|coelhos?|cavalo|papagaio)\b
        tenho/temos # (?:cao|caes|cachorr[oa]s?|gat[oa]s?|cadelas?|coelhos?|cavalos?|papagaios?)\b
        mio/mia/miei/mie (?:can[ei]|gatt[oaie]|cagna|conigli[oa]?|cavallo|criceto|pappagallo)\b
        ho/abbiamo # (?:can[ei]|gatt[oaie]|conigli[oa]?|cavall[oi]|criceto|pappagallo)\b
    """,
    "origin": r"""
        i am (?:originally |half[ -])?(?:from\b|(?!vegetarian|librarian|guardian)\w{3,}(?:ian|ese)\b)
        i come from
        i was born in
        i grew up
        i was raised
        my (?:hometown|home country|nationality|family is from)\b
        soy/vengo/provengo (?:de|del)\b
        naci/nasci (?:en|em|no|na)\b
        me crie
        ich (?:komme|stamme) (?:\w+ )?aus\b
        ich bin (?:\w+ )?(?:aus\b|in [^.!?]{1,30}(?:geboren|aufgewachsen))
        ich wurde in [^.!?]{1,30}geboren
        meine heimat
        je viens (?:du|des|d'|de (?!\w+(?:er|ir|re)\b))
        je suis (?:originaire|nee? (?:a|en|au|aux))\b
        j'ai grandi
        sou/venho (?:de|do|da|dos|das)\b
        cresci (?:em|no|na)\b
        vengo (?:da|dal\w*|dall\w*)\b
        sono (?:di|originari[oa]|nat[oa] (?:a|in)|cresciut[oa])\b
    """,
    "siblings": r"""
        my (?:\w+ )?(?:brothers?|sisters?|siblings|twin)\b
        i have (?:got )?(?:#|an?|no) (?:\w+ )?(?:brothers?|sisters?|siblings?|twin)\b
        i grew up with (?:#|an?|my) (?:\w+ )?(?:brothers?|sisters?|siblings?)\b
        i am (?:an only child|the (?:oldest|eldest|youngest|middle)|one of \w+ (?:kids|children|siblings))\b
        mi/mis (?:\w+ )?herman[oa]s?\b
        tengo # (?:\w+ )?herman[oa]s?\b
        soy hij[oa] unic[oa]\b
        soy (?:el|la) (?:mayor|menor|pequen[oa]|mediana?) de
        mein/meine (?:\w+ )?(?:bruder|schwestern?|geschwister)\b
        ich habe? (?:\w+ ){1,2}(?:bruder|schwestern?|geschwister)\b
        ich bin (?:ein )?(?:einzelkind|\w*nesthakchen)\b
        mon/ma/mes (?:\w+ )?(?:freres?|soeurs?)\b
        j'ai # (?:\w+ )?(?:freres?|soeurs?)\b
        je suis (?:fils|fille|enfant) unique\b
        meu/minha/meus/minhas (?:irmaos?|irmas?)\b
        tenho # (?:irmaos?|irmas?)\b
        sou filh[oa] unic[oa]\b
        mio/mia/miei/mie (?:fratell[oi]|sorell[ae])\b
        ho # (?:fratell[oi]|sorell[ae])\b
        sono figli[oa] unic[oa]\b
    """,
    "diet": r"""
        i am (?:an? |also |now |very |severely |both )*(?:vegetarian|vegan|pescatarian|co?eliac|diabetic|allergic)
        i am (?:gluten|lactose|dairy)[- ]
        i have (?:\w+ ){0,4}?(?:allerg|intoleran)
        i/we (?:don't|do not|can't|cannot|never|only) (?:eat|drink)\b
        i (?:keep|eat) (?:kosher|halal)\b
        my (?:\w+ )?(?:allerg|intoleran|diet)\w* (?:is|are|to)\b
        soy (?:\w+ )?(?:vegetarian|vegan|celiac|alergic|diabetic|intolerante)
        tengo (?:\w+ )?(?:alergia|intolerancia)
        no (?:como|bebo|puedo comer) (?!nada|mucho|antes|aqui)\w
        ich bin (?:\w+ ){0,2}?(?:vegetarier|vegan|allergisch|diabetiker|laktose)
        ich (?:esse|trinke|vertrage) kein
        je suis (?:\w+ )?(?:vegetarien|vegan|allergique|intolerant|diabetique|coeliaque)
        je (?:ne )?(?:mange|bois) (?:pas|jamais) d
        sou (?:\w+ )?(?:vegetarian|vegan|alergic|celiac|diabetic|intolerante)
        nao (?:como|bebo|posso comer) (?!nada|muito)\w
        sono (?:\w+ )?(?:vegetarian|vegan|allergic|celiac|diabetic|intollerante)
        non (?:mangio|bevo|posso mangiare) (?!niente|molto|mai)\w
    """,
    "languages": r"""
        i (?:also |can |only )?speak (?!to\b|with\b|for\b|about\b|up\b|at\b|my mind)\w
        i am (?:\w+ )?(?:fluent|bilingual|trilingual|a native)\b
        i am (?:now |currently )?(?:learning|studying) \w+(?:ish|ese|ian|ench|man|utch|eek|abic)\b
        my (?:native language|mother tongue|first language|native tongue) is
        hablo (?!con\b|de\b|por\b|a\b|mucho|poco)\w
        mi (?:lengua materna|idioma materno) es
        ich spreche (?!mit\b|von\b|uber\b|oft\b|gerade\b)\w
        meine muttersprache
        je parle (?!a\b|de\b|avec\b|trop|du\b|des\b|beaucoup)\w
        ma langue maternelle
        falo (?!com\b|de\b|muito|por\b)\w
        minha lingua materna
        parlo (?!con\b|di\b|troppo|molto|da\b)\w
        mia (?:lingua madre|madrelingua)
    """,
    "studies": r"""
        i have (?:got )?an? (?:\w+ ){0,2}(?:degree|bachelor|bachelors|masters?|phd|doctorate|diploma|mba)\b
        i (?:did|got|finished|completed|hold) (?:an?|my|the) (?:\w+ )?(?:degree|bachelors?|masters?|phd|doctorate|mba)\b
        i (?:studied|study|majored in|am studying|graduated|major in|am majoring|went to (?:college|university|uni)\b)
        my (?:degree|major|thesis|phd|masters?|bachelors?) (?:is|was)\b
        estudie/estudio (?!mucho|poco|el tema)\w
        soy (?:licenciad|graduad|estudiante)
        ich (?:habe|hab) (?:\w+ ){1,6}studiert\b
        ich studiere\b
        mein/meine (?:studium|abschluss|studienfach) (?:ist|war)\b
        j'ai (?:etudie|fait des etudes|un (?:master|diplome|doctorat))\b
        j'etudie
        estudei
        ho studiato
        ho una laurea
        mi sono laureat[oa]
        sono laureat[oa]
    """,
    "hobbies": r"""
        my (?:\w+ )?(?:hobby|hobbies|pastime) (?:is|are)\b
        in my (?:free|spare) time
        i (?:really )?(?:love|enjoy|like) (?!being|having|seeing|knowing|thinking|getting|doing this)\w{3,}ing\b
        i (?:play|practise|practice) (?:the )?(?!with\b|for\b|it\b)\w
        mi (?:hobby|aficion|pasatiempo)\b
        mis (?:hobbies|aficiones|pasatiempos)\b
        en mi tiempo libre
        mein/meine (?:hobby|hobbys)\b
        in meiner freizeit
        mon/mes (?:hobby|loisirs?|passe-temps) (?:est|sont)\b
        pendant/dans mon temps libre
        meu/meus (?:hobby|hobbies|passatempos?)\b
        no meu tempo livre
        mio/miei hobby
        nel mio tempo libero
    """,
    "height": r"""
        i am (?:\d(?:[.,]\d+)? ?(?:m|metres?|meters?|feet|foot|ft)\b|\d+ ?(?:cm|centi)|\d' ?\d|\d[.,]\d\d\b)
        i am \w+ (?:foot|feet)\b
        my height
        mido
        mi (?:altura|estatura)\b
        ich bin \d+(?:[.,]\d+)? ?(?:m|cm|meter)\b
        meine (?:grosse|korpergrosse) (?:ist|betragt)
        je (?:mesure|fais) \d[ m.,]
        meco \d
        minha altura
        sono alt[oa]
        mia altezza
    """,
    "weight": r"""
        i weigh
        i am (?:down to |up to |at )?\d+(?:[.,]\d+)? ?(?:kg|kilos?|pounds|lbs|stone)\b
        my weight
        peso \d
        mi peso
        ich wiege
        mein gewicht
        je pese
        mon poids
        meu peso
        mio peso
    """,
    "phone": r"""
        my (?:\w+ ){0,2}?(?:phone|number|mobile|cell|telephone)\b[^!?]{0,30}\d
        call/reach/text/ring/phone me (?:at|on|under) \+?\(?\d
        mi (?:numero|telefono|movil|celular)\b[^!?]{0,30}\d
        meine (?:nummer|telefonnummer|handynummer|handy)\b[^!?]{0,30}\d
        mon (?:numero|telephone|portable)\b[^!?]{0,30}\d
        meu (?:numero|telefone|telemovel|celular)\b[^!?]{0,30}\d
        mio (?:numero|telefono|cellulare)\b[^!?]{0,30}\d
    """,
}
"""Maps the kinds of facts to the phrases that tell them."""

ASKED: dict[str, str] = {
    "age": r"""
        how old (?:(?:am|was|will) i|i (?:am|was))\b|\bmy age\b|cuantos anos (?:tengo|cumpl)|que edad tengo
        \bmi edad\b|wie alt (?:(?:bin|war|werde) ich|ich (?:bin|war))|\bmein alter\b
        quel age (?:ai-je|j'ai|est-ce que j'ai)|j'ai quel age|mon age\b|quantos anos (?:eu )?(?:tenho|fa)
        (?:minha|que) idade|quanti anni (?:ho|compio)|che eta ho|mia eta\b
    """,
    "home": r"""
        where (?:(?:do|did|am) )?i (?:\w+ )?(?:live|living|reside|based)\b
        (?:what|which) (?:\w+ )?(?:city|town|country|place|street|area|state) (?:do|am) i (?:live|living|based|in)\b
        where is my (?:home|house|flat|apartment|place)\b|my (?:home )?address\b
        donde (?:vivo|vivimos|resido|estoy viviendo)\b|en (?:que|cual) \w+ vivo\b|donde esta mi casa|mi direccion\b
        wo (?:(?:wohne|lebe) ich|ich (?:wohne|lebe))\b|in welche[rm] \w+ (?:wohne|lebe) ich\b|meine adresse\b
        ou (?:est-ce que )?(?:j'habite|je vis|on habite)\b|ou (?:habite|vis)-je\b
        dans quelle? \w+ (?:est-ce que )?(?:j'habite|je vis|habite-je|vis-je)\b|j'habite ou\b
        onde (?:e que )?(?:eu )?(?:moro|vivo)\b|em que \w+ (?:eu )?(?:moro|vivo)\b|(?:minha morada|meu endereco)\b
        dove (?:abito|vivo|risiedo)\b|in (?:che|quale) \w+ (?:abito|vivo)\b|mio indirizzo\b
    """,
    "work": r"""
        what do i do (?:for (?:work|a living|a job)|professionally|all day)|^\W*what do i do\W*$
        what is my (?:\w+ )?(?:job|profession|occupation|career|work)\b|where (?:do )?i work\b|who do i work for\b
        my (?:employer|boss|job|occupation|profession)\b|what (?:kind|sort|type) of (?:work|job) do i\b
        what (?:work )?do i work\b|(?:en|de) que (?:estoy )?trabaj(?:o|ando)\b|a que me dedico\b
        (?:cual|que|donde) (?:es|esta) mi (?:trabajo|profesion|oficio|empleo)\b|(?:donde|para quien) trabajo\b
        was bin ich von beruf|was (?:mache|tue) ich beruflich|(?:was|wo|als was) arbeite ich\b
        mein(?:en)? (?:beruf|job)\b|(?:bei|fur) wem arbeite ich\b
        (?:mon|ma) (?:metier|travail|profession|emploi|boulot)\b|je fais (?:quoi )?dans la vie|fais-je dans la vie
        ou (?:est-ce que )?(?:je travaille|travaille-je)\b|que fais-je comme|je fais comme (?:travail|metier)
        (?:meu|minha) (?:trabalho|profissao|emprego)\b|que (?:e que )?(?:eu )?faco (?:na|da) vida
        em que (?:e que )?(?:eu )?trabalho\b|onde (?:eu )?trabalho\b|che lavoro (?:faccio|ho)\b
        cosa faccio (?:nella vita|di lavoro|per lavoro)|(?:mio lavoro|mia professione|mio mestiere)\b|dove lavoro\b
        di cosa mi occupo\b
    """,
    "birth": r"""
        (?:when|where|what year|what day|which year) was i born|my (?:birthday|date of birth|dob|birth ?date)\b
        (?:cuando|donde|ano|dia) naci\b|mi (?:cumple|fecha de nacimiento)|cuando cumplo\b
        wann (?:habe|hab) ich geburtstag|mein geburts|(?:wann|wo|jahr) (?:bin|wurde) ich geboren|mon anniversaire
        ma date de naissance|(?:quand|ou) (?:est-ce que )?(?:suis-je|je suis) nee?\b|meu aniversario
        minha data de nascimento|(?:quando|onde|ano) (?:eu )?(?:nasci|faco anos)\b|mio compleanno
        mia data di nascita|(?:quando|dove) sono nat[oa]\b
    """,
    "name": r"""
        \bmy (?:full |first |last |middle |real |sur)?name\b|what am i called|como me (?:llamo|chamo)\b|mi nombre\b
        wie (?:heisse ich|ich heisse)\b|mein name\b|mon (?:pre)?nom\b|m'appelle-je\b
        (?:comment (?:est-ce que )?je m'appelle)\b|je m'appelle comment|como (?:eu )?me chamo\b|meu nome\b
        come mi chiamo\b|mio nome\b
    """,
    "partner": r"""
        who (?:am|was) i (?:married|engaged|dating)\b
        who (?:was|is) my (?:wife|husband|partner|girlfriend|boyfriend|spouse|fiancee?)\b
        am i (?:married|single|engaged|divorced)\b
        (?:name of )?my (?:wife|husband|partner|girlfriend|boyfriend|spouse|fiancee?)(?:'s)? (?:name|called)
        name of my (?:wife|husband|partner|girlfriend|boyfriend|spouse|fiancee?)|my (?:marital|relationship) status
        (?:con quien )?estoy casad[oa]\b|como se llama mi (?:mujer|espos|marido|novi|pareja)
        quien es mi (?:mujer|espos|marido|novi|pareja)|(?:mit wem )?bin ich (?:verheiratet|verlobt|zusammen)\b
        (?:wie heisst|wer ist) meine? (?:frau|mann|freund|verlobt|partner)
        (?:avec qui )?(?:je suis|suis-je) mariee?\b
        (?:comment s'appelle|qui est) (?:ma|mon) (?:femme|mari|copine|copain|compagn|fiance)
        (?:com quem )?(?:sou|estou) casad[oa]\b
        (?:como se chama|quem e) (?:o |a )?(?:minha|meu) (?:mulher|espos|marido|namorad|noiv)
        (?:con chi )?sono sposat[oa]\b
        (?:come si chiama|chi e) (?:la |il )?(?:mia|mio) (?:moglie|marito|ragazz|fidanzat|compagn)
    """,
    "children": rf"""
        (?:do i have|have i(?: got)?|how many) (?:any |a )?{_KIN}\b|(?:name|names|age|ages) of my {_KIN}\b
        my {_KIN}(?:'s|')? (?:name|called|age)|tengo hij|cuant[oa]s hij|llama\w* mis? hij
        habe ich (?:\w+ )?(?:kinder|tochter|sohne?)\b|wie ?viele (?:kinder|tochter|sohne)\b
        heiss(?:t|en) meine? (?:kind|sohn|tochter)|(?:j'ai|ai-je) des enfants|combien d'enfants
        appelle(?:nt)? m(?:es|on|a) (?:enfant|fil)|tenho filh|quant[oa]s filh
        chamam? (?:o |a |os |as )?m(?:eu|inha)s? filh|\bho figli|quant[ie] figli|chiama\w* (?:\w+ )?mi[oae]i? figli
    """,
    "family": r"""
        \bmy (?:whole |entire )?(?:family|relatives)\b(?! (?:doctor|name|tree))|\bmi familia\b|\bmeine[rn]? familie\b
        \bma famille\b|\bminha familia\b|\bmia famiglia\b
    """,
    "pets": rf"""
        (?:do i have|have i(?: got)?|how many|what|which) (?:any |a |kind of )?(?:{_PET}|animals)\b
        my {_PET}(?:'s|')? (?:name|called)|names? of my {_PET}\b|tengo (?:mascota|animal)|que mascota
        mis? mascotas?\b|habe ich (?:ein |welche )?haustier|welche[snr]? haustier|meine? haustier
        (?:j'ai|ai-je) des animaux|quels? anim\w+ (?:j'ai|ai-je)|tenho (?:animais|bichos|algum animal)
        \bho (?:\w+ )?animali|che animali ho
    """,
    "origin": r"""
        where (?:am|was|do|did) i (?:originally )?(?:from|come from|born|grow up|originate)\b
        my (?:nationality|hometown|home country)\b|de donde (?:soy|vengo)\b|donde naci\b|mi nacionalidad
        woher (?:komme|stamme|bin) ich\b|wo (?:bin|wurde) ich (?:geboren|aufgewachsen)|aus welchem land
        d'ou (?:est-ce que )?(?:je viens|viens-je|suis-je|je suis)\b|je viens d'ou|ou (?:suis-je|je suis) nee?\b
        ma nationalite|de onde (?:eu )?(?:sou|venho)\b|onde (?:eu )?nasci\b|(?:di|da) dove (?:sono|vengo)\b
        dove sono nat[oa]\b|mia nazionalita
    """,
    "siblings": r"""
        (?:do i have|have i(?: got)?|how many) (?:any |a )?(?:brothers?|sisters?|siblings?)\b|am i an only child\b
        (?:name|names) of my (?:brothers?|sisters?|siblings)\b
        my (?:brothers?|sisters?|siblings)(?:'s?)?(?: (?:and|or) \S+)? (?:name|called)
        (?:tengo|cuant[oa]s) herman[oa]s|llaman? mis? herman|habe ich (?:\w+ )?(?:geschwister|bruder|schwester)
        wie ?viele (?:geschwister|bruder|schwestern)|heiss(?:t|en) meine? (?:bruder|schwester|geschwister)
        (?:j'ai|ai-je) (?:des|combien de) (?:freres|soeurs)|combien de (?:freres|soeurs)
        appelle(?:nt)? m(?:es|on|a) (?:frere|soeur)
        (?:tenho|quant[oa]s) irma|chamam? (?:o |a |os |as )?m(?:eu|inha)s? irma|(?:\bho|quant[ie]) (?:fratell|sorell)
    """,
    "diet": r"""
        (?:what|which)(?: \w+)? (?:am i allergic|can't i eat|can i not eat|do i not eat|don't i eat)\b
        am i (?:\w+ )?(?:allergic|vegetarian|vegan)\b
        my (?:\w+ )?(?:allerg|intoleranc|diet\b|dietary)|do i have (?:any )?(?:\w+ )?(?:allerg|intoleranc|dietary)
        do i eat\b
        a que (?:soy|tengo)\b.*alerg|mis? alergias?\b|soy (?:vegan|vegetarian|alergic)[oa]|que no (?:puedo comer|como)\b
        wogegen bin ich allergisch|bin ich (?:\w+ )?(?:allergisch|vegetarier|vegan)|meine allergien?
        was (?:esse|vertrage) ich nicht
        a quoi (?:suis-je|je suis)\b.*allergique|mes allergies|(?:suis-je|je suis) (?:allergique|vegetarien|vegan)
        a que (?:sou|tenho)\b.*alergi|minhas alergias|sou (?:vegetarian|vegan|alergic)|a cosa sono allergic|mie allergie
        sono (?:vegetarian|vegan|allergic)
    """,
    "languages": r"""
        (?:what|which|how many) languages? (?:do|can|am) i\b|do i speak\b
        my (?:native|first|mother) (?:language|tongue)\b
        (?:que|cuantos) idiomas hablo|que lenguas hablo|mi lengua materna
        (?:welche|wie ?viele) sprachen (?:spreche|kann) ich
        meine muttersprache|quelles langues (?:est-ce que )?(?:je parle|parle-je)|ma langue maternelle|que linguas falo
        (?:que|quantos) idiomas falo|che lingue parlo|quante lingue parlo|mia (?:lingua madre|madrelingua)
    """,
    "studies": r"""
        (?:what|where|when) did i (?:study|major|graduate|go to (?:college|university|uni|school)|get my degree)\b
        (?:what|which) (?:degree|subject|university|college|school) (?:do|did) i\b
        my (?:degree|major|university|college|studies)\b
        (?:que|donde) estudi[eo]\b|mi carrera\b|mis estudios\b|was (?:habe ich|hab ich) studiert|was studiere ich
        (?:wo|wann) habe? ich studiert|mein studium\b|(?:qu'est-ce que|ou|que) (?:j'ai|ai-je) etudie|mes etudes\b
        (?:que|o que|onde) (?:eu )?estud(?:ei|o)\b|(?:cosa|dove) (?:ho studiato|studio)\b|mia laurea
    """,
    "hobbies": r"""
        my (?:\w+ )?(?:hobby|hobbies|pastimes?)\b|in my (?:free|spare) time\b
        what do i (?:like|love|enjoy) (?:doing|to do)\b
        mis? (?:hobby|hobbies|aficion|aficiones|pasatiempos?)\b|mi tiempo libre\b|meine? hobbys?\b|meiner freizeit\b
        (?:mon|mes) (?:hobby|loisirs?|passe-temps)\b|mon temps libre\b|meus? (?:hobby|hobbies|passatempos?)\b
        meu tempo livre\b|mi[oe]i? hobby\b|mio tempo libero\b
    """,
    "height": r"""
        how tall am i\b|my height\b|cuanto mido\b|mi (?:altura|estatura)\b|wie gross bin ich\b|combien je mesure
        (?:je mesure|mesure-je) combien|ma taille\b|quanto (?:eu )?meco\b|minha altura\b|quanto sono alt[oa]\b
        mia altezza\b
    """,
    "weight": r"""
        how (?:much do i weigh|heavy am i)\b|my weight\b|cuanto peso\b|mi peso\b|wie ?viel wiege ich\b
        wie schwer bin ich\b|mein gewicht\b|combien je pese|mon poids\b|quanto (?:eu )?peso\b|meu peso\b|mio peso\b
    """,
    "phone": r"""
        my (?:\w+ )?(?:phone|mobile|cell|telephone)\b|my number\b|mi (?:numero|telefono|movil|celular)\b
        meine (?:\w*nummer)\b|mon (?:numero|telephone)\b|meu (?:numero|telefone|telemovel|celular)\b
        mio (?:numero|telefono|cellulare)\b
    """,
    "mail": r"""
        my (?:\w+ )?e-?mail\b|mi (?:correo|e-?mail)\b|meine (?:e-?mail|mail)
        mon (?:adresse )?(?:e-?mail|mail|courriel)\b|meu e-?mail\b|mia (?:e-?mail|mail)\b
    """,
}
"""Maps the kinds of facts to the phrases that ask for them."""

NEAR: dict[str, tuple[str, ...]] = {"age": ("birth",), "birth": ("age",), "family": ("partner", "children")}
"""Other kinds of facts that answer a question, too: who knows a date of birth knows the age."""

OF_ANOTHER: tuple[tuple[str, str], ...] = (
    (r"\bis NAME\b(?!'s)", "am i"),
    (r"\b(was|does|did|has|will) NAME\b(?!'s)", r"\1 i"),
    (r"\bNAME's?(?: |$)", "my "),
    (r"\bvive NAME\b", "vivo"),
    (r"\btrabaja NAME\b", "trabajo"),
    (r"\btiene NAME\b", "tengo"),
    (r"\bes NAME\b", "soy"),
    (r"\bist NAME\b", "bin ich"),
    (r"\bwohnt NAME\b", "wohne ich"),
    (r"\blebt NAME\b", "lebe ich"),
    (r"\barbeitet NAME\b", "arbeite ich"),
    (r"\bmacht NAME\b", "mache ich"),
    (r"\bkommt NAME\b", "komme ich"),
    (r"\bhat NAME\b", "habe ich"),
    (r"\bheisst NAMEs ", "heisst meine "),
    (r"\bnacio NAME\b", "naci"),
    (r"\b(?:a|tem) NAME\b", "ai-je"),
    (r"\bhabite NAME\b", "j'habite"),
    (r"\bmora NAME\b", "moro"),
    (r"\babita NAME\b", "abito"),
    (r"\b(?:does|has) i\b", "do i"),
)
"""How a question about another person becomes one about the asker, step by step. NAME stands for the person's name."""
