"""Stopwords in English and Spanish, and irregular forms of English words.

A question is full of words that every message has ("when did you ..."), and they would outweigh the word that matters.
A question also often has another form of a word than the message, such as "buy" for "bought".
"""

from __future__ import annotations

_ENGLISH = """
    a about above after again all also am an and any anyone anything are aren't as at be because been before being
    between both but by can can't cannot could couldn't d did didn't do does doesn't doing don't done down during each
    either else ever few for from further get gets getting give given go goes going gone got had hadn't has hasn't have
    haven't having he he's her here hers herself him himself his how i i'd i'll i'm i've if in into is isn't it it's its
    itself just kind know let likely like ll lot m made make many may maybe me might more most much must my myself new
    no nor not now of off often on once one only or other our out over own part per please re really s said same say see
    she she's should shouldn't show since so some someone something still such t take tell than that that's the their
    them then there there's these they they're thing things this those though through to together too under until up us
    use used ve very want was wasn't way we we're well went were weren't what what's when where which while who who's
    whom whose why will with within without won't would wouldn't yes yet you you're you've your yours
    """
ENGLISH_STOPWORDS = frozenset(_ENGLISH.split())

_SPANISH = """
    a acerca ademas ahi ahora al algo alguien algun alguna algunas alguno algunos alla alli ante antes aquel aquella
    aquellas aquello aquellos aqui asi aun aunque bajo bien cada casi como con contra cosa cosas cual cuales cualquier
    cuando cuanta cuantas cuanto cuantos de del desde despues di dice dicho dije dijiste dijo donde dos durante e el
    ella ellas ellos en entonces entre era eran eras eres es esa esas ese eso esos esta estaba estaban estado estamos
    estan estar estas este esto estos estoy estuve estuvo fue fuera fueron fui fuiste gran ha habia habian haber hace
    hacer hacia haciendo han has hasta hay he hecho hemos hice hiciste hizo hola hoy ir iba la las le les lo los mas me
    mi mia mias mio mios mis misma mismo mucha muchas mucho muchos muy nada ni ningun ninguna ninguno no nos nosotras
    nosotros nuestra nuestras nuestro nuestros nunca o os otra otras otro otros para pero poco por porque pues puede
    pueden puedo que quien quienes quiere quiero sabe se sea ser si sido siempre sin sobre sois solo somos son soy su
    sus suya suyo tal tambien tampoco tan tanta tanto te tenemos tener tengo ti tiene tienen tienes toda todas todavia
    todo todos tu tus tuve tuvo tuya tuyo un una unas uno unos va vamos van vas voy y ya yo
    """
SPANISH_STOPWORDS = frozenset(_SPANISH.split())

_IRREGULAR = """
    become became; begin began begun; bite bit bitten; blow blew blown; break broke broken; bring brought;
    build built; buy bought; catch caught; choose chose chosen; come came; draw drew drawn; drink drank drunk;
    drive drove driven; eat ate eaten; fall fell fallen; feed fed; feel felt; fight fought; find found; fly flew flown;
    forget forgot forgotten; forgive forgave forgiven; freeze froze frozen; grow grew grown; hang hung; hear heard;
    hide hid hidden; hold held; keep kept; lead led; lend lent; lose lost; mean meant; meet met; pay paid;
    ride rode ridden; ring rang rung; run ran; sell sold; send sent; sew sewn; shine shone; shoot shot; sing sang sung;
    sit sat; sleep slept; speak spoke spoken; spend spent; stand stood; steal stole stolen; strike struck;
    sweep swept; swim swam swum; teach taught; tear tore torn; think thought; throw threw thrown;
    understand understood; wake woke woken; wear wore worn; win won; write wrote written;
    child children kid; man men; mouse mice; foot feet; tooth teeth; wife wives; life lives; knife knives; leaf leaves;
    person people; woman women; mother mom mum mommy; father dad daddy; photo picture pic; film movie
"""

IRREGULAR_FORMS: dict[str, str] = {
    form: forms[0] for line in _IRREGULAR.split(";") for forms in [line.split()] for form in forms[1:]
}
"""Maps irregular forms of English words to their first form, and a few synonyms to one word."""
