"""The server's own sets of words: replacements, vocabularies by name, words to mask; put into a caller's options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from endpoint.errors import InvalidRequest
from endpoint.options import Options


@dataclass(frozen=True)
class Vocabulary:
    """words: that are likely. replacements: (what is recognized, what is written)."""

    words: tuple[str, ...] = ()
    replacements: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class WordSets:
    """replacements: for every recording. masked: where a caller asks for a mask. vocabularies: by name."""

    replacements: tuple[tuple[str, str], ...] = ()
    masked: tuple[str, ...] = ()
    vocabularies: Mapping[str, Vocabulary] = field(default_factory=dict)

    def applied(self, options: Options) -> Options:
        """The options with the words that their names mean. What the caller gives goes before what the server has.

        Raises InvalidRequest for a name that is not known, and for a mask without words.
        """
        wording = options.wording
        chosen = [self._named(name) for name in wording.vocabularies]
        if wording.mask and not (wording.masked or self.masked):
            raise InvalidRequest(
                "profanity_filter: this server has no list of words; send yours in `profanity_words[]`",
                param="profanity_filter",
            )
        named = [pair for vocabulary in chosen for pair in vocabulary.replacements]
        hotwords = ", ".join(filter(None, (options.hotwords, *(word for one in chosen for word in one.words))))
        changed = replace(
            wording,
            replacements=(*wording.replacements, *named, *self.replacements),
            vocabularies=(),
            masked=(*wording.masked, *(self.masked if wording.mask else ())),
        )
        return replace(options, hotwords=hotwords or None, wording=changed)

    def _named(self, name: str) -> Vocabulary:
        if name not in self.vocabularies:
            known = ", ".join(sorted(self.vocabularies)) or "none"
            raise InvalidRequest(
                f"vocabulary[]: there is no set of words `{name[:64]}` on this server; it has: {known}",
                param="vocabulary[]",
            )
        return self.vocabularies[name]


NO_WORDS = WordSets()
