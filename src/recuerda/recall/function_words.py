"""Function words of the languages that recall knows: articles, pronouns, prepositions, auxiliary verbs, and the like.

A question is full of them ("when did you ..."), and they would outweigh the word that matters. They also tell the
language of a text. The lists of German, French, Italian, Portuguese, Dutch, Swedish, Norwegian, Danish, Finnish,
Hungarian, Turkish and Russian began as the lists of Snowball (https://snowballstem.org; see `LICENSE.snowball`).
Question words and forms of verbs such as "know", "say" and "want" were added, and words with a meaning of their own
were taken out.

The packages stop-words and stopwordsiso were weighed and left out. Their lists hold words that people look for, such as
"computer", "rooms" and "buy" in English or "morning" and "visit" in Arabic, and a word that is left out is never found.
"""

from __future__ import annotations

FUNCTION_WORDS: dict[str, str] = {
    "en": """
        a about above after again all also am an and any anyone anything are aren't as at be because been before being
        between both but by can can't cannot could couldn't d did didn't do does doesn't doing don't done down during
        each either else ever few for from further get gets getting give given go goes going gone got had hadn't has
        hasn't have haven't having he he's her here hers herself him himself his how i i'd i'll i'm i've if in into is
        isn't it it's its itself just kind know let likely like ll lot m made make many may maybe me might more most
        much must my myself new no nor not now of off often on once one only or other our out over own part per please
        re really s said same say see she she's should shouldn't show since so some someone something still such
        take tell than that that's the their them then there there's these they they're thing things this those though
        through to together too under until up us use used ve very want was wasn't way we we're well went were weren't
        what what's when where which while who who's whom whose why will with within without won't would wouldn't yes
        yet you you're you've your yours
    """,
    "es": """
        a acerca ademas ahi ahora al algo alguien algun alguna algunas alguno algunos alla alli ante antes aquel
        aquella aquellas aquello aquellos aqui asi aun aunque bajo bien cada casi como con contra cosa cosas cual
        cuales cualquier cuando cuanta cuantas cuanto cuantos de del desde despues di dice dicho dije dijiste dijo
        donde dos durante e el ella ellas ellos en entonces entre era eran eras eres es esa esas ese eso esos esta
        estaba estaban estado estamos estan estar estas este esto estos estoy estuve estuvo fue fuera fueron fui
        fuiste gracias gran ha haber habia habian hace hacer hacia haciendo han has hasta hay he hecho hemos hice
        hiciste hizo hola hoy iba ir la las le les llama llaman llamas llamo lo los mas me mi mia mias mio mios mis
        misma mismo mucha muchas mucho muchos muy nada ni ningun ninguna ninguno no nos nosotras nosotros nuestra
        nuestras nuestro nuestros nunca o os otra otras otro otros para pero poco por porque puede pueden puedo pues
        que quien quienes quiere quiero sabe sabemos sabes se sea ser si sido siempre sin sobre sois solo somos son
        soy su sus suya suyo tal tambien tampoco tan tanta tanto te tenemos tener tengo ti tiene tienen tienes toda
        todas todavia todo todos tu tus tuve tuvo tuya tuyo un una unas uno unos va vamos van vas voy y ya yo
    """,
    "de": """
        aber alle allem allen aller alles als also am an ander andere anderem anderen anderer anderes anderm andern
        anderr anders auch auf aus bei bin bis bist da damit dann der den des dem die das daß derselbe derselben
        denselben desselben demselben dieselbe dieselben dasselbe dazu dein deine deinem deinen deiner deines denn
        derer dessen dich dir du dies diese diesem diesen dieser dieses doch dort durch ein eine einem einen einer
        eines einig einige einigem einigen einiger einiges einmal er ihn ihm es etwas euer eure eurem euren eurer
        eures für gegen gewesen hab habe haben hat hatte hatten hier hin hinter ich mich mir ihr ihre ihrem ihren
        ihrer ihres euch im in indem ins ist jede jedem jeden jeder jedes jene jenem jenen jener jenes jetzt kann kein
        keine keinem keinen keiner keines können könnte machen man manche manchem manchen mancher manches mein meine
        meinem meinen meiner meines mit muss musste nach nicht nichts noch nun nur ob oder ohne sehr sein seine seinem
        seinen seiner seines selbst sich sie ihnen sind so solche solchem solchen solcher solches soll sollte sondern
        sonst über um und uns unse unsem unsen unser unses unter viel vom von vor während war waren warst was weil
        welche welchem welchen welcher welches wenn werde werden wie wieder will wir wird wirst wo wollen wollte würde
        würden zu zum zur zwar zwischen wer wen wem wessen wann warum weshalb wieso woher wohin wobei wofür womit
        wogegen wovon worüber seid hast habt hattest mag magst mögt mögen möchte möchtest möchten kannst könnt konnte
        konnten musst müssen müsst mussten darf darfst dürfen sollst sollen willst wolltest wollten werdet wurde
        wurden geworden tun tut tust getan mache machst macht gemacht gibt geben gebe gib gehe geht sag sage sagt
        sagte gesagt sagst weiß weißt wissen wusste kenne kennst kennt heiße heißt heißen hieß finde findest glaube
        bitte danke ja nein schon mal gar etwa eben halt wirklich bereits immer nie niemals wohl gerade gern gerne
        mehr viele wenig ganz beim ans aufs übers heute damals bald unserer unserem unseren unseres unsrer hallo
        jemand niemand irgendwie vielleicht deshalb darum dafür davon daran darauf darüber dabei hierzu erzählt erzähl
        erzähle hättest hätte hätten wäre wären
    """,
    "fr": """
        les ils elles
        au aux avec ce ces dans de des du elle en et eux il je la le leur lui ma mais me même mes moi mon ne nos notre
        nous on ou par pas pour qu que qui sa se ses son sur ta te tes toi ton tu un une vos votre vous à y étée étées
        étés étant étante étants étantes suis es est sommes êtes sont serai seras sera serons serez seront serais
        serait serions seriez seraient étais était étions étiez étaient fûmes fûtes furent sois soit soyons soyez
        soient fusse fusses fût fussions fussiez fussent ayant ayante ayantes ayants eu eue eues eus ai as avons avez
        ont aurai auras aura aurons aurez auront aurais aurait aurions auriez auraient avais avait avions aviez
        avaient eut eûmes eûtes eurent aie aies ait ayons ayez aient eusse eusses eût eussions eussiez eussent quel
        quelle quels quelles quand comment pourquoi où quoi dont lequel laquelle lesquels lesquelles ça ceci cela cet
        cette ici là être avoir fait faire fais faites font peux peut pouvez peuvent pouvons pouvoir puis veux veut
        voulez vouloir voudrais dois doit devoir devez sais sait savoir savez vais vas va allons allez vont aller dit
        dire dis disait m'as chez sans sous plus moins très trop aussi alors donc encore déjà toujours jamais rien
        tout tous toute toutes quelque quelques chaque autre autres bien oui non si comme parce car depuis pendant
        entre vers contre avant après lors ainsi afin leurs merci bonjour svp aujourd'hui quelqu'un quelqu chose y-a
        t-il est-ce qu'est suis-je rend rendre celui celle ceux celles aucun aucune personne
    """,
    "it": """
        fra
        ad al allo ai agli all agl alla alle con col coi da dal dallo dai dagli dall dagl dalla dalle di del dello dei
        degli dell degl della delle in nel nello nei negli nell negl nella nelle su sul sullo sui sugli sull sugl
        sulla sulle per tra contro io tu lui lei noi voi loro mio mia miei mie tuo tua tuoi tue suo sua suoi sue
        nostro nostra nostri nostre vostro vostra vostri vostre mi ti ci vi lo la li le gli ne il un uno una ma ed se
        perché anche come dov dove che chi cui non più quale quanto quanti quanta quante quello quelli quella quelle
        questo questi questa queste si tutto tutti a c e i l o ho hai ha abbiamo avete hanno abbia abbiate abbiano
        avrò avrai avrà avremo avrete avranno avrei avresti avrebbe avremmo avreste avrebbero avevo avevi aveva
        avevamo avevate avevano ebbi avesti ebbe avemmo aveste ebbero avessi avesse avessimo avessero avendo avuto
        avuta avuti avute sono sei è siamo siete sia siate siano sarò sarai sarà saremo sarete saranno sarei saresti
        sarebbe saremmo sareste sarebbero ero eri era eravamo eravate erano fui fosti fu fummo foste furono fossi
        fosse fossimo fossero essendo faccio fai facciamo fanno faccia facciate facciano farò farai farà faremo farete
        faranno farei faresti farebbe faremmo fareste farebbero facevo facevi faceva facevamo facevate facevano feci
        facesti fece facemmo faceste fecero facessi facesse facessimo facessero facendo sto stai sta stiamo stanno
        stia stiate stiano starò starai starà staremo starete staranno starei staresti starebbe staremmo stareste
        starebbero stavo stavi stava stavamo stavate stavano stetti stesti stette stemmo steste stettero stessi stesse
        stessimo stessero stando quando cosa cos quali avere essere fare fatto posso puoi può possiamo potete possono
        potere devo devi deve dobbiamo dovere voglio vuoi vuole volere vorrei so sai sa sapere dico dici dice detto
        dire vado vai va vanno andare qui qua lì là già ancora sempre mai molto molta molti molte poco troppo così
        quindi allora solo senza sotto sopra prima dopo durante fino verso oppure però mentre bene sì no niente nulla
        qualcosa qualcuno ogni altro altra altri altre grazie ciao proprio quest quell c'è cioè d m t s v
    """,
    "pt": """
        vem vêm de a o que e do da em um para com não uma os no se na por mais as dos como mas ao ele das à seu sua ou
        quando muito nos já eu também só pelo pela até isso ela entre depois sem mesmo aos seus quem nas me esse eles
        você essa num nem suas meu às minha numa pelos elas qual nós lhe deles essas esses pelas este dele tu te vocês
        vos lhes meus minhas teu tua teus tuas nosso nossa nossos nossas dela delas esta estes estas aquele aquela
        aqueles aquelas isto aquilo estou está estamos estão estive esteve estivemos estiveram estava estávamos estavam
        estivera estivéramos esteja estejamos estejam estivesse estivéssemos estivessem estiver estivermos estiverem hei
        há havemos hão houve houvemos houveram houvera houvéramos haja hajamos hajam houvesse houvéssemos houvessem
        houver houvermos houverem houverei houverá houveremos houverão houveria houveríamos houveriam sou somos são era
        éramos eram fui foi fomos foram fora fôramos seja sejamos sejam fosse fôssemos fossem formos forem serei será
        seremos serão seria seríamos seriam tenho tem temos tém tinha tínhamos tinham tive teve tivemos tiveram tivera
        tivéramos tenha tenhamos tenham tivesse tivéssemos tivessem tiver tivermos tiverem terei terá teremos terão
        teria teríamos teriam onde porque quê quais quanto quanta quantos quantas ser estar ter haver fazer faço fez
        feito faz posso pode podes podem poder devo deve dever quero quer queres querer sei sabe sabes saber digo diz
        disse disseste dito dizer vou vai vais vamos vão ir aqui ali lá ainda sempre nunca muita muitos muitas pouco
        assim então sim nada algo alguém algum alguma alguns algumas cada outro outra outros outras tudo todo toda todos
        todas bem obrigado obrigada olá oi pra pro pros comigo contigo sob sobre após antes durante desde contra fica
        ficar tá aí porém pois enquanto é
    """,
    "nl": """
        we
        de en van ik te dat die in een hij het niet zijn is was op aan met als voor had er maar om hem dan zou of wat
        mijn men dit zo door over ze zich bij ook tot je mij uit der daar haar naar heb hoe heeft hebben deze u want
        nog zal me zij nu geen omdat iets worden toch al waren veel meer doen toen moet ben zonder kan hun dus alles
        onder ja hier wie werd altijd doch wordt wezen kunnen ons zelf tegen na reeds wil kon niets uw iemand geweest
        andere waar waarom wanneer welke welk hoeveel bent hebt hadden kun kunt moeten moest mag mogen mocht wilt
        willen wou zouden zult zullen ga gaat gaan doe doet deed gedaan weet weten wist zeg zegt zei gezegd maak maakt
        jij jou jouw jullie onze hen wij m'n z'n d'r 'n 't nee wel heel erg zeer steeds ooit nooit alle elke ieder
        iedere tussen tijdens alsjeblieft dank hallo hoi
    """,
    "sv": """
        och det att i en jag hon som han på den med var sig för så till är men ett om hade de av icke mig du henne då
        sin nu har inte hans honom skulle hennes där min man ej vid kunde något från ut när efter upp vi dem vara vad
        över än dig kan sina här ha mot alla under någon eller allt mycket sedan ju denna själv detta åt utan varit
        hur ingen mitt ni bli blev oss din dessa några deras blir mina samma vilken er sådan vår blivit dess inom
        mellan sådant varför varje vilka ditt vem vilket sitta sådana dina vars vårt våra ert era vilkas vems haft
        kunna måste ska skall vill ville vilja får fick få gör gjorde göra gjort går gick gå vet visste säger sa sade
        sagt säga mej dej sej dom nån nåt nåra ja nej också mer väldigt lite bara redan alltid aldrig sen hos tack hej
        finns
    """,
    "no": """
        ei
        og i jeg det at en et den til er som på de med han av ikke ikkje der så var meg seg men ett har om vi min mitt
        ha hadde hun nå over da ved fra du ut sin dem oss opp kan hans hvor eller hva skal selv sjøl her alle vil bli
        ble blei blitt kunne inn når være noen noe ville dere deres kun ja etter ned skulle denne deg si sine sitt mot
        å meget hvorfor dette disse uten hvordan ingen din ditt blir samme hvilken hvilke sånn inni mellom vår hver
        hvem vors hvis både bare enn fordi før mange også slik vært båe begge siden dykk dykkar dei deira deires deim
        di då eg ein eit eitt elles honom hjå ho hoe henne hennar hennes hoss hossen ingi inkje korleis korso kva kvar
        kvarhelst kven kvi kvifor me medan mi mine mykje nokon noka nokor noko nokre sia sidan so somt somme um upp
        vere vore verte vort varte vart hvilket hatt må måtte får fikk få gjør gjorde gjøre gjort går gikk gå vet
        visste sier sa sagt nei veldig litt allerede alltid aldri hos takk hei finnes
    """,
    "da": """
        for
        og i jeg det at en den til er som på de med han af ikke der var mig sig men et har om vi min havde ham hun nu
        over da fra du ud sin dem os op man hans hvor eller hvad skal selv her alle vil blev kunne ind når være dog
        noget ville jo deres efter ned skulle denne end dette mit også under have dig anden hende mine alt meget sit
        sine vor mod disse hvis din nogle hos blive mange ad bliver hendes været jer sådan hvornår hvordan hvorfor
        hvem hvilken hvilket hvilke haft kan må måtte får fik få gør gjorde gøre gjort går gik gå ved vidste siger
        sagde sagt sige ja nej lidt bare allerede altid aldrig så uden tak hej findes vores jeres
    """,
    "fi": """
        olla olen olet on olemme olette ovat ole oli olisi olisit olisin olisimme olisitte olisivat olit olin olimme
        olitte olivat ollut olleet en et ei emme ette eivät minä minun minut minua minussa minusta minuun minulla
        minulta minulle sinä sinun sinut sinua sinussa sinusta sinuun sinulla sinulta sinulle hän hänen hänet häntä
        hänessä hänestä häneen hänellä häneltä hänelle me meidän meidät meitä meissä meistä meihin meillä meiltä
        meille te teidän teidät teitä teissä teistä teihin teillä teiltä teille he heidän heidät heitä heissä heistä
        heihin heillä heiltä heille tämä tämän tätä tässä tästä tähän tallä tältä tälle tänä täksi tuo tuon tuotä
        tuossa tuosta tuohon tuolla tuolta tuolle tuona tuoksi se sen sitä siinä siitä siihen sillä siltä sille siksi
        nämä näiden näitä näissä näistä näihin näillä näiltä näille näinä näiksi nuo noiden noita noissa noista noihin
        noilla noilta noille noina noiksi ne niiden niitä niissä niistä niihin niillä niiltä niille niinä niiksi kuka
        kenen kenet ketä kenessä kenestä keneen kenellä keneltä kenelle kenenä keneksi ketkä keiden keitä keissä
        keistä keihin keillä keiltä keille keinä keiksi mikä minkä mitä missä mistä mihin millä miltä mille miksi
        mitkä joka jonka jota jossa josta johon jolla jolta jolle jona joksi jotka joiden joita joissa joista joihin
        joilla joilta joille joina joiksi että ja jos koska kuin mutta niin sekä tai vaan vai vaikka kanssa mukaan
        noin poikki yli kun nyt itse milloin miten kumpi millainen kuinka pitää täytyy voi voin voit voisi voivat saa
        saan haluan haluat haluaa tiedän tiedät tietää sanoin sanoi sanoa myös vielä aina koskaan sitten täällä siellä
        hyvin paljon vähän kyllä joo kiitos hei mulla sulla mä sä onko eikö olenko joku jokin mitään kaikki
    """,
    "pl": """
        chce chcę chcesz a aby ale ani albo bardzo bez bo by być był była było byli były będę będzie będą choć chyba ci
        cię co coś czego czemu czy czyli czyj dla do dlaczego dlatego gdy gdzie gdzieś go i ich ile im inne inny ja jak
        jaka jaki jakie jakiej jakim jako je jego jej jemu jest jestem jesteś jesteśmy jeszcze jeśli jeżeli już każdy
        każda kiedy kim kogo komu kto która które którego której który których ma mam masz mają mamy miał miała mieć mi
        mną mnie mogę może możesz mogą można mój moja moje moją mojej mojego moich mojemu moim musi muszę na nad nam
        nami nas nasz nasza nasze naszej naszego nic nie niech nigdy nim nich niż no o od on ona one oni ono oraz po pod
        podczas ponieważ przed przez przy raz są się skąd swoje swój swoją ta tak taka taki takie tam te tego tej ten
        też to tobą tobie tu tutaj tych tylko tym twój twoja twoje ty u w wam was wasz we więc wie wiem wiesz wszystko z
        za ze że żeby zawsze został została dziękuję cześć proszę jakiś jakaś temu
    """,
    "cs": """
        a aby ale ani ano asi až bez bude budu budou by byl byla bylo byli být co což či do i já jak jaká jaké jaký
        jako je jeho její jejich jen jenom ještě jestli ji jí jim jsem jsi jsme jsou jste k kam kde kdo kdy když ke
        která které který kolik komu koho ku má mám máš máme mají mě mi mít mne mnou moje můj moji mých mého mé mou
        můžu můžeš může musím musí my na nad nám nás náš naše našeho naší ne nebo nejsem není než nic nikdy o od on
        ona oni ono pak po pod podle pokud pouze právě pro proč proto protože před přes při s se si své svůj svou ta
        tady tak taky také tam te teď ten tento tato toto tě ti to toho tom tomu tu tvůj tvoje ty u už v vám vás váš
        vaše ve vím víš vždy vy z za ze že chci chceš odkud
    """,
    "hu": """
        a ahogy ahol aki akik akkor alatt által általában amely amelyek amelyekben amelyeket amelyet amelynek ami amit
        amolyan amíg amikor át abban ahhoz annak arra arról az azok azon azt azzal azért aztán azután azonban bár be
        belül benne csak de e eddig egy egyes egyetlen egyéb egyik egyre ekkor el elég ellen elő először előtt első én
        éppen ebben ehhez emilyen ennek erre ez ezt ezek ezen ezzel ezért és fel felé hanem hiszen hogy hogyan igen
        így illetve ill. ill ilyen ilyenkor ismét itt jobban kell kellett keresztül ki kívül között közül legalább
        lehet lehetett legyen lenne lenni lesz lett maga magát majd már más másik meg még mellett mert mely melyek mi
        mit míg miért milyen mikor minden mindent mindenki mindig mint mintha mivel most nagy nagyobb nagyon ne néha
        nekem neki nem néhány nélkül nincs olyan ott össze ő ők őket pedig persze rá s saját sem semmi sok sokat
        sokkal számára szemben szerint szinte talán tehát teljes tovább továbbá több úgy ugyanis új újra után utána
        utolsó vagy vagyis valaki valami valamint való vagyok van vannak volt voltam voltak voltunk vissza vele
        viszont volna hol honnan hová kit kinek melyik mennyi hány vagyunk neked enyém tied te ti ön kellene tud tudok
        tudsz akar akarok akarsz szeretnék szeretne mond mondtam mondta csinál is soha köszönöm szia
    """,
    "ro": """
        ai
        a acea această acest acesta aceasta aici al ale am ar are as așa asta ați au avea avem aș bine că când care
        cât câți ce cei cel cea cele chiar cine ci cu cum cui da dacă dar de deci decât din după e ea ei el ele era
        eram este eu face fac fi fie fost foarte i îi îl îmi în încă între își la le lor lui mai mea mei mele mă mi
        mie meu mult multe mulți ne ni nici nimic niște noastră noastre nostru noștri noi nu o ori pe pentru poate pot
        poți prin prea s sa sale sau să se sunt suntem și știu știi ta tale tău te tot toate toți tu un una unde unei
        unor unu vă va vei voi vor vreau vrei vrea fără despre
    """,
    "ca": """
        a aquest aquesta aquests aquestes això allò al als amb aquí allà bé cada com de del dels des dir dit doncs el
        ella elles ells els em en encara era és ésser està estic estan et ets fa faig fer fet ha han has hem he hi ho
        i ja jo la les li lo m'ha mai mateix me mes més meu meva meus meves molt molta molts no nosaltres nostra
        nostre nostres o on perquè però per què quan qual qui quin quina quins quines quant res s sempre sense ser seu
        seva si sobre són sóc soc també te té tens tenim tinc tot tota tots totes tu un una uns unes va vaig vas vam
        van vostè vols vull puc pots pot
    """,
    "tr": """
        acaba ama aslında az bazı belki biri birkaç birşey biz bu çok çünkü da daha de defa diye eğer en gibi hem hep
        hepsi her hiç için ile ise kez ki kim mı mu mü nasıl ne neden nerde nerede nereye niçin niye o sanki şey siz
        şu tüm ve veya ya yani ben sen onlar bana sana ona bize size onlara beni seni onu bizi sizi benim senin onun
        bizim sizin onların bende sende nereden kimin kime kimi hangi kaç var yok değil evet hayır bir mi mısın misin
        mıyım miyim midir olan olarak oldu olur olmak ol idi şimdi sonra önce kadar göre ancak fakat sadece bile artık
        hâlâ zaten bunu şunu böyle şöyle öyle ederim teşekkürler merhaba lütfen musun müsün muyum müyüm
    """,
    "id": """
        ada adalah agar akan aku anda apa apakah atas atau bagaimana bahwa banyak belum berapa bisa boleh dalam dan
        dapat dari dengan di dia harus ia ini itu jadi jika juga kalau kami kamu kapan karena ke kenapa kepada kita
        lagi lebih mana mau mereka mengapa oleh pada saat saja saya sangat sebagai sedang sekarang sekali semua
        seperti siapa sudah tahu tapi telah tentang tetapi tidak tak untuk yang ya dimana ku mu nya akankah
    """,
    "vi": """
        là và của có không được cho với một những các này đó kia ở tại trong ngoài trên dưới khi nào gì ai đâu sao thế
        như thì mà rằng tôi tao mình bạn nó họ chúng ta đã đang sẽ rất cũng vẫn còn hay hoặc vì nên để từ đến bởi bị
        phải muốn biết mấy bao nhiêu cái
    """,
    "ru": """
        и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по только ее мне было вот от меня
        еще нет о из ему теперь когда даже ну вдруг ли если уже или ни быть был него до вас нибудь опять уж вам ведь
        там потом себя ничего ей может они тут где есть надо ней для мы тебя их чем была сам чтоб без будто чего раз
        тоже себе под будет ж тогда кто этот того потому этого какой совсем ним здесь этом один почти мой тем чтобы
        нее сейчас были куда зачем всех никогда можно при наконец об другой хоть после над больше тот через эти нас
        про всего них какая много эту моя впрочем свою этой перед иногда лучше чуть том нельзя такой им более всегда
        конечно всю между откуда почему кого кому кем какое какие каком какую который которая которое которые сколько
        чей чья мной нам нами тебе оно моё мое мои моего моей моему моих моим моём наш наша наше наши нашей нашего
        твой твоя твоё твои твоей ваш ваша ваши свой своя свои это эта буду будем могу можешь можем нужно должен хочу
        хочешь хочет знаю знаешь знает сказал сказала говорю говоришь ко ещё также очень
    """,
    "uk": """
        і й та а але або чи що як де куди звідки коли чому хто кого кому ким чого чим який яка яке які скільки чий я
        мене мені ми нас нам ти тебе тобі ви вас вам він вона воно вони його її їх їй йому мій моя моє мої моєї мого
        моїй моїх наш наша наше наші твій твоя свій своя це цей ця ці той те ті є бути був була було були буду буде
        можу можеш може треба хочу хочеш знаю знаєш у в на з із зі до від по під при про без для за не ні так ще вже
        теж також дуже тільки там тут зараз потім тоді завжди ніколи
    """,
    "el": """
        ο η το οι τα του της των τον την τους τις ένα ένας μια μία ενός και κι ή αλλά αν όταν γιατί πως πώς πού που τι
        ποιος ποια ποιο ποιοι ποιες πόσο πόσα πότε να θα δεν δε μη μην είναι είμαι είσαι είμαστε ήταν ήμουν έχω έχεις
        έχει έχουμε έχουν είχα είχε με σε στο στη στην στον στους στις στα από για προς ως σαν μου σου μας σας εγώ εσύ
        αυτός αυτή αυτό αυτά αυτές εμείς εσείς αυτοί εμένα εσένα πολύ πολλά πιο επίσης ακόμα τώρα εδώ εκεί κάτι
        κάποιος όλα όλοι μπορώ μπορείς μπορεί θέλω θέλεις ξέρω ξέρεις ναι όχι κάνω κάνεις κάνει
    """,
    "ar": """
        ما ماذا من متى أين كيف لماذا لم لن لا ليس ليست هل كم أي أية أيّ أيها الذي التي الذين هذا هذه ذلك تلك هؤلاء هنا
        هناك أنا نحن أنت أنتم هو هي هم في على إلى عن مع بين عند عندي عندك عنده عندنا عندها لدي لديك لديه لدينا لي لك
        له لنا لها لهم بي به بها بك فيه فيها منه منها عليه عليها علي إليه كان كانت كنت كنا كانوا يكون تكون أكون سيكون
        ستكون قد لقد سوف و أو ثم لكن لكنها لكنه بل إن أن إذا لو لأن لأنه حتى كل بعض غير بعد قبل منذ خلال حول أيضا جدا
        فقط الآن يمكن يمكنني يمكنك هلا نعم كلا يا أريد تريد أعرف تعرف قال قلت التى اللي ايش شو وين ليش إلا مثل كما
    """,
    "fa": """
        و در به از که این آن را با برای است هست هستم هستی هستیم هستند بود بودم بودند شد شده می نمی من تو او ما شما
        آنها ایشان چه چی چرا کی کجا چطور چگونه کدام چند آیا هم یا اگر اما ولی پس تا بر هر همه هیچ خود خودم دارم داری
        دارد داریم دارند داشتم کرد کردم کنم کنی می‌کنم می‌کند خواهم نیست نه بله خیلی دیگر یک مال باید بی
    """,
    "he": """
        של את על אל עם מה מי מתי איפה היכן לאן מאין איך למה מדוע האם כמה איזה איזו אני אנחנו אתה אתם הוא היא הם הן זה
        זאת זו אלה לי לך לו לה לנו לכם להם שלי שלך שלו שלה שלנו שלכם שלהם אותי אותך אותו אותה כן לא גם רק או אבל כי אם
        אז עוד כבר יש אין היה הייתה היו הייתי יהיה להיות כל מאוד שם פה כאן אצל בין
    """,
    "hi": """
        और का के की को में से पर है हैं हूँ हूं था थे थी हो होगा होता मैं मैंने मुझे मेरा मेरे मेरी हम हमें हमारा
        हमारे हमारी तुम तुम्हें तुम्हारा तुम्हारे आप आपका आपके आपकी वह वे यह ये उस इस उन इन उसका उसके उसकी इसका इसके
        इसकी क्या कौन कब कहाँ कहां कैसे क्यों कितना कितने कितनी किस किसका किसके किसकी जो कि तो भी ही ने लिए तक साथ या
        लेकिन अगर नहीं न हाँ एक कोई कुछ सब बहुत कर करना करता करती रहा रही रहे गया गई सकता सकती
    """,
}
"""Maps the code of a language (ISO 639-1) to its function words."""

