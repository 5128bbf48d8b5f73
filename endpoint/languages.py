"""The 100 languages of Whisper (large-v3's order): code, English name, and which write without spaces.

Source: openai/whisper tokenizer.py. Aliases are the names and codes people send.
"""

from __future__ import annotations

_TABLE = """
en english|zh chinese|de german|es spanish|ru russian|ko korean|fr french|ja japanese|pt portuguese|tr turkish
pl polish|ca catalan|nl dutch|ar arabic|sv swedish|it italian|id indonesian|hi hindi|fi finnish|vi vietnamese
he hebrew|uk ukrainian|el greek|ms malay|cs czech|ro romanian|da danish|hu hungarian|ta tamil|no norwegian
th thai|ur urdu|hr croatian|bg bulgarian|lt lithuanian|la latin|mi maori|ml malayalam|cy welsh|sk slovak
te telugu|fa persian|lv latvian|bn bengali|sr serbian|az azerbaijani|sl slovenian|kn kannada|et estonian
mk macedonian|br breton|eu basque|is icelandic|hy armenian|ne nepali|mn mongolian|bs bosnian|kk kazakh
sq albanian|sw swahili|gl galician|mr marathi|pa punjabi|si sinhala|km khmer|sn shona|yo yoruba|so somali
af afrikaans|oc occitan|ka georgian|be belarusian|tg tajik|sd sindhi|gu gujarati|am amharic|yi yiddish|lo lao
uz uzbek|fo faroese|ht haitian creole|ps pashto|tk turkmen|nn nynorsk|mt maltese|sa sanskrit|lb luxembourgish
my myanmar|bo tibetan|tl tagalog|mg malagasy|as assamese|tt tatar|haw hawaiian|ln lingala|ha hausa|ba bashkir
jw javanese|su sundanese|yue cantonese
"""

NAMES: dict[str, str] = {
    code: name
    for code, _, name in (entry.partition(" ") for line in _TABLE.strip().split("\n") for entry in line.split("|"))
}
CODES: dict[str, str] = {name: code for code, name in NAMES.items()}
_ALIASES = {
    "burmese": "my",
    "valencian": "ca",
    "flemish": "nl",
    "haitian": "ht",
    "letzeburgesch": "lb",
    "pushto": "ps",
    "panjabi": "pa",
    "moldavian": "ro",
    "moldovan": "ro",
    "sinhalese": "si",
    "castilian": "es",
    "mandarin": "zh",
    "jv": "jw",
    "iw": "he",
    "nb": "no",
    "fil": "tl",
}
WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})


def find_language(text: str) -> str | None:
    """The code for a code, English name, alias or locale ("pt-BR"), any case; None if Whisper has no such language."""
    name = text.strip().lower()
    for candidate in (name, name.replace("_", "-").partition("-")[0]):
        if candidate in NAMES:
            return candidate
        if code := CODES.get(candidate) or _ALIASES.get(candidate):
            return code
    return None
