"""Sentences with and without a standing instruction or a preference, in many languages, one a line."""

STANDING = """
Always include version numbers when I ask about software.
Please never suggest pork to me.
From now on, reply in Spanish.
I'm more comfortable with simple tools.
I tend to prefer lightweight libraries.
I lean towards minimal designs.
I like my code simple and well commented.
I would like to avoid heavy frameworks.
I want to avoid debt at all cost.
I try to avoid gluten.
I favor vegetarian meals.
I favour quiet hotels over lively ones.
I'm not a fan of video calls.
I'm not keen on flying.
I work best in the mornings.
I learn best with examples.
I'm a visual learner.
I value privacy over convenience.
My preference is for email.
I usually choose aisle seats.
I'm trying to keep things lightweight, so no big frameworks.
I only drink oat milk.
I'd much prefer hands-on activities.
I enjoy hands-on workshops more than lectures.
I appreciate short answers.
I dislike long emails.
I don't like crowds.
I can't stand loud places.
I'm allergic to nuts.
I never eat before noon.
I try to stick to free tools.
I want all code snippets to have syntax highlighting.
I always want dates in ISO format.
Include version numbers whenever I ask about dependencies.
When I ask about security, always mention the libraries.
I need answers with exact costs every time I ask about money.
Me siento más cómodo con herramientas sencillas.
Tiendo a elegir hoteles pequeños.
Suelo evitar los aviones.
Intento evitar el azúcar.
No soy muy fan de las reuniones.
Je suis plus à l'aise avec des exemples.
J'ai tendance à éviter l'avion.
J'essaie d'éviter le sucre.
J'évite le gluten.
Je ne suis pas fan des réunions.
Ich ziehe Tee dem Kaffee vor.
Ich bin kein Fan von langen Antworten.
Ich komme mit Beispielen besser zurecht.
Ich vermeide Zucker.
Ich lerne am besten mit Bildern.
Mi trovo meglio con gli esempi.
Tendo a evitare gli aerei.
Cerco di evitare lo zucchero.
Costumo evitar aviões.
Tento evitar açúcar.
Não sou muito fã de reuniões.
Ik ben geen fan van vergaderingen.
Ik vermijd suiker.
I'd rather not dig at all.
I really prefer aisle seats.
I'd rather read than watch films.
Don't ever book flights before 9.
You can call me Kim.
Could you remember that I'm allergic to nuts?
Whenever I ask for recipes, leave out garlic.
For my reports, always use British spelling.
New house rule: no politics in our chats.
One more standing rule, please. Recipes say how long they keep.
Ok, another rule for us: when I ask about a procedure, end with a quiz.
New rule for when you write my week plan: put night shifts in capitals.
Another standing order: any Python you show me has type hints.
From here on every recipe must say how long it keeps.
So whenever you talk about a trip, give the cost in euros.
Neue Regel: immer mit Quellen.
- Always use tabs.
You should always double-check dates.
A partir de ahora, contéstame con listas.
Por favor, nunca me recomiendes carne.
Prefiero el té al café.
Llámame Pepe.
Recuerda que soy celíaca.
Ab jetzt bitte auf Deutsch.
Je préfère le train.
Bitte antworte immer auf Deutsch.
Antworten Sie mir bitte immer in ganzen Sätzen.
Verwende nie Emojis.
Schreib niemals Abkürzungen.
Réponds toujours en français.
Répondez-moi toujours brièvement.
N'utilise jamais d'emojis.
Responde siempre en español.
Respóndeme siempre con ejemplos.
Responda sempre em português.
Rispondi sempre in italiano.
Non usare mai emoji.
D'ora in poi rispondi in italiano.
Please stop apologizing.
Keep your answers under 100 words.
Whenever you write code, add comments.
Use British spelling, please.
Make sure to include units.
Do not mention my ex.
Ich möchte, dass du mich siezt.
Antwoord altijd in het Nederlands.
Ik heb liever korte antwoorden.
Svara alltid på svenska.
Odpowiadaj zawsze po polsku.
Отвечай всегда по-русски.
Я предпочитаю короткие ответы.
Her zaman Türkçe cevap ver.
请总是用中文回答。
以后请叫我船长。
これからは日本語で答えてください。
항상 한국어로 대답해 줘.
no more emojis please
Stop using bullet points
pls always add the price
For all future replies, use metric
thanks that was great! one thing: keep answers under 100 words 🙏
My go-to format is a table
I'd rather get short answers
When I ask about restaurants, give me vegan options
remember to convert everything to euros
by default answer in french
make sure you cite your sources
i can't stand cilantro
I'm a vegetarian
Could you always start with a summary?
Going forward, skip the introduction
hey quick note, i go by Sam and my pronouns are they/them
Sprich mich bitte mit Du an
keine Emojis mehr bitte
Ab jetzt bitte kürzere Antworten
Wenn ich nach Rezepten frage, gib mir vegane
Ich hasse lange Antworten
Ich bin Vegetarier, also keine Fleischgerichte
no me trates de usted
a partir de ahora respuestas cortas por favor
Cuando te pregunte por recetas, dame opciones sin gluten
odio el cilantro
Soy vegana
plus d'emojis s'il te plaît
tutoie-moi stp
Je déteste les réponses longues
quand je te demande une recette, donne les quantités en grammes
Por favor, não use emojis
De agora em diante, respostas curtas
Non sopporto il coriandolo
dammi del tu per favore
spreek me aan met je
пожалуйста, без эмодзи
Обращайся ко мне на ты
من الآن فصاعدا أجب بالعربية
请不要用表情符号
hi! i'm planning a trip to japan in october. btw please always quote prices in euros
could u pls stop adding those long intros
for future reference I use a Mac
I need you to answer in Catalan from here on out
when i send you code just give me the diff
If I say "short", give me two sentences max
I don't drink alcohol, so only mocktails
Never recommend chain restaurants to me
respond in lowercase only from now on lol
No spoilers ever please
I'm lactose intolerant
I'm more of a morning person, so mornings work best for me
in all your answers, include a source
My preferred airline is Iberia
don't call me Robert, it's Bob
you should always ask before you book anything
I'd like you to double check all the maths
remember that my knees are bad
I really dislike window seats
Keep your replies brief from now on, ok?
I am not a fan of spicy food
always greet me with "Ahoy"
bitte immer per du
Schreib mir in Zukunft nur noch auf Deutsch
ich mag keine Pilze
Merk dir: ich bin gegen Nüsse allergisch
Ich hätte lieber vegetarische Rezepte
Nenn mich bitte Max
kannst du bitte immer Quellen angeben?
Por favor responde siempre con ejemplos
de ahora en adelante háblame en gallego
No me gustan los emojis
soy celíaca así que nada de gluten
¿puedes contestar siempre en español?
Prefiero que seas breve
je ne mange pas de porc
À partir de maintenant, réponds en breton
évite les listes à puces stp
appelle-moi Jo
Je préfère les trains de nuit
sempre que eu pedir receitas, inclua as calorias
sou alérgica a camarão
Prefiro respostas diretas
d'ora in poi rispondi solo in italiano
preferisco il treno all'aereo
non mangio carne
vanaf nu graag kortere antwoorden
ik ben vegetariër
С этого момента отвечай только на русском
Я не ем мясо
зови меня Саша
Od teraz pisz do mnie po polsku
nie lubię kolendry
bundan sonra bana kısa cevap ver
jag föredrar korta svar
从现在开始请用英文回答
我不吃香菜
今後は絵文字なしでお願いします
앞으로는 짧게 대답해 줘
لا أحب القهوة
ok so from today I'd like everything in Dutch
quick thing before we start - use 24h time everywhere
Can we agree that you never book anything without asking me first?
i'd appreciate it if you kept things brief
You don't need to apologize every time.
whenever there's code, use python 3.12
assume I'm on Linux unless I say otherwise
Let's stick to metric units from here on
my kid is allergic to eggs so never suggest recipes with eggs
No need for disclaimers, ever
Treat me like an expert
I'd like my recipes in grams, please.
Use British spelling in everything you write for me.
Every answer should end with a source.
Write all dates as DD/MM/YYYY, always
I like my coffee black
I never fly on Mondays
don't sugarcoat things with me
for the rest of this conversation speak like a pirate
Please address me as Dr. Lee
every time I paste an email, summarise it in one line
I'm on a keto diet
All prices in pounds please
Antworte bitte künftig in Stichpunkten
Duz mich ruhig
Ich trinke keinen Alkohol
keine Anglizismen bitte
trátame de tú
cuando te mande código, respóndeme solo con el parche
no uses nunca mayúsculas
Evita recomendarme cadenas
ne me vouvoie pas
toujours répondre en français stp
je suis allergique aux noix
chama-me Zé
odeio listas compridas
niente emoji per favore
ogni volta che ti mando un testo, correggilo
gebruik altijd de metrische eenheden
не используй эмодзи
回答请简短一点
敬語は使わないでください
이모지 쓰지 마
pls no walls of text
i want you to be blunt with me
Unless I ask for it, don't show code
my budget is always under 500, keep that in mind
Speak plainly, I'm not a native speaker
I'm colorblind so avoid red and green charts
answer as if I were five from now on
Only suggest places with wheelchair access
I'd prefer if you asked before assuming
quit calling me buddy
sign off every email with Cheers
Antworte mir ab sofort nur mit Ja oder Nein
Ich bevorzuge Bahnfahrten
bitte verwende das generische Femininum
no me gusta que me hables tan formal
recuerda que no tomo lactosa
réponds-moi toujours avec des exemples
j'ai horreur des longues réponses
não me chame de senhor
ricordati che sono vegetariana
ik heb een hekel aan emoji's
пиши короче, пожалуйста
以后都用表格回答
今後は短く答えてください
"""