HAN_FUNCTION_WORDS = """
    什么时候 什麼時候 为什么 為什麼 怎么样 怎麼樣 哪里 哪裡 哪儿 可以 的 了 吗 嗎 呢 吧 啊 我 你 您 他 她 它 们 們 是 這
    这 那 哪 什 么 麼 怎 很 也 谁 誰 私 僕 俺 何
"""
"""Strings of Chinese characters without a meaning of their own, in Chinese and Japanese, the longest first."""

KANA_FUNCTION_WORDS = """
    です ます でした ました ません ている ていて ています していた している いる ある いた あった あります ありました
    ない なかった から まで より など して した する しました します こと もの それ これ あれ どれ どこ どの この その
    あの いつ なに なぜ どう どんな だれ とても もっと また まだ もう では には とは のは のが のに ので けど でも だけ
    くらい ください たい たち さん くん ちゃん という について どこですか いつですか ですか ますか なんですか ありますか
    うちには ましたか でしたか
"""
"""Endings and particles of Japanese. Their pairs of characters are left out."""

THAI_FUNCTION_WORDS = """
    เมื่อไหร่ เมื่อไร อย่างไร ที่ไหน ทำไม อะไร ใคร ครับ ค่ะ คะ ฉัน คุณ และ ของ เป็น
"""
"""Function words of Thai, the longest first."""

KOREAN_FUNCTION_WORDS = """
    저 제 나 내 너 네 우리 저희 저는 나는 제가 내가 너는 우리는 이 그 저 것 거 수 등 및 또 더 안 못 왜 뭐 무엇 무슨 어떤
    어느 어디 언제 누구 누가 어떻게 얼마 몇 뭐예요 뭐야 무엇인가요 어디예요 어디야 언제예요 언제야 누구예요 있어요 있어
    있습니다 있나요 있는 없어요 없어 해요 해 했어요 합니다 하나요 이에요 예요 입니다 인가요 그리고 그런데 하지만 그래서
    아주 너무 정말 좀 잘 다시 지금 가장 때문에 대한 위한 같은 같아요 있는데
"""
"""Function words of Korean."""

KOREAN_PARTICLES = """
    이에요 이예요 예요 입니다 인가요 이었어요 였어요 이라고 라고 에서는 에서도 에서 에게서 에게 한테 으로는 으로 까지
    부터 에는 에도 이랑 하고 처럼 보다 마다 조차 밖에 이나 이다 께서 께 로 은 는 이 가 을 를 의 에 와 과 도 만 랑 나 야
    요
"""
"""The particles that follow a word of Korean without a space."""
