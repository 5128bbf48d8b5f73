"""The test model's words: everyday words that translate one to one across four languages.

Words were chosen so that no two of a language sound alike, and phrases may put them in any order.
"""

from __future__ import annotations

import random

LANGUAGES = ("en", "fr", "de", "es")

_TABLE = """
zero zéro null cero
one un eins uno
two deux zwei dos
three trois drei tres
four quatre vier cuatro
five cinq fünf cinco
six six sechs seis
seven sept sieben siete
eight huit acht ocho
nine neuf neun nueve
ten dix zehn diez
yes oui ja sí
no non nein no
hello bonjour hallo hola
thanks merci danke gracias
house maison haus casa
window fenêtre fenster ventana
table table tisch mesa
chair chaise stuhl silla
door porte tür puerta
key clé schlüssel llave
garden jardin garten jardín
kitchen cuisine küche cocina
street rue straße calle
city ville stadt ciudad
school école schule escuela
book livre buch libro
letter lettre brief carta
picture image bild imagen
music musique musik música
light lumière licht luz
money argent geld dinero
train train zug tren
car voiture auto coche
apple pomme apfel manzana
cheese fromage käse queso
sugar sucre zucker azúcar
milk lait milch leche
morning matin morgen mañana
evening soir abend tarde
night nuit nacht noche
week semaine woche semana
year année jahr año
monday lundi montag lunes
friday vendredi freitag viernes
sunday dimanche sonntag domingo
summer été sommer verano
mother mère mutter madre
father père vater padre
child enfant kind niño
friend ami freund amigo
woman femme frau mujer
dog chien hund perro
bird oiseau vogel pájaro
horse cheval pferd caballo
sun soleil sonne sol
moon lune mond luna
rain pluie regen lluvia
snow neige schnee nieve
river rivière fluss río
mountain montagne berg montaña
tree arbre baum árbol
flower fleur blume flor
star étoile stern estrella
red rouge rot rojo
green vert grün verde
blue bleu blau azul
black noir schwarz negro
white blanc weiß blanco
yellow jaune gelb amarillo
small petit klein pequeño
old vieux alt viejo
good bon gut bueno
cold froid kalt frío
fast rapide schnell rápido
left gauche links izquierda
right droite rechts derecha
open ouvre öffne abre
wait attends warte espera
write écris schreibe escribe
speak parle sprich habla
bring apporte bringe lleva
always toujours immer siempre
never jamais nie nunca
now maintenant jetzt ahora
with avec mit con
"""

ROWS: tuple[tuple[str, ...], ...] = tuple(tuple(line.split()) for line in _TABLE.split("\n") if line.strip())
WORDS: dict[str, tuple[str, ...]] = {code: tuple(row[k] for row in ROWS) for k, code in enumerate(LANGUAGES)}

# espeak-ng voices the model learns from, and variants ("+f5") that are not in its training.
BASE_VOICES: dict[str, tuple[str, ...]] = {
    "en": ("en-us", "en-gb", "en-gb-x-rp", "en-us"),
    "fr": ("fr-fr", "fr-be"),
    "de": ("de",),
    "es": ("es", "es-419"),
}
KNOWN_VARIANTS = ("", "", "+f1", "+f2", "+f3", "+f4", "+m1", "+m2", "+m3", "+m4", "+m6", "+m8")
UNKNOWN_VARIANTS = ("+f5", "+m7")
SPEED_WORDS_PER_MINUTE = (130, 190)
PITCH_PERCENT = (30, 70)
MAX_PHRASE_WORDS = 7


def random_phrase(rng: random.Random, language: str) -> list[str]:
    """1 to 7 different words of `language`, uniformly drawn."""
    count = rng.choice((1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7))
    return rng.sample(WORDS[language], count)


def random_voice(rng: random.Random, language: str, *, known: bool = True) -> str:
    """An espeak-ng voice name for `language`; with known=False one that is not in the training."""
    return rng.choice(BASE_VOICES[language]) + rng.choice(KNOWN_VARIANTS if known else UNKNOWN_VARIANTS)


def translate(words: list[str], language: str) -> list[str]:
    """The English of `words`, word by word."""
    index = {row[LANGUAGES.index(language)]: row[0] for row in ROWS}
    return [index[word] for word in words]
