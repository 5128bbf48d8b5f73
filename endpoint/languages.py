"""The 100 languages of Whisper (large-v3's order): code, English name, and which are written without spaces.

Source: openai/whisper tokenizer.py. Aliases are other names and codes that callers send.
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
# ISO 639-2 (both kinds) and 639-3 codes, and macrolanguages' members that people send; those of two letters are above.
_LONGER = """
eng en|zho zh|chi zh|cmn zh|deu de|ger de|spa es|rus ru|kor ko|fra fr|fre fr|jpn ja|por pt|tur tr|pol pl|cat ca|nld nl
dut nl|ara ar|arb ar|swe sv|ita it|ind id|hin hi|fin fi|vie vi|heb he|ukr uk|ell el|gre el|msa ms|may ms|zsm ms|ces cs
cze cs|ron ro|rum ro|mol ro|dan da|hun hu|tam ta|nor no|nob no|tha th|urd ur|hrv hr|bul bg|lit lt|lat la|mri mi|mao mi
mal ml|cym cy|wel cy|slk sk|slo sk|tel te|fas fa|per fa|pes fa|lav lv|lvs lv|ben bn|srp sr|aze az|azj az|slv sl|kan kn
est et|ekk et|mkd mk|mac mk|bre br|eus eu|baq eu|isl is|ice is|hye hy|arm hy|nep ne|npi ne|mon mn|khk mn|bos bs|kaz kk
sqi sq|alb sq|als sq|swa sw|swh sw|glg gl|mar mr|pan pa|sin si|khm km|sna sn|yor yo|som so|afr af|oci oc|kat ka|geo ka
bel be|tgk tg|snd sd|guj gu|amh am|yid yi|ydd yi|uzb uz|uzn uz|fao fo|hat ht|pus ps|pbt ps|tuk tk|nno nn|mlt mt
san sa|ltz lb|mya my|bur my|bod bo|tib bo|tgl tl|mlg mg|plt mg|asm as|tat tt|lin ln|hau ha|bak ba|jav jw|sun su
"""
_ALIASES |= dict(entry.split(" ") for line in _LONGER.strip().split("\n") for entry in line.split("|"))
_REGIONS = {"zh-hk": "yue", "zh-mo": "yue", "zh-yue": "yue", "zh-hant-hk": "yue", "zh-hant-mo": "yue"}
AUTO = "auto"  # callers send it to have the language detected
WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})


def find_language(text: str) -> str | None:
    """The code for a code, English name, alias or locale ("pt-BR"), any case; None if Whisper has no such language."""
    name = text.strip().lower()
    if code := _REGIONS.get(name.replace("_", "-")):
        return code
    for candidate in (name, name.replace("_", "-").partition("-")[0]):
        if candidate in NAMES:
            return candidate
        if code := CODES.get(candidate) or _ALIASES.get(candidate):
            return code
    return None
