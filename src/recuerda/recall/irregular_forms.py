"""Irregular forms of words, in groups: the first form of a group stands for the others; see `inflection.py`.

A group has one form for each stem that the rules leave, because the rules join the rest. Verbs with a prefix are left
out if the verb without it is there.
"""

from __future__ import annotations

IRREGULAR_FORMS: dict[str, str] = {
    "de": """
        essen aß iss isst gegessen; trinken trank getrunken; lesen las liest lies gelesen; fahren fuhr gefahren;
        schreiben schrieb geschrieben; fliegen flog geflogen; ziehen zog gezogen; schlafen schlief geschlafen;
        laufen gelaufen; schwimmen schwamm geschwommen; singen sang gesungen; finden fand gefunden; verlieren
        verlor verloren; vergessen vergaß vergisst; treffen traf trifft getroffen; helfen half hilft geholfen;
        sprechen sprach spricht gesprochen; brechen brach bricht gebrochen; nehmen nahm nimmt genommen; sterben
        starb stirbt gestorben; werfen warf wirft geworfen; waschen wusch gewaschen; wachsen wuchs gewachsen
        wächst; tragen trug getragen; schlagen schlug geschlagen; lassen ließ gelassen; schneiden schnitt
        geschnitten; leihen lieh geliehen; bringen brachte gebracht; denken dachte gedacht; kennen kannte
        gekannt; brennen brannte gebrannt; nennen nannte genannt; rennen rannte gerannt; beginnen begann
        begonnen; gewinnen gewann gewonnen; bieten bot geboten; frieren fror gefroren; gießen goss gegossen;
        schließen schloss geschlossen; steigen stieg gestiegen; bleiben blieb geblieben; reiten ritt geritten;
        streiten stritt gestritten; stehlen stahl stiehlt gestohlen; backen buk gebacken; rufen rief gerufen;
        sitzen saß gesessen; liegen lag gelegen; stehen stand gestanden; gehen ging gegangen; kommen kam
        gekommen; sehen sah sieht gesehen; fallen fiel gefallen; fangen fing gefangen; hängen hing gehangen;
        halten hielt hält gehalten; heben hob gehoben; lügen gelogen; reißen riss gerissen; beißen biss
        gebissen; schießen schoss geschossen; schreien schrie geschrien; springen sprang gesprungen; sinken sank
        gesunken; klingen klang geklungen; bitten bat gebeten; laden lud geladen; messen gemessen; raten riet;
        riechen roch gerochen; kriechen kroch gekrochen; scheiden schied geschieden; scheinen schien geschienen;
        schweigen schwieg geschwiegen; senden sandte gesandt; wenden wandte gewandt; treten trat tritt getreten;
        treiben trieb getrieben; verderben verdarb verdorben; vergleichen verglich verglichen; verzeihen verzieh
        verziehen; wiegen wog gewogen; ziehen zieht; zwingen zwang gezwungen; leiden litt gelitten; leuchten
        leuchtete; melken molk gemolken; meiden mied gemieden; pfeifen pfiff gepfiffen; greifen griff gegriffen;
        binden gebunden; wissen wusste gewusst; schaffen schuf geschaffen; schmelzen schmolz geschmolzen;
        fressen fraß frisst gefressen; graben grub gegraben; blasen blies geblasen; braten briet gebraten;
        stechen stach sticht gestochen; stinken stank gestunken; streichen strich gestrichen; tun tat getan;
        biegen bog gebogen; fließen floss geflossen; genießen genoss genossen; gelten galt gilt gegolten; geben
        gab gibt gegeben; heißen hieß geheißen; schieben schob geschoben; verschwinden verschwand verschwunden;
        verstehen verstand verstanden; vergangen vergehen verging; museum museen; zentrum zentren; datum daten;
        thema themen; firma firmen; konto konten; praxis praxen; risiko risiken; gymnasium gymnasien; visum
        visa; virus viren; pizza pizzen; villa villen; album alben; medikament medikamente; arzt ärztin; koch
        köchin; anwalt anwältin; frau frauen; schwester geschwister; bruder gebrüder; wasser gewässer; berg
        gebirge; hoch hohe höher höchste; gut besser beste; nah näher nächste; viel mehr meiste; groß größer
        größte; alt älter älteste; jung jünger jüngste; allergisch allergiker; angenehm; angebot; hochzeit
        heirat heiraten; reise gereist; geburtstag geburtstage;
        laufen lief läuft; messen maß misst; raten rät geraten
    """,
    "fr": """
        œil yeux; travail travaux; vitrail vitraux; corail coraux; bail baux; émail émaux; ciel cieux; monsieur
        messieurs; madame mesdames; nouveau nouvelle nouvel; beau belle bel; vieux vieille vieil; gentil
        gentille; gros grosse; doux douce; roux rousse; faux fausse; fou folle; mou molle; sec sèche; frais
        fraîche; blanc blanche; favori favorite; long longue; clé clef; prendre pris prends prenez prennent
        prenait prenant; mettre mis met mets mettez mettent; boire bu bois boit buvait buvez; lire lu lis lit
        lisez lisait; écrire écrit écris écrivait écrivez écrivent; conduire conduit conduisait; voir vu vois
        voit voyez voyait voient verra; perdre perdu; cevoir çu çois çoit cevez çoivent; recevoir reçu reçois
        reçoit recevait reçoivent; tenir tenu tient tiens tenez tiennent tiendra tenait; venir venu vient viens venez
        viennent viendra venait vienne; mourir mort meurt meurs mourait meurent morte; naître né née nés naît
        naissait naissance naquit; ouvrir ouvert ouvre ouverte ouverture; couvrir couvert couvre couverte
        couverture; courir couru cours courait court; dormir dormi dors dort dormait; partir parti pars part
        partait; sortir sorti sors sort sortait; sentir senti sens sent; servir servi sers sert; mentir menti
        ment; croire cru crois croit croyait croyez croient; connaître connu connais connaît connaissait
        connaissent connaissance; paraître paru paraît paraissait; savoir su sais sait savait; vouloir voulu
        veux veut voulait; pouvoir pu peux peut pouvait; devoir dû dois doit devait; valoir valu vaut; falloir
        faut fallu fallait; vivre vécu vis vit vivait vivent; suivre suivi suis suit suivait suivent; rire ri
        rit riait; sourire souri sourit; plaire plu plaît plaisait; taire tu tait; coudre cousu coud; cuire cuit
        cuisait cuisson; construire construit construisait construction; traduire traduit traduction; détruire
        détruit destruction; produire produit production; réduire réduit réduction; offrir offert offre offerte;
        souffrir souffert souffre; peindre peint peignait peinture; craindre craint crains craignait crainte;
        éteindre éteint éteignait; plaindre plaint; joindre joint joignait; rejoindre rejoint; atteindre
        atteint; vendre vendu vend vente; rendre rendu rend; attendre attendu attend attente; entendre entendu;
        répondre répondu réponse; descendre descendu descente; battre battu bat; rompre rompu; vaincre vaincu;
        résoudre résolu résout; asseoir assis assied; acheter achat; appeler appel; payer paie paiement; essayer
        essai essaie; envoyer envoi envoie enverra; nettoyer nettoie; jeter jette; marier mariage; déménager
        déménagement; loger logement; choisir choix; mener mène; emmener emmène; lever lève; danser danse
        danseur; chanter chant chanteur chanteuse; nager natation nageur; jouer joueur jeu; dire dit dis disait
        disent; faire fait fais faisait font fera; aller vais va allait irai ira; pleuvoir plu pleut pluie;
        allergie allergique; infirmier infirmière; boulanger boulangère boulangerie; ami amie amitié; oncle
        tonton; grand-mère mamie; grand-père papi papy; mère maman; père papa; vélo bicyclette; voiture auto;
        copain copine; frère frangin; télé télévision; photo photographie; frigo réfrigérateur; médecin médecine
        médical médicament; ordinateur ordi;
        boire buvons
    """,
    "es": """
        ducir duje dujo duzca; conducir conduje conduzco; traducir traduje traduzco traducción; producir produje
        producción; poner puse pongo puesto pondré puso; venir vine vengo viene vendré; tener tuve tengo tiene
        tendré tuvo; traer traje traigo trajo traje trayendo; decir dije digo dice dicho diré dijo; hacer hice
        hago hizo hecho haré; dormir durmió durmiendo; morir murió muerto muerte muriendo; pedir pidió pido
        pide; seguir siguió sigo sigue siga; servir sirvió sirve sirvo; vestir vistió visten vistiendo; elegir
        eligió elijo elige; corregir corrige corrigió; repetir repite repitió; medir mide midió; reír ríe rió
        río; sonreír sonríe sonrió; freír frito fríe; leer leyó leí leído leyendo; caer cayó caí caído caigo;
        creer creyó creí creído; oír oyó oigo oye oído oyendo; construir construyó construye construcción;
        destruir destruyó destruye; huir huyó huye; romper roto rotura; escribir escrito; abrir abierto abertura
        apertura; volver vuelto vuelta; resolver resuelto; cubrir cubierto; imprimir impreso; ver visto vi veo
        vio veía vemos ven; saber supe sé supo; poder pude puede podré pudo; querer quise quiere quiso querré
        quieren; andar anduve anduvo; caber cupe cabré; dar doy diste dieron daba; ir voy fue; salir salgo
        saldré sale; valer valgo valdré vale; sentir sintió sintiendo; preferir prefirió prefiriendo
        preferencia; divertir divirtió; convertir convirtió; mentir mintió; sugerir sugirió; herir hirió herido;
        morder mordió mordisco; jugar juego juega jugué jugador; conocer conozco conocimiento; nacer nací nazco
        nacimiento; crecer crecí crezco crecimiento; parecer parezco; agradecer agradezco; mudar mudanza; nadar
        natación nadador; casar casamiento; doler dolor duele; llover lluvia llueve; nevar nieve nieva; actor
        actriz; inglés inglesa ingleses inglaterra; francés francesa francia; alemán alemana alemania; español
        española españa; italiano italia; portugués portugal; rey reina reyes; mujer mujeres; pie pies; mes
        meses; bebé bebés; café cafés; menú menús; sofá sofás; mamá madre mami; papá padre papi; abuelo abuelito
        yayo; abuela abuelita yaya; moto motocicleta; bici bicicleta; foto fotografía fotógrafo; tele televisión
        televisor; auto automóvil coche; móvil celular; ordenador computadora computador; zapato zapatilla;
        gafas lentes; piso apartamento departamento; nevera frigorífico refrigerador; médico medicina
        medicamento; dentista dental diente; pagar pago; comer comida; beber bebida; alergia alérgico;
        cumpleaños cumple; ratón ratones; comprar compra; viajar viaje; trabajar trabajo; cantar canción
        cantante; bailar baile; empezar comienzo comenzar; huevo huevos;
        caer cae; oler huele olía olió
    """,
    "it": """
        uomo uomini; dio dei; bue buoi; zio zii; prendere preso presi prese; scrivere scritto scrissi scrisse
        scrittura; leggere letto lessi lesse lettura; mettere messo misi mise; vedere visto vidi vede vedrà
        veduto vedremo vedrai; perdere perso persi perse perdita; rompere rotto ruppe rottura; aprire aperto
        apre apro apertura; chiudere chiuso chiusi chiuse chiusura; vivere vissuto visse vivo; nascere nato
        nacque nascita; morire morto muore muoio morì morte; bere bevuto bevo bevve berrò bevanda; venire viene
        vengo venne verrà vieni vennero; dormire dormo; finire finisco; capire capisco; preferire preferisco;
        spedire spedisco; uscire esco esce uscito uscita; tenere tiene tengo tenne terrà tieni; rimanere rimasto
        rimango rimase rimarrà; scegliere scelto scelgo scelse scelta; togliere tolto tolgo tolse; cogliere
        colto colgo colse; sciogliere sciolto; vincere vinto vinse vincita; correre corso corse; cuocere cotto
        cuoco cosse cottura; dipingere dipinto dipinse; accendere acceso accese; spegnere spento spense spengo;
        offrire offerto offre offerta; soffrire sofferto; coprire coperto copre; scoprire scoperto scoperta;
        decidere deciso decise decisione; spendere speso spese spesa; chiedere chiesto chiese; rispondere
        risposto rispose risposta; ridere riso rise; sorridere sorriso; piangere pianto pianse; tradurre
        tradotto traduco traduzione tradusse; durre dotto duco duce dusse; produrre prodotto produce; condurre
        condotto; ridurre ridotto; porre posto pongo pone pose; trarre tratto traggo; scendere sceso scese
        discesa; salire salgo salita; stringere stretto; spingere spinto; giungere giunto; muovere mosso mosse;
        piacere piaciuto piacque piacciono; sapere so seppe saprà; potere può posso; volere voluto vuole voglio;
        dovere deve devo dovrà; fare fatto faccio fece faceva; dire detto dico disse diceva; dare dato diede do;
        stare stato stette; andare vado va andò andato; riuscire riesco riesce; sedere siede siedo seduto;
        correggere corretto; eleggere eletto; distruggere distrutto; difendere difeso; uccidere ucciso; rendere
        reso; tendere teso; appendere appeso; prendere; crescere cresciuto crebbe; conoscere conosciuto conobbe
        conoscenza; cadere cadde caduta; amico amici amiche amicizia; medico medici medicina; tedesco tedeschi
        germania; uovo uova; dito dita; braccio braccia; ginocchio ginocchia; labbro labbra; paio paia; lenzuolo
        lenzuola; osso ossa; muro mura; mano mani; moglie mogli; città; attore attrice; dottore dottoressa;
        bambino bimbo bambini bimbi; mamma madre; papà padre babbo; nonno nonni; moto motocicletta motociclo;
        bici bicicletta; foto fotografia; auto automobile macchina; cellulare telefonino; frigo frigorifero; tv
        televisione televisore; allergia allergico; sposare sposato sposi matrimonio; nuotare nuoto; giocare
        gioco giochi; cucinare cucina; pagare pagamento; viaggiare viaggio; trasferire trasferisco trasloco
        traslocare; valigia valigie; ciliegia ciliegie; arancia arance
    """,
    "pt": """
        pôr pus posto ponho pôs punha posta; trazer trouxe trago traz; fazer fiz feito faço fez fará; dizer
        disse digo diz dito; ver vi visto vejo viu vê veem veja; vir vim venho veio vem vindo vieram; ter tive
        tenho teve tem tinha; dormir durmo dorme; pedir peço pede; perder perco perde perda; ouvir ouço ouve;
        abrir aberto abre abertura; escrever escrito; cobrir coberto cubro; morrer morto morte; cair caí caiu
        caio queda; sair saí saiu saio saída; ler leio li leu lido leitura; crer creio; conduzir conduzi conduz;
        produzir produz produção; traduzir traduz tradução; saber soube sei sabe; poder pude pode posso pôde;
        querer quis quero quer; dar deu dou dei dá dado; ir vou foi vai; seguir sigo segue; preferir prefiro
        prefere preferência; sentir sinto sente; servir sirvo serve; vestir visto veste; subir sobe; fugir foge;
        mentir minto; conseguir consigo consegue; repetir repito; dormir; construir constrói construção;
        destruir destrói; rir ri riu rio; valer valho vale; medir meço mede; pagar pago pagamento; ganhar ganho;
        gastar gasto; entregar entregue entrega; aceitar aceite; nascer nasci nasceu nascimento; crescer cresço
        cresceu; conhecer conheço; ator atriz; irmão irmã; alemão alemã alemanha; inglês inglesa inglaterra;
        português portuguesa portugal; francês francesa frança; espanhol espanha; mês meses; rapaz rapazes; mãe
        mamã mamãe; pai papá papai; avó avozinha vovó; avô vovô; moto mota motocicleta; telemóvel celular;
        autocarro ônibus; comboio trem; frigorífico geladeira; pequeno-almoço café; casa casinha; bicicleta
        bici; foto fotografia; carro automóvel; telefone telefonar; jogar jogo jogador; nadar natação; casar
        casamento; alergia alérgico; chover chuva; cozinhar cozinheiro cozinha; mudar mudança; bom boa bons; mau
        má; dois duas; pão pães; cão cães cachorro; cor cores; mulher mulheres; colher colheres; flor flores;
        açúcar açúcares; voar voo; viajar viagem; chegar chegada; partir partida;
        anel anéis
    """,
    "nl": """
        kopen kocht; zoeken zocht; denken dacht; brengen bracht; schrijven schreef; lezen las; eten at gegeten;
        drinken dronk; lopen liep; slapen sliep; rijden reed; vliegen vloog; zwemmen zwom; zingen zong; vinden
        vond gevonden; weg wegen; verliezen verloor verloren; vergeten vergat; breken brak gebroken; spreken
        sprak gesproken; nemen nam genomen; geven gaf; sterven stierf gestorven; helpen hielp geholpen; dragen
        droeg; beginnen begon; kiezen koos gekozen; sluiten sloot gesloten; blijven bleef; kijken keek; snijden
        sneed; krijgen kreeg; zien zag gezien ziet; staan stond gestaan; gaan ging gegaan; komen kwam kom
        gekomen; houden hield hou; laten liet; vallen viel; liggen lag gelegen; zitten zat gezeten; wijzen wees;
        lijken leek; blijken bleek; stelen stal gestolen; vechten vocht; trekken trok; treffen trof; schieten
        schoot; springen sprong; winnen won; binden bond; bieden bood geboden; vragen vroeg; slaan sloeg; worden
        werd; hangen hing; vangen ving; roepen riep; wassen waste; bakken bakte; bijten beet; rijzen rees;
        stijgen steeg; schenken schonk; schrikken schrok; wegen woog gewogen; bewegen bewoog; verdwijnen
        verdween; begrijpen begreep; verschijnen verscheen; verlaten verliet; buigen boog; liegen loog; ruiken
        rook; sluiten; zwijgen zweeg; doen deed gedaan; weten wist; kunnen kon; mogen mocht; zenden zond; bidden
        bad; meten mat; treden trad getreden; lijden leed geleden; overlijden overleden overleed; glijden gleed;
        strijken streek; prijzen prees; vriezen vroor; scheren schoor; zweren zwoer; werpen wierp; bederven
        bedierf bedorven; zoek; kind kinderen; ei eieren; stad steden; schip schepen; dag dagen; glas glazen;
        gat gaten; bad baden; museum musea; vriend vriendin; koe koeien; vrouw vrouwen; goed beter best; groot
        groter grootst; laat later laatst; oud ouder oudste; duif duiven; neus neuzen; brief brieven; leraar
        lerares leraren; arts artsen; kleinkind kleinkinderen; blad bladeren bladen; lied liederen; been benen;
        schoen schoenen; mama moeder; papa vader; oma grootmoeder; opa grootvader; allergie allergisch; foto's
        foto fotograaf fotograferen; auto's auto; mooi mooie; huwelijk trouwen getrouwd bruiloft; verhuizen
        verhuisd verhuizing; kroon kronen; geneesmiddel medicijn medicijnen;
        hangen hingen gehangen
    """,
    "sv": """
        bok böcker; fot fötter; bror bröder broder; mor mödrar moder mamma; far fäder fader pappa; dotter
        döttrar; öga ögon; öra öron; mus möss; gås gäss; lus löss; bonde bönder; stad städer stan; natt nätter;
        hand händer; tand tänder; son söner; rot rötter; äpple äpplen; vän vänner; skriva skrev skrivit skriven;
        äta åt ätit äter; dricka drack druckit; läsa läst; springa sprang sprungit; sjunga sjöng sjungit; sova
        sov sovit; bryta bröt brutit bruten; flyga flög flugit; resa rest; föda född föddes; sälja sålde sålt
        såld; ge gav gett ger givit; ta tog tagit tar tagen; se såg sett ser; bära bar burit; dö dog dött dör
        död; lägga lade lagt la; sätta satt satte; vinna vann vunnit; stjäla stal stulit stulen; hyra hyrde
        hyrt; köra körde kört; höra hörde hört; göra gjorde gjort gör; gå gick gått går; stå stod stått står; få
        fick fått får; slå slog slagit slår; dra drog dragit drar; bo bodde bott bor; tro trodde trott tror; må
        mådde mår; nå nådde nått; sy sydde sytt; klä klädde klätt klär; ligga låg legat; sitta suttit; komma kom
        kommit; hålla höll hållit; falla föll fallit; finna fann funnit fanns finns; binda band bundit; hinna
        hann hunnit; spricka sprack; sticka stack stuckit; brinna brann brunnit; försvinna försvann försvunnit;
        bjuda bjöd bjudit; frysa frös frusit; ljuga ljög ljugit; njuta njöt njutit; skjuta sköt skjutit; stryka
        strök; välja valde valt vald; vänja vande; dölja dolde dolt; skilja skilde skild; spörja sporde; bli
        blev blivit blir; be bad bett ber; veta vet visste; vara var varit; säga sade sagt sa säger; kunna kan;
        leva levde levt; vilja ville; glömma glömde glömt glöm; lära lärare lärde lärt; träna träning tränare;
        liten litet små lilla mindre; stor större störst; bra bättre bäst; gammal äldre äldst; ung yngre; lång
        längre längst; hög högre; bil bilar; syster systrar; kött; museum museet museer; allergi allergisk
        allergiker; gifta gift bröllop giftermål; mormor mormödrar; farmor farmödrar; byta byte; cykel cyklar
        cykla; nyckel nycklar; fågel fåglar; fika; tvätta tvättade; flytta flytt; betala betalning;
        bita bet bitit biter; skära skar skurit skär
    """,
    "da": """
        mand mænd; hånd hænder; nat nætter; by byer byen; tand tænder; bror brødre broder; datter døtre; barn
        børn; øje øjne; fod fødder; bog bøger; mor mødre moder; far fædre fader; and ænder; gås gæs; søster
        søstre; kraft kræfter; stad stæder; købe købt; skrive skrev skrevet; spise spist; drikke drak drukket;
        læse læst; løbe løb; synge sang sunget; finde fandt fundet; sove sov; brække brækkede; bryde brød brudt;
        flyve fløj fløjet; rejse rejst; flytte flyttede; føde født fødsel; sælge solgte solgt; stjæle stjal
        stjålet; give gav gift givet giver; tage tog taget tager; se så set ser; bære bar båret; dø døde død
        dør; lægge lagde lagt; sætte satte sat; vinde vandt vundet; få fik fået får; gå gik gået går; stå stod
        stået står; slå slog slået slår; bo boede bor; tro troede tror; komme kom kommer; holde holdt; falde
        faldt faldet; ligge lå ligget; sidde sad siddet; binde bandt bundet; hænge hang hængt; hjælpe hjalp
        hjulpet; springe sprang sprunget; drive drev drevet; blive blev blevet bliver; gribe greb grebet; skyde
        skød skudt; byde bød budt; fryse frøs frosset; lyve løj løjet; nyde nød nydt; ryge røg røget; vælge
        valgte valgt; spørge spurgte spurgt; fortælle fortalte fortalt; tælle talte talt; gøre gjorde gjort gør;
        sige sagde sagt siger; vide ved vidste; kunne kan; ville vil; høre hørt; køre kørt; bede bad bedt beder;
        bruge brugt; møde mødt; ske skete sket sker; lille små mindre mindst; stor større størst; god bedre
        bedst; gammel ældre ældst; ung yngre; lang længere længst; ny nyt nye; mormor mormødre bedstemor
        bedstemødre; farmor farmødre; morfar bedstefar; allergi allergisk; gift gifte bryllup; cykel cykle; leje
        lejede lejer; betale betaling; svømme svømmede; miste mistede; arbejde arbejdede; lave lavede; spille
        spillede; starte startede; samle samlede; dag dage dagen; uge uger ugen; år året årene årets
    """,
    "no": """
        mann menn; hånd hender; natt netter; by byer byen; tann tenner; bror brødre broder; datter døtre
        dattera; barn barna; øye øyne; fot føtter; bok bøker boka; mor mødre moder mamma; far fedre fader pappa;
        gås gjess; søster søstre søstra; kraft krefter; tre trær; kjøpe kjøpt; skrive skrev skrevet; spise
        spist; drikke drakk drukket; lese lest; løpe løp; synge sang sunget; finne fant funnet; sove sov; brekke
        brakk brukket; bryte brøt brutt; fly fløy fløyet; reise reist; flytte flytt; føde født fødsel; selge
        solgte solgt; stjele stjal stjålet; gi gav ga gitt gir; ta tok tatt tar; se så sett ser; bære bar båret;
        dø døde død dør; legge la lagt; sette satte satt; vinne vant vunnet; få fikk fått får; gå gikk gått går;
        stå stod stått sto står; slå slo slått slår; bo bodde bodd bor; tro trodde trodd tror; komme kom kommer;
        holde holdt; falle falt; ligge lå ligget; sitte sittet; binde bandt bundet; henge hang hengt; hjelpe
        hjalp hjulpet; springe sprang sprunget; drive drev drevet; bli ble blitt blir; gripe grep grepet; skyte
        skjøt skutt; by bød budt; fryse frøs frosset; lyve løy løyet; nyte nøt nytt; ryke røk; velge valgte
        valgt; spørre spurte spurt spør; fortelle fortalte fortalt; telle talte talt; gjøre gjorde gjort gjør;
        si sa sagt sier; vite vet visste; kunne kan; ville vil; høre hørt; kjøre kjørt; be ba bedt ber; bruke
        brukt; møte møtte møtt; skje skjedde skjer; leie leide; svømme svømt; dra dro dratt drar; kle kledde; sy
        sydde; kjenne kjent; dele delt; leve levde levd; prøve prøvde; liten lite små lille mindre minst; stor
        større størst; god bedre best; gammel eldre eldst; ung yngre; lang lengre lengst; ny nytt nye; mormor
        mormødre bestemor bestemødre; farmor farmødre; morfar bestefar; allergi allergisk; gift gifte bryllup;
        sykkel sykle; nøkkel nøkler; betale betaling; dag dager dagen; uke uker uka uken; år året årene årets
    """,
    "pl": """
        człowiek ludzie ludzi ludźmi ludziom; dziecko dzieci dziećmi; brat bracia braci; pies psa psy psem psów
        psi; sen snu sny; dzień dnia dni dniu dniem; tydzień tygodnia tygodnie tygodniu; rok lata lat latach;
        ręka ręce rąk; oko oczy oczu; ucho uszy; ksiądz księdza księża; wieś wsi; krew krwi; ojciec ojca
        ojcowie; syn synowie; przyjaciel przyjaciół; sąsiad sąsiedzi; książka książek; mąż męża mężowie; koń
        konia; kwiecień kwietnia; miasto mieście miast; rower; kwiat kwiaty kwiecie; las lesie lasu; świat
        świecie świata; lato lecie; gość goście gości; pisać piszę pisał napisać napisał napisz; czytać czyta
        przeczytać przeczytał; jechać jadę jedzie pojechać pojechał jechał jedziemy; iść idę szedł poszedł idzie
        szła poszła pójść; robić robię zrobić zrobił; kupić kupię kupować kupował; sprzedać sprzedaję sprzedał
        sprzedawać; jeść jem zjeść jadł zjadł je; pić piję wypić pił; dać daję dał dawać; wziąć wezmę wziął brać
        biorę brał; uczyć uczę uczył nauczyć uczyła; spać śpię spał; mówić mówię powiedzieć powiedział; myśleć
        myślę myślał; chcieć chcę chciał chce; móc mogę może mógł mogła mogli; znać znam poznać; wiedzieć wiem
        wiedział; widzieć widzę widział zobaczyć; słyszeć słyszę słyszał; gotować gotuję ugotować; prać piorę
        prał; myć myję umyć; spotkać spotkam spotykać; zapomnieć zapomniał zapominać; zacząć zacznę zaczął
        zaczynać; umrzeć umarł umiera; urodzić urodził rodzić; mieszkać mieszkam zamieszkać; malować pomalować;
        naprawić naprawiać; płacić płacę zapłacić; szukać poszukać; zgubić zgubiłem gubić; złamać złamał złamana
        łamać; grać gra zagrać; śpiewać zaśpiewać; budować zbudować; lubić polubić; nauczyciel nauczycielka;
        lekarz lekarka; alergia alergiczny uczulenie uczulony; matka mama; ojciec tata; babcia babka; dziadek
        dziadka; niemcy niemiec niemiecki; polska polski polak; anglia angielski; dobry lepszy najlepszy; duży
        większy; mały mniejszy; praca pracy pracę pracować; podróż podróżować; gra grać; ślub wesele; stół stole; dom
        domu;
        zdjęcie zdjęć; liść liście; nóż noża; sól soli; róża róż; łódź łodzi; odpowiedź odpowiedzieć; spotkanie
        spotkań; mieszkaniec mieszkańcy; raport; auto samochód; telefon komórka
    """,
    "cs": """
        pes psa psi psy psem; dítě děti dětí; člověk lidé lidí lidi; dům domu domy; stůl stolu stoly; přítel
        přátelé přátel; den dne dny dní; týden týdne týdny; rok roky let lety letech; oko oči; ucho uši; ruka
        ruce; vůz vozu; sůl soli; nůž nože; kůň koně; sestra sester; jméno jmen; psát píšu psal napsat napsal
        píše; číst čtu četl přečíst čte; jíst jím jedl jí snědl; pít piju pil piji; jet jedu jel jede; jít jdu
        šel jde šla přijít přišel; mít mám měl; být; spát spím spal; koupit koupil kupovat; prodat prodal
        prodává; dát dal dávám; vzít vzal beru brát; říci řekl říct řekla; vědět vím věděl víte; vidět viděl
        vidím; chtít chci chtěl chce; moci můžu mohu mohl může; najít našel našla; ztratit ztratil; zemřít
        zemřel; začít začal začíná; žít žije žil; hrát hraje hrál hra; mluvit mluvil; učit učil učitel učitelka;
        bydlet bydlím bydlel; pracovat pracoval práce; vařit vařil; narodit narozen narozeniny; vést vede vedl;
        nést nese nesl; otec otce tatínek táta; matka maminka máma; babička babičky; přijmout přijal; alergie
        alergický; svatba svateb; dobrý lepší nejlepší; velký větší největší; malý menší; vysoký vyšší; starý
        starší; německo německý němec; auto aut; kolo kol; peníze peněz; hvězda hvězd; práce prací; zub zuby;
        hlava hlav; město měst městě; slovo slov; okno oken; lékař lékařka doktor
    """,
    "ru": """
        человек люди людей людям людьми; ребёнок дети детей ребёнка детям; день дня дни дней; отец отца отцы;
        мать матери мама; дочь дочери; друг друзья друзей; сын сыновья сыновей; брат братья братьев; муж мужья;
        сестра сестёр; окно окон; письмо писем; яйцо яиц; ухо уши ушей; имя имени имена; время времени; семя
        семени; песня песен; свадьба свадеб; деньги денег; год лет; лев льва; лёд льда; рот рта; сон сна; пёс
        пса; день дней; любовь любви; церковь церкви; кофе; цветок цветы цветов; котёнок котята; щенок щенка
        щенята; жеребёнок жеребята; дерево деревья; писать пишу пишет написать написал напишу; искать ищу ищет
        искал; ходить хожу ходил; платить плачу заплатить заплатил; плакать плачет; покупать купить купил куплю
        покупка; продать продал продавать продам; бежать бегу бегать побежал; есть ем ел съел ест едим кушать;
        пить пью пил выпил пьёт; спать сплю спал спит; ехать еду ехал поехать поехал едет ездить езжу; идти иду
        шёл шла пойти пошёл пошла идёт пойду; лететь лечу летел летать полететь; взять возьму взял брать беру
        брал; дать дал даю давать дам; сказать скажу сказал; резать режу; вязать вяжу; мыть мою мыл помыть; жить
        живу жил живёт; звать зову звал зовут; звонить позвонить; видеть вижу видел увидеть; слышать слышу;
        сидеть сижу; готовить приготовить; учить учитель выучить; читать прочитать прочёл; строить построить;
        варить сварить; рисовать рисую нарисовать; танцевать танцую; потерять терять; сломать ломать; найти
        нашёл нашла нахожу находить; умереть умер умерла; родиться родился родилась рождение; болеть болит болел
        заболеть; расти вырос рос; начать начал начинать начну; понять понял понимать; помочь помог помогать
        помогла; мочь могу может мог могла могут; хотеть хочу хотел хочет хотят; лечь лёг ложиться; сесть сел
        садиться; встретить встречать встретил встреча; открыть открыл открывать открою; закрыть закрыл
        закрывать; забыть забыл забывать; ответить отвечать ответ; спросить спрашивать; решить решать; вернуть
        вернулся возвращать; получить получать; отдать отдал; послать послал посылать пошлю; съесть; петь пою
        пел поёт; бить бью бил; шить шью шил сшить; хороший лучше лучший; плохой хуже; большой больше; маленький
        меньше; старый старше; аллергия аллергик аллергический; бабушка баба; дедушка дед; папа отец; квартира;
        машина автомобиль; телефон мобильник; велосипед велик; германия немецкий немец; учительница; врач
        доктор; сантехник сантехники; ключ ключи; друг подруга; ночь ночи; путешествие путешествовать; работа
        работать; жена жениться; замок замка; неделя недель; пальто; стол столы
    """,
    "uk": """
        людина люди людей людям; дитина діти дітей дітям; день дня дні днів; батько батька тато; мати матері
        мама матір; друг друзі друзів; сестра сестер; вікно вікон; ніч ночі; кіт кота коти; стіл столу столи;
        рік року роки років році; дім дому доми; ніж ножа ножі; бік боку; річ речі; ріг рогу; піч печі; лід
        льоду; лоб; сіль солі; рука руці; нога нозі; книга книзі книжка книжок; син сини; брат брати; гра ігор;
        око очі; вухо вуха; ім'я імені; річка річок річці; дорога дорозі; подруга подрузі; писати пишу писав
        написати написав пише; їсти їм їв; пити п'ю пив; спати сплю спав; їхати їду їхав поїхати; іти йду йшов
        іде піти пішов; жити живу жив; купити купив куплю купувати; продати продав продаю; дати дав даю; взяти
        взяв візьму брати; сказати сказав скажу; бачити бачив бачу; хотіти хочу хоче хотів; могти можу може міг
        можуть; знати знаю знає; платити плачу; шукати шукаю; загубити загубив; зламати зламав; знайти знайшов;
        народитися народився народилася; померти помер; готувати готую; вчити вчу вчив учитель вчитель;
        працювати працюю робота; любити люблю; алергія алергічний алергік; лікар лікарка; весілля весіль; гривня
        гривень; українець українці; київ києва києві; львів львова львові; добрий кращий; великий більший;
        малий менший; бабуся баба; дідусь дід
    """,
    "fi": """
        poika pojan pojat; käsi käden kädet kättä; vesi veden vettä; uusi uuden uutta uudet; vuosi vuoden vuotta
        vuonna vuodet; kuusi kuuden; kausi kauden; lapsi lapsen lapset lasten lasta; mies miehen miehet miestä;
        veli veljen veljet veljeä; hammas hampaan hampaat; ystävä ystävät; mökki mökin; joki joen joet; ruoka
        ruoan ruoat; reikä reiän; aika ajan ajat; leipä leivän; lukea luen luin luki lue; myydä myin myy myynyt
        möi; syödä syön söin syö syönyt; juoda juon join juo juonut; tehdä teen tein teki tehnyt tekee tekemään
        tehty; nähdä näen näin näki nähnyt näkee; tulla tulen tuli tullut tule tulee; mennä menen meni mennyt
        menee; olla; saada saan sain sai saanut; jäädä jään jäi jäänyt; viedä vien vei vienyt; tuoda tuon toi
        tuonut; käydä käyn kävi käynyt käy; ostaa ostin osti ostanut ostan; asua asuin asui; muuttaa muutin
        muutti muutan; antaa annan antoi antanut; ottaa otan otti ottanut; kirjoittaa kirjoitan kirjoitti;
        lähteä lähden lähti; ajaa ajan ajoi; laulaa laulan lauloi; soittaa soitan soitti; kuolla kuoli kuollut
        kuolee; juosta juoksen juoksi; pestä pesen pesi; hävitä häviää; tavata tapaan tapasi; herätä herään;
        maata makaan; häät häiden häissä; työ työn työtä töitä työt; yö yön yöt öitä; tie tien tiet; maa maan
        maat maata; suu suun; puu puun puut; avain avaimen avaimet; tytär tyttären tyttäret; sisar sisaren;
        suomi suomen suomessa suomalainen; ruotsi ruotsin ruotsalainen; yksi yhden yhtä; kaksi kahden kahta;
        allergia allerginen; pöytä pöydän; äiti äidin; isä isän; mummo isoäiti mummi; ukki vaari isoisä; luku
        luvun; puku puvun; ihminen ihmiset; hyvä parempi paras hyviä; pitkä pitkään; kieli kielen; pieni pienen;
        suuri suuren suurin; nuori nuoren; pää pään; jää jään; kesä kesän; kaveri ystävä; lääkäri tohtori
    """,
    "hu": """
        ló lovak lovat lovam; tó tavak tavat tavon; kő kövek köve; bokor bokrok; tükör tükrök; álom álmok;
        étterem éttermek éttermet; dolog dolgok dolgot dolgom; falu falvak faluban; hó havak; szó szavak szavam;
        híd hidak; út utak utat; víz vizek; tűz tüzek; gyerek gyermek gyerekek; fiú fia fiam fiai; apa apja
        apám; anya anyja anyám; testvér testvérek; majom majmok; sarok sarkok; szobor szobrok; torony tornyok;
        köröm körmök; toll tollak; ökör ökrök; cukor cukrot; farok farkak; vesz vett vettem venni vettünk vette
        vegyél; eszik ettem enni eszem evett ettünk eszünk; iszik ittam inni iszom ivott ittunk; megy mentem
        menni ment megyek mentünk; jön jöttem jönni jött jövök gyere; visz vitt vittem vinni; hisz hitt hittem
        hinni; tesz tett tettem tenni tette; lesz lett; lát látott láttam látni látom; alszik aludtam aludni
        aludt; fekszik feküdt feküdtem; lakik laktam lakom lakott; dolgozik dolgozom dolgoztam dolgozni
        dolgozott munka; elad eladtam eladott eladni; ír írt írtam írni írta; olvas olvasott olvastam olvasni;
        kap kapott kaptam kapni; ad adott adtam adni adta; főz főzött főztem főzni; játszik játszott játszom
        játszani; tanul tanult tanultam tanulni; beszél beszélt beszélni beszélek; szeret szeretem szereti
        szeretnék; néz néztem nézni; fut futott futni; úszik úszni úszott úszom; vásárol vásárolt vásárolni
        vásárlás; születik született születtem születés; meghal meghalt halál; költözik költözött költöztem
        költözés; elveszít elvesztett elvesztettem; eltörik eltört törött; eltör törni; fizet fizetett fizetni;
        használ használt használni; találkozik találkozó találkozott; allergia allergiás; orvos doktor; autó
        kocsi; nagymama nagyi nagyanya; nagypapa nagyapa; jó jobb legjobb; nagy nagyobb; kis kisebb kicsi; sok
        több; barát barátnő; bicikli kerékpár; kutya kutyus; cica macska
    """,
    "ro": """
        om oameni oamenii; masă mese; fată fete; soră surori; mână mâini; noapte nopți; mamă mame; tată tată
        tați; băiat băieți; copil copii copiii; cheie chei cheile; casă case; piatră pietre; iarbă ierburi; zi
        zile ziua; ou ouă; cap capete; nume; tânăr tineri; cumpăra cumpărat cumpăr; scrie scris scriu scria;
        mânca mâncat mănânc mănâncă; bea băut beau; merge mers merg; pune pus pun; spune spus spun; zice zis;
        duce dus duc; face făcut fac; vedea văzut văd vede; ști știut știu știe; putea putut pot poate; lua luat
        iau ia; da dat dau; sta stat stau; veni venit vin vine; muri murit moare; naște născut naștere; rămâne
        rămas; trece trecut; ajunge ajuns; alege ales; cere cerut; crede crezut; deschide deschis; închide
        închis; dormi dormit dorm doarme; juca jucat joc joacă; rupe rupt; pierde pierdut; prinde prins;
        răspunde răspuns; râde râs; trimite trimis; ține ținut; vinde vândut vânzare; înțelege înțeles; coace
        copt; fierbe fiert; citi citit citesc; iubi iubit iubesc; locui locuit locuiesc; munci muncit muncesc;
        găsi găsit găsesc; profesor profesoară; alergie alergic; frumos frumoasă; nou nouă noi; mașină
        automobil; doctor medic; bunică bunica bunici; bunic bunicul; bun bună bine; mare mari; mic mici; nor
        nori; floare flori; carte cărți; stradă străzi
    """,
    "ca": """
        ull ulls; gos gossos gossa; mà mans; fill filla fills filles; beure begut bec bevia; viure viscut visc
        vivia viu; escriure escrit escric escrivia; prendre pres prenc prenia; vendre venut venc venia; néixer
        nascut neix naixement; créixer crescut creix; conèixer conegut conec; veure vist veig veu veia; treure
        tret trec; dur duu duc; dir dit dic deia; fer fet faig feia; venir vingut vinc ve; tenir tingut tinc té
        tenia; obrir obert obre; sortir surt sortit surto; morir mort mor; riure rigut; caure caigut caic;
        creure cregut crec; moure mogut; coure cuit; rebre rebut; perdre perdut perd; ploure plogut plou pluja;
        saber sap sé; poder pogut pot puc; voler volgut vol vull; anar vaig va; jugar jugo jugues joc; trencar
        trenquen; menjar menges menjo; groc groga grocs grogues; blau blava blaves; amic amiga amics amigues;
        metge metges metgessa; avi àvia avis; al·lèrgia al·lèrgic al·lèrgica; taronja taronges; platja platges;
        boca boques; vaca vaques; vell vella; nou nova; bo bon bona; clau claus; peix peixos; bosc boscos; text
        textos; germà germana germans; català catalana catalans; informe informes; llibre llibres; home homes;
        cotxe cotxes; casa cases; comprar compra compro; treballar treballa treball treballo; viatjar viatge;
        acabar acaba; començar comença; parlar parla parlo; passar passa; agradar agrada; poble pobles; hora
        hores; dia dies; noia noies; nen nena; cançó cançons; moto motos; llengua llengües; cosí cosina cosins;
        veí veïna veïns; braç braços; pis pisos; reunió reunions; mare mama; pare papa
    """,
    "tr": """
        şehir şehri; isim ismi isimler; burun burnum burnu; oğul oğlum oğlu; ağız ağzım ağzı; renk rengi
        renkler; kanat kanadı; araba arabam arabayı; akıl aklım aklı; karın karnım; beyin beyni; omuz omzum;
        göğüs göğsü; saat saati saatler; almak aldım alıyorum alacağım alan aldığı alıp alır almış aldın; satmak
        sattım satıyorum satacağım satılık sattık; gitmek gittim gidiyorum gideceğim gider gitmiş giden; yemek
        yedim yiyorum yiyeceğim yemiş yedik yer; içmek içtim içiyorum içer içeceğim içmiş; yazmak yazdım
        yazıyorum yazmış yazar yazdığı; okumak okudum okuyorum okumuş okur; oynamak oynuyorum oynadım oynarken
        oynar oynuyor; evlenmek evlendi evlendim evleniyor evli; taşınmak taşındım taşınıyorum taşındık; doğmak
        doğdu doğdum doğmuş doğum; ölmek öldü ölüm ölmüş; kırmak kırdı kırdım kırık kırılmış kırıldı; çalışmak
        çalışıyorum çalıştım çalışır çalışan; kiralamak kiralıyoruz kiraladık kiralık kiraladım; yaşamak
        yaşıyorum yaşadım yaşar; sevmek seviyorum severim sevdim sevdiğim; istemek istiyorum istedim ister
        isteyen; vermek verdim veriyorum verir verdiği; gelmek geldim geliyorum gelir gelen gelecek; yapmak
        yaptım yapıyorum yapar yapan yaptığı; görmek gördüm görüyorum görür; bilmek biliyorum bildim bilir;
        bulmak buldum buluyorum; kaybetmek kaybettim kayıp; öğrenmek öğreniyorum öğrendim; öğretmek öğretmen
        öğretmenim; beklemek bekliyorum bekledim; konuşmak konuşuyorum konuştum; yürümek yürüyorum yürüdüm;
        koşmak koşuyorum koştum; pişirmek pişirdim pişiriyorum; dinlemek dinliyorum dinledim; izlemek izliyorum
        izledim; ödemek ödedim ödüyorum; kullanmak kullanıyorum kullandım; toplantı toplantılar toplantım;
        alerji alerjim alerjik; anne annem; baba babam; düğün düğünü
    """,
    "el": """
        παιδί παιδιά παιδιού; γράφω έγραψα γράψω έγραφα; διαβάζω διάβασα; αγοράζω αγόρασα; τρώω έφαγα φάω τρως
        φαγητό; πίνω ήπια πιω; πουλάω πούλησα πουλώ; λέω είπα πω λένε λέμε; βλέπω είδα δω έβλεπα; πηγαίνω πήγα
        πάω πάει; έρχομαι ήρθα έρθω ήρθε; παίρνω πήρα πάρω; δίνω έδωσα δώσω; βρίσκω βρήκα βρω; κάνω έκανα; μένω
        έμεινα μείνω; χάνω έχασα χάσω; σπάω έσπασα; παίζω έπαιξα παίξω; μαθαίνω έμαθα; μαγειρεύω μαγείρεψα;
        πεθαίνω πέθανα πέθανε; γεννιέμαι γεννήθηκα γεννήθηκε; παντρεύομαι παντρεύτηκα παντρεμένος; νοικιάζω
        νοίκιασα ενοίκιο; πληρώνω πλήρωσα; δουλεύω δούλεψα δουλειά; θέλω ήθελα; ξέρω ήξερα; μητέρα μαμά; πατέρας
        μπαμπάς; αδελφός αδελφή αδέλφια αδέρφια αδερφή αδερφός; μάτι μάτια; αλλεργία αλλεργικός αλλεργίες; ημέρα
        μέρα; γυναίκα γυναίκες; αυτοκίνητο αμάξι; σπίτι σπίτια
    """,
    "ar": """
        كتاب كتب; بيت بيوت; صديق أصدقاء صديقة; طبيب أطباء طبيبة; مدينة مدن; سيارة سيارات; قطة قطط; مفتاح مفاتيح;
        شهر أشهر شهور; يوم أيام; باب أبواب; غرفة غرف; صورة صور; رسالة رسائل; سن أسنان; عين عيون; أخ إخوة أخي;
        أخت أخوات أختي; أب آباء أبي; أم أمهات أمي; ابن أبناء ابني; بنت بنات ابنة ابنتي; امرأة نساء; رجل رجال;
        ولد أولاد; طفل أطفال; كأس كؤوس; دواء أدوية; حبة حبوب; سنة سنوات سنين; ساعة ساعات; شارع شوارع; مدرسة
        مدارس; مطعم مطاعم; اسم أسماء; لون ألوان; رقم أرقام; فيلم أفلام; درس دروس; كلمة كلمات; شجرة أشجار; حيوان
        حيوانات; طائر طيور; قلم أقلام; حقيبة حقائب; جار جيران; طعام أطعمة; طاولة طاولات; كرسي كراسي; نافذة
        نوافذ; وثيقة وثائق; تقرير تقارير تقريرين; دراجة دراجات; موعد مواعيد; مشروع مشاريع; هدية هدايا; قميص
        قمصان; حذاء أحذية; اشترى اشتريت أشتري يشتري شراء; باع بعت يبيع أبيع بيع; كتب كتبت يكتب أكتب كتابة; سكن
        أسكن سكنت يسكن; عمل أعمل يعمل عملت; سافر سافرت أسافر سفر; أكل أكلت يأكل آكل; شرب شربت يشرب أشرب; قرأ
        قرأت يقرأ أقرأ; ذهب ذهبت يذهب أذهب; أخذ أخذت آخذ يأخذ; كسر كسرت مكسور; ولد ولدت; استأجر استأجرت نستأجر
        استأجرنا إيجار; تزوج تزوجت زواج; حساسية حساسيتي حساس; زرقاء أزرق; حمراء أحمر; خضراء أخضر; سوداء أسود;
        بيضاء أبيض; صفراء أصفر; طالب طلاب طلبة; معلم معلمة; مهندس مهندسون; لاعب لاعبون
    """,
}
"""Maps the code of a language to groups of forms, which semicolons separate."""
