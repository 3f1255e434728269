"""English beyond stems: irregular forms, families of words, and the two spellings.

A question often has another form of a word than the message, such as "buy" for "bought", "allergy" for "allergic" or
"favorite" for "favourite". Snowball's rules do not make these one stem.
"""

from __future__ import annotations

import re

_FAMILY_WORDS = """
    become became; begin began begun; bite bit bitten; blow blew blown; break broke broken; bring brought; build built
    builder; buy bought buyer; catch caught; choose chose chosen choice; come came; draw drew drawn; drink drank drunk;
    drive drove driven driver; eat ate eaten; fall fell fallen; feed fed; feel felt; fight fought fighter; find found;
    fly flew flown flight; forget forgot forgotten; forgive forgave forgiven; freeze froze frozen; grow grew grown
    growth; hang hung; hear heard; hide hid hidden; hold held; keep kept keeper; lead led leader; lend lent; lose lost
    loss; mean meant; meet met; pay paid payment; ride rode ridden rider; ring rang rung; run ran runner; sell sold
    seller sale; send sent; sew sewn; shine shone; shoot shot; sing sang sung singer; sit sat; sleep slept asleep; speak
    spoke spoken speaker speech speeches; spend spent; stand stood; steal stole stolen theft thief thieves; strike
    struck; sweep swept; swim swam swum swimmer; teach taught teacher; tear tore torn; think thought; throw threw
    thrown; understand understood; wake woke woken; wear wore worn; win won winner; write wrote written writer; child
    children kid; man men; mouse mice; foot feet; tooth teeth; wife wives; life lives; knife knives; leaf leaves; person
    people; woman women; mother mom mum mommy; father dad daddy; film movie; photo photograph photography photographer
    photographic picture pic; work worker; play player; paint painter; bake baker; dance dancer; hike hiker; climb
    climber; train trainer; farm farmer; read reader; clean cleaner; design designer; own owner; coach coaching; box
    boxer; ski skier; act actor actress; sail sailor; fish fisherman fisher; garden gardener; bank banker; law lawyer
    legal; music musician musical; science scientist scientific; piano pianist; guitar guitarist; violin violinist; art
    artist artistic; cycle cyclist bicycle bike; tour tourist tourism; dental dentist; therapy therapist; surgery
    surgeon surgical; pharmacy pharmacist; medicine medication medical; nurse nursing; asthma asthmatic; marry marriage;
    wed wedding; born birth; die death dead; high height; long length; strong strength; grey gray; tyre tire; aluminium
    aluminum; pyjamas pajamas; doughnut donut; yoghurt yogurt; jewellery jewelry; moustache mustache; cheque check;
    mould mold; plough plow; cosy cozy; licence license; practise practice; defence defense; offence offense; kerb curb;
    storey story; maths math; draught draft; prove proof proven; believe belief; decide decision; study student;
    pregnant pregnancy; anxious anxiety; lonely loneliness; know knew known; tell told; breed bred; swear swore sworn;
    lay laid; bleed bled; dig dug; stick stuck; swing swung; shake shook shaken; bend bent; deal dealt; dream dreamt;
    learn learnt; burn burnt; spell spelt; spill spilt; leap leapt; kneel knelt; lie lain; cling clung; spin spun; sink
    sank sunk; shrink shrank shrunk; rise risen; goose geese; weigh weight; skeptic sceptic sceptical skeptical;
    judgment judgement; sulfur sulphur; maneuver manoeuvre; whiskey whisky; skillful skilful; odor odour; program
    programme programmer programming; spain spanish spaniard; france french; germany german; italy italian; portugal
    portuguese; japan japanese; china chinese; norway norwegian; sweden swedish; denmark danish; greece greek; ireland
    irish; scotland scottish; mexico mexican; brazil brazilian; india indian; korea korean; russia russian; america
    american; canada canadian; australia australian; europe european; apply applied application applicant; argue
    argument; complain complaint; diagnose diagnosis diagnoses; subscribe subscription subscriber; advise advice adviser
    advisor; rob robbery robber; deep depth; wide width; warm warmth; true truth; describe description; prescribe
    prescription; receive receipt; explain explanation; pronounce pronunciation; compete competition competitor; repeat
    repetition; destroy destruction; produce production; reduce reduction; introduce introduction; conclude conclusion;
    permit permission; admit admission; succeed success successful; fail failure; sign signature; mix mixture; depart
    departure; hungry hunger; thirsty thirst; angry anger; proud pride; poor poverty; wise wisdom; young youth; able
    ability; breathe breath; bathe bath; explode explosion; motorcycle motorbike; grandmother grandma granny;
    grandfather grandpa; aunt auntie; telephone phone; refrigerator fridge; television tv telly; plane airplane
    aeroplane; discover discovery; deliver delivery; recover recovery; scarf scarves; wolf wolves; half halves; loaf
    loaves; shelf shelves; calf calves; hoof hooves; ox oxen; analysis analyses; crisis crises; basis bases; thesis
    theses; oasis oases; hypothesis hypotheses; criterion criteria; phenomenon phenomena; cactus cacti; fungus fungi;
    chemistry chemist chemical; physics physicist; economy economist economics; journalism journalist; pray prayer; rent
    rental; bury burial; oppose opposition; apologise apologize apology; criticise criticize criticism; counsellor
    counselor; woollen woolen; axe ax; jail gaol; artifact artefact; molt moult; smolder smoulder; fetus foetus;
    medieval mediaeval; pretense pretence; louse lice; penny pence; sting stung
"""
_FAMILIES: dict[str, str] = {
    form: forms[0] for line in _FAMILY_WORDS.split(";") for forms in [line.split()] for form in forms[1:]
}
# British spellings, and what the American ones have. Both spellings of a word become one, so a change may not be right.
_SPELLINGS = (
    (re.compile(r"(?<=\w{3})our(?=$|s$|ed$|ing$|y$|al|it|ful|less|hood|abl|ist)"), "or"),
    (re.compile(r"(?<=\w\w[iy])z(?=e[drs]?$|ers$|ing$|ations?$|able$)"), "s"),
    (re.compile(r"(?<=\w\w[bt])re(?=s?$|d$)"), "er"),
    (re.compile(r"(?<=\wgram)me(?=s?$)"), ""),
    (re.compile(r"(?<=\w\wog)ue(?=s?$)"), ""),
    (
        re.compile(
            r"(?<=^an)a(?=em|es)|(?<=^p)a(?=ed)|(?<=^h)a(?=em)|(?<=^orthop)a(?=ed)|(?<=^leuk)a(?=em)|(?<=^encyclop)a"
        ),
        "",
    ),
    (re.compile(r"(?<=^c)o(?=elia)|^o(?=es(?:tr|oph))|(?<=rrh)o(?=ea)|(?<=^gyn)a(?=ec)"), ""),
)
# "Allergy" and "allergic", "injury" and "injured".
_ENDING = re.compile(r"(?<=rg)i$|(?<=\w\w\w\wr)i$")


def family(word: str) -> str:
    """Return the word that stands for an English word's irregular forms, for its family, and for its two spellings."""
    word = _FAMILIES.get(word) or _FAMILIES.get(word.removesuffix("s"), word)
    if len(word) > 4:
        for pattern, replacement in _SPELLINGS:
            word = pattern.sub(replacement, word)
    return word


def shortened(stem: str) -> str:
    """Return an English stem without an ending that only some words of a family have."""
    return _ENDING.sub("", stem)