OTHER = """
I'd like my steak with fries
Each report must be signed by the manager.
Always nice to see you.
Он всегда опаздывает.
Zawsze pada deszcz.
我以后再告诉你。
Never mind.
I never went there.
It always rains in Bergen.
Call me back tomorrow.
I remember that trip well.
Never again!
I've always loved swimming.
She always calls me on Sundays.
Always happy to help!
What do you prefer?
Nunca he estado en Roma.
Siempre me gustó el mar.
Ich antworte immer zu spät.
Er sagt immer nein.
Sie fragen immer dasselbe, meine Kinder.
Hat sie nie geschrieben?
Il répond toujours mal.
Je n'utilise jamais le bus.
Mi padre responde siempre tarde.
Mia madre usa sempre il treno.
Non sono mai stato a Roma.
From now on the shop opens at nine
Siempre llueve en abril
She always calls me at noon
Do you always answer this slowly?
My boss told me: "Always use tabs"
The sign said never lean out of the window
I remember that you liked it
Should I always rinse rice before cooking?
what do you prefer, tea or coffee?
He never writes back
Make sure the door is closed, she said.
In the future, cars will fly
I hate to say it but the game was lost
I always thought Oslo was bigger
Going forward the team meets on Mondays
If I ask him, he just laughs
When I asked about the price she gave me a leaflet
Python uses UTF-8 by default
Don't worry about it
I use the bus from here on most days
A rule of thumb: two spoons per cup.
I prefer not to say.
I tend to be late.
I lean against the wall.
I value the house at 300k.
I usually get up at seven.
I would like to avoid being late tomorrow.
I enjoy this song.
I appreciate your help.
I work best friends forever.
I want to avoid him today.
I'd rather not come tonight.
The company values privacy.
I'm not a fan, I'm the drummer.
There is a rule about parking, which I hate.
Our house rules, which mum wrote, hang in the kitchen.
I placed another order, the third.
The rule, as my boss says, is no phones.
He has a rule: no shoes indoors.
She prefers aisle seats
my mother hates long drives
Always nice to hear from you!
Er trinkt immer Kaffee
Ab heute gilt der neue Fahrplan
Meine Schwester ist Vegetarierin
In Zukunft fahren hier keine Busse mehr
Warum antwortest du immer auf Englisch?
Mi hermana prefiere el té
A partir de hoy el metro cierra a las once
Nunca llueve en agosto
Elle préfère le train
À partir de maintenant le magasin ferme à huit heures
Il ne faut jamais dire jamais
Ele sempre chega atrasado
Mio fratello odia il caffè
Hij drinkt altijd thee
Она всегда звонит мне вечером
他总是迟到
from now on it gets dark earlier
My dad can't stand cilantro
i always lose my keys
We never got a reply
the doctor told me to always take it with food
"Never give up" is my favourite book
Which restaurants do vegans prefer?
Do I prefer aisle or window seats?
Make the logo bigger
give me a list of museums in Bilbao
summarize this article in two sentences
keep it short
please translate the following text into German
I prefer not to think about it, said Bartleby.
He hates it when you are late
In future versions the button moves to the left
By default the app sends an email every day
when I asked for the bill the waiter vanished
everyone always tells me to rest
I'd rather not
The train never stops here on Sundays
Are you a vegetarian?
vegans don't eat honey
she is allergic to nuts
Did you always want to be a doctor?
I hate to bother you
no worries, talk tomorrow
no answer from the bank yet
I use emojis a lot
write a short reply to this email
use the second table for this one
Ab morgen habe ich Urlaub
Ab jetzt wird es kälter
Mein Chef sagt immer, ich soll Pausen machen
ich war nie in Rom
Wann fährt der nächste Zug normalerweise?
Sie mag keine Pilze
Er will lieber zu Hause bleiben
Desde hoy trabajo en un banco
mi jefe siempre habla de dinero
¿Siempre hace tanto frío aquí?
Nunca lo había pensado
a mi madre no le gustan los perros
Dice que nunca come carne
il pleut toujours en Bretagne
elle déteste les longues réunions
je n'ai jamais vu Rome
Ela nunca come peixe
a partir de hoje a loja fecha mais cedo
da oggi il museo è chiuso
lui non mangia carne
hij eet geen vlees
vanaf morgen rijdt er geen bus
Он не ест мясо
с понедельника магазин закрыт
ona nie lubi kawy
annem kahve sevmez
她不吃香菜
彼は猫が苦手です
엄마는 커피를 싫어해요
I asked my boss when I request leave to add the dates
we keep all replies in this folder
No emails today, strange
The app should never crash
My doctor wants me to always carry an inhaler
it's always sunny in Philadelphia
Never have I ever seen such a mess
Remember the time we went to Bergen?
don't you hate long flights?
I used to hate olives
we usually use the side door at work
tell me a joke
Please use the attached file
Stop the timer
write me a shopping list without nuts
From here on the path gets steep
in future tense the verb changes
by default the oven is off
the teacher asked us to keep our answers short
Is it true that vegans don't eat honey?
his favourite food is pasta
My sister's preferred airline is Iberia
I can't stand up straight today
I prefered the old one but it broke yesterday
every time I go there it rains
All prices went up
always the same story with this printer
Ich habe immer Hunger
Kannst du immer noch nicht schlafen?
Mein Bruder isst kein Fleisch
In Zukunft wird alles besser
Siempre quise aprender a nadar
Mi padre nunca llama
no me gusta esto
J'ai toujours voulu voir Rome
Il n'aime pas le café
a loja está sempre cheia
mia sorella è vegetariana
hij antwoordt nooit
он никогда не отвечает
the meeting is always under an hour
can you sign this email for me?
he prefers trains
I want to be blunt with him
we only go to places with a view
Which bus do I take from here on Sundays?
unless it rains we go out
Remind me tomorrow at nine
Translate this: always be kind
my wife hates emojis
Ab sofort verfügbar: zwei Zimmer
Sie bevorzugt Bahnfahrten
Der Zug kommt immer zu spät, bitte hilf mir
recuerdo que llovía
toujours est-il que j'ai raté le train
o meu chefe odeia atrasos
mio marito non mangia pesce
zij heeft een hekel aan regen
мой брат пишет короче
以后再说吧
今後の予定は未定です
"""
"""Sentences of other people, of single events, and of what is so: they ask an assistant for nothing that lasts."""
