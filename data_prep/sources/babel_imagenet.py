"""Babel-ImageNet: names of ImageNet's classes in 298 languages, for zero-shot classification.

The names come from BabelNet, by way of WordNet's synsets, so no language has all: Swahili has 220 of 1,000, the
smallest 10. The pictures are ImageNet's validation set; all pictures of a class share a name, and so are one concept.

`class_names` and `templates` need no pictures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data_prep.errors import UnknownNameError, UserError
from data_prep.records import DropLog, Example
from data_prep.sources._base import About, Pointed
from data_prep.sources._layout import JSON_ERRORS, first_file, layout_error, open_root

NAME = "babel-imagenet"
CLASSES = 1000

_NAMES = "babel_imagenet-298.json", "babel_imagenet.json"
_TEMPLATES = "nllb_dist13b_prompts.json"
_SYNSETS = "LOC_synset_mapping.txt"
_ENGLISH = "EN"
_WNID = re.compile(r"n\d{8}")
_SUFFIXES = {".jpeg", ".jpg", ".png"}
_PLACES = ("", "val", "validation", "images", "imagenet/val", "ImageNet/val", "ILSVRC2012/val")

_CODES = """
AB ACW ADY AF AFB AII AK ALS ALT AM AN ANG AR ARC ARY ARZ AS AST AV AY AZ AZB BA BAN BAR BAT_SMG BCL BE BE_X_OLD
BG BH BHO BJN BM BN BO BR BS BXR CA CCC CDO CE CEB CHR CHY CKB CO CR CRH CS CSB CU CV CY DA DE DIN DIQ DLM DNG
DSB DV DZ EE EL EML EN ENM EO ES ET EU EXT FA FI FIU_VRO FJ FO FR FRO FRP FRR FUR FY GA GAN GD GL GMQ_BOT GN GOT
GRC GU GV HA HAK HAW HE HI HR HRX HSB HT HU HY IA ID IG IK ILO INH IO IS IT IU JA JAM JBO JV KA KAA KAB KBD KG
KHB KI KK KL KM KMR KN KO KOI KRC KS KSH KU KUM KV KW KXD KY LA LAD LB LBE LEZ LG LI LIJ LMO LN LO LT LTG LV LZZ
MAI MDF MEL MG MHR MI MIC MIN MK ML MN MNC MNW MR MRJ MS MT MWL MY MYV MZN NAH NAP NCI NDS NDS_NL NE NEW NL NN
NO NOG NON NOV NRM NSO NV NY OC OJ OLO OM OR ORV OS OTA OVD PA PAM PAP PCD PDC PDT PL PMS PNB PS PT QU RM RMY RO
ROA_RUP RU RUE SA SAH SAT SC SCN SCO SD SE SH SHI SHN SI SIMPLE SK SL SM SMJ SMN SMS SN SNE SO SQ SR SRN ST STQ
SU SV SVA SW SYC SZL TA TCY TE TG TH TI TK TL TN TO TPI TR TT TYV UDM UG UGA UK UR UZ VEC VEP VI VLS VO WA WAR
WO WUU XAL XH XMF YI YO YUA ZA ZDJ ZH ZH_CLASSICAL ZH_MIN_NAN ZH_YUE ZU
"""


class BabelImageNet:
    """See the module's docstring."""

    about = About(
        title="Babel-ImageNet",
        homepage="https://github.com/gregor-ge/Babel-ImageNet",
        licences=("LicenseRef-ImageNet", "LicenseRef-BabelNet-NonCommercial"),
        citation="Gregor Geigle, Radu Timofte, Goran Glavaš. Babel-ImageNet: Massively Multilingual Evaluation of "
        "Vision-and-Language Representations. ACL 2024. Roberto Navigli, Simone Paolo Ponzetto. BabelNet. ACL 2010. "
        "Jia Deng et al. ImageNet. CVPR 2009.",
        pictures="ImageNet's validation set, 50 photographs a class, which the user has fetched.",
        locales=tuple(_CODES.split()),
        pointed=Pointed(
            "folder",
            "babel_imagenet-298.json or babel_imagenet.json of github.com/gregor-ge/Babel-ImageNet (also in data/) and "
            "ImageNet's validation pictures in folders by WordNet id, n01440764/*.JPEG and so on, in val/: all 1,000, "
            "or some of them with Kaggle's LOC_synset_mapping.txt.",
        ),
    )

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        root = open_root(NAME, self.about, locale, files)
        table = _table(root)
        names, english = _names(table, locale), _names(table, _ENGLISH) if _ENGLISH in table else {}
        for index, folder in self._folders(root, log):
            name, name_en = names.get(index), english.get(index)
            pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
            if not pictures:
                log.drop(NAME, folder.name, "there is no picture of the class")
            for path in pictures:
                yield Example(
                    picture=path,
                    captions=(name,) if name else (),
                    captions_en=(name_en,) if name_en else (),
                    concept=f"{NAME}-{folder.name}",
                    source=NAME,
                    variant=path.stem,
                    licence="LicenseRef-ImageNet+LicenseRef-BabelNet-NonCommercial",
                    attribution="ImageNet; Babel-ImageNet; BabelNet",
                    split="test",
                )

    def _folders(self, root: Path, log: DropLog) -> Iterator[tuple[int, Path]]:
        """Folders of pictures, each with the index of its class."""
        places = (root / place for place in _PLACES)
        found = ([f for f in sorted(p.iterdir()) if _WNID.fullmatch(f.name)] for p in places if p.is_dir())
        folders = next((names for names in found if names), [])
        if not folders:
            raise layout_error(NAME, self.about, root, "there are no pictures in folders by WordNet id")
        # A class's index is its place among the ids in their order.
        order = first_file(root, _SYNSETS, f"*/{_SYNSETS}")
        if order:
            lines = order.read_text(encoding="utf-8", errors="replace").splitlines()
            ids = {line.split()[0]: number for number, line in enumerate(lines) if line.strip()}
        else:
            ids = {folder.name: number for number, folder in enumerate(folders)}
        if len(ids) != CLASSES:
            missing = f"there are {len(ids)} classes, and which they are is known only of all {CLASSES:,},"
            raise layout_error(NAME, self.about, root, missing)
        for folder in folders:
            if folder.name in ids:
                yield ids[folder.name], folder
            else:
                log.drop(NAME, folder.name, "the class is none of ImageNet's 1,000")


