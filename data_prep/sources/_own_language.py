"""Tells whether a tag such as "sw", "swh_Latn", "sw-KE" or "Swahili" in the user's own data means a language."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from pathlib import Path

from data_prep.errors import UserError
from data_prep.languages import load_language
from data_prep.records import DropLog

# ISO 639-1 codes of macrolanguages with ISO 639-3's code of the whole; a language's file names one language of it.
_MACROS = (
    "ak:aka ar:ara ay:aym az:aze cr:cre et:est fa:fas ff:ful gn:grn ik:ipk iu:iku kg:kon kr:kau ku:kur kv:kom lv:lav "
    "mg:mlg mn:mon ms:msa ne:nep no:nor oj:oji om:orm or:ori ps:pus qu:que sc:srd sq:sqi sw:swa uz:uzb yi:yid za:zha "
    "zh:zho"
)
_MACRO = dict(pair.split(":") for pair in _MACROS.split())


def _split(tag: str) -> tuple[str, str, str]:
    """Language, script and region of a tag, in small letters."""
    language, *rest = tag.split("-")
    script = next((part for part in rest if len(part) == 4 and part.isalpha()), "")
    region = next((part for part in rest if len(part) == 2 or (len(part) == 3 and part.isdigit())), "")
    return language, script, region


class Tongue:
    """A language as people's tables name it: by BCP-47, ISO 639-3, FLORES-200 or its name."""

    def __init__(self, locale: str) -> None:
        self.code = locale
        language, self._script, self._region = _split(locale.casefold().replace("_", "-"))
        self._languages = {language, _MACRO.get(language, language)}
        self.names = {locale.casefold()}
        try:
            known = load_language(locale)
        except UserError:  # a locale of the user's own: its tag alone must do
            return
        self._languages.add(known.iso639_3)
        self._script = known.script.casefold()
        self.names |= {known.iso639_3, known.name.casefold(), known.autonym.casefold()}

    def is_named(self, tag: str) -> bool:
        """Whether `tag` means the language; another script or region than the language's is another one."""
        tag = tag.strip().casefold()
        if tag in self.names:
            return True
        language, script, region = _split(tag.replace("_", "-"))
        return (
            language in self._languages
            and (not script or not self._script or script == self._script)
            and (not region or not self._region or region == self._region)
        )


@lru_cache(maxsize=1)
def english() -> Tongue:
    return Tongue("en")


class RowLanguages:
    """Tells what each row's text is, by its language, and counts rows in other languages."""

    # So many languages are counted apart; more of them are no languages.
    _MOST = 1000

    def __init__(self, tongue: Tongue) -> None:
        self._tongue = tongue
        self._roles: dict[str, str] = {}
        self._others: Counter[str] = Counter()
        self._found = False
        self._column = ""

    def role(self, column: str, tag: str) -> str:
        """Of a row whose `column` says `tag`: "caption", "english" (beside a caption), or empty for other languages."""
        if (role := self._roles.get(tag)) is None:
            role = "caption" if self._tongue.is_named(tag) else "english" if english().is_named(tag) else ""
            if len(self._roles) < self._MOST:
                self._roles[tag] = role
            elif not role:
                tag = "yet others"
        if role:
            self._found = True
        else:
            self._column = column
            self._others[tag or "no language"] += 1
        return role

    def tell(self, source: str, where: Path, log: DropLog) -> None:
        """Tells the log of rows in other languages, by language.

        Raises:
            UserError: there were no others.
        """
        if self._others and not self._found:
            counts = ", ".join(f"{tag} ({count:,})" for tag, count in self._others.most_common(20))
            raise UserError(
                f"Nothing in {where} is in {self._tongue.code}. Its column {self._column} has {counts}. If that column "
                "does not say the captions' language: --column language="
            )
        for tag, count in sorted(self._others.items()):
            log.drop(source, f"{count:,} rows in {tag}", "rows in another language")