def class_names(root: Path, locale: str) -> dict[int, str]:
    """Names in a language of those classes of ImageNet that have one, by the class's index (0 to 999).

    Raises:
        UserError: there is no such file in `root`, it is damaged, or it has no such language.
    """
    return _names(_table(root), locale)


def templates(root: Path, locale: str) -> tuple[str, ...]:
    """Templates in a language, "{}" standing for the class's name: CLIP's 80, translated by NLLB, unchecked.

    None where the file nllb_dist13b_prompts.json is not there or has none in the language.

    Raises:
        UserError: the file is damaged.
    """
    path = first_file(root, _TEMPLATES, f"data/{_TEMPLATES}")
    found = _json(path).get(locale, []) if path else []
    if not isinstance(found, list):
        raise _damaged(path)
    # The place of the name was set in with spaces around it.
    return tuple(" ".join(text.split()) for text in found if isinstance(text, str) and text.count("{}") == 1)


def _table(root: Path) -> dict[str, Any]:
    path = first_file(root, *_NAMES, *(f"data/{name}" for name in _NAMES))
    if path is None:
        raise layout_error(NAME, BabelImageNet.about, root, f"there is no {_NAMES[0]}")
    return _json(path)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, *JSON_ERRORS) as error:
        raise _damaged(path) from error
    if not isinstance(found, dict):
        raise _damaged(path)
    return found


def _damaged(path: Path | None) -> UserError:
    return UserError(f"{path} is damaged or cut short. Fetch it anew from {BabelImageNet.about.homepage}.")


def _names(table: dict[str, Any], locale: str) -> dict[int, str]:
    if locale not in table:
        raise UnknownNameError("language of Babel-ImageNet's file", locale, table)
    try:
        indices, names = table[locale]
        return {int(index): str(name).strip() for index, name in zip(indices, names, strict=True)}
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"Babel-ImageNet's entry for {locale} is damaged: it must be [indices, names].") from error


SOURCE = BabelImageNet()
