"""Bloom captioning: pictures of children's books with the text on their page, in 351 languages by ISO 639-3 code.

The Hub's sil-ai/bloom-captioning is gated: its terms must be accepted there. It is published as a loading script, which
the Hub converts to Parquet in its branch refs/convert/parquet: LANGUAGE/SPLIT/0000.parquet, with the columns image_id,
image_url, caption, story_id, album_id, license and others. The pictures are not in it: they must be downloaded by the
addresses in image_url, into images/IMAGE_ID.jpg (or .png) or images/LANGUAGE/SPLIT/IMAGE_ID.jpg.

Each row has its own licence, and many forbid commercial use or changes: it is kept on each Example. Captions of the
test split are withheld in some versions; such a row comes without caption.

`about.locales` are the languages that the card names, as far as they could be checked; others are read just so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from data_prep.records import DropLog, Example
from data_prep.sources._base import About, Hub, Pointed
from data_prep.sources._hub import rows, shards
from data_prep.sources._layout import NO_PICTURE, Pictures, captions, layout_error, open_folder

NAME = "bloom-captioning"
_SPLITS = ("train", "validation", "test")
_COLUMNS = ("image_id", "image_url", "caption", "album_id", "license")
_KINDS = ("BY", "BY-SA", "BY-NC", "BY-ND", "BY-NC-SA", "BY-NC-ND")
_LICENCE = re.compile(rf"cc-({'|'.join(kind.lower() for kind in _KINDS)})(-igo|-[1-4]\.[05](-igo)?)?")
_LOCALES = """
aaa abc ada adq aeu afr agq ags ahk aia ajz aka ame amh amp amu ann aph awa awb azn azo bag bam baw bax bbk bcc bce
bec bef ben bfd bfm bfn bgf bho bhs bis bjn bjr bkc bkh bkm bkx bob bod boz bqm bra brb bri brv bss bud buo bwt bwx
bxa bya bze bzi cak cbr ceb cgc chd chp cim clo cmn cmo csw cuh cuv dag ddg ded deu dig dje dmg dnw dtp dtr dty dug
eee ekm enb enc eng ewo fas fil fli fon fra fub fuh gal gbj gou gsw guc guj guz gwc hao hat hau hbb hig hil hin hla
hna hre hro idt ilo ind ino isu ita jgo jmx jpn jra kak kam kan kau kbq kbx kby kek ken khb khm kik kin kir kjb kmg
kmr kms kmu kor kqr krr ksw kur kvt kwd kwu kwx kxp kyq laj lan lao lbr lfa lgg lgr lhm lhu lkb llg lmp lns loh lsi
lts lug luy lwl mai mal mam mar mdr mfh mfj mgg mgm mgo mgq mhx miy mkz mle mlk mlw mmu mne mnf mnw mot mqj mrn mry
msb muv mve mxu mya myk myx mzm nas nco nep new nge ngn nhx njy nla nld nlv nod nsk nsn nso nst nuj nwe nwi nxa nxl
nya nyo nyu nza odk oji oki omw ori ozm pae pag pan pbt pce pcg pdu pea pex pis pkb pmf pnz por psp pwg qaa qub quc
quf quz qve qvh qvm qvo qxh rel rnl ron roo rue rug rus san saq sat sdk sea sgd shn sml snk snl tdt tet tha tkd tnt
tom tpu vie war wms wnk xmm yet zlm
"""

_ABOUT = About(
    title="Bloom Library captioning",
    homepage="https://bloomlibrary.org",
    licences=("CC0-1.0", *(f"CC-{kind}-4.0" for kind in _KINDS), *(f"CC-{kind}-3.0-IGO" for kind in _KINDS)),
    citation="Colin Leong, Joshua Nemecek, Jacob Mansdorfer, Anna Filighera, Abraham Owodunni, Daniel Whitenack. Bloom "
    "Library: Multimodal Datasets in 300+ Languages for a Variety of Downstream Tasks. EMNLP 2022.",
    pictures="Drawings and photographs of the books, to be fetched by the addresses in the tables' column image_url.",
    locales=tuple(_LOCALES.split()),
    pointed=Pointed(
        "folder",
        "LANGUAGE/SPLIT/0000.parquet of the Hub's sil-ai/bloom-captioning, branch refs/convert/parquet (its terms must "
        "be accepted there first), beside images/ with the pictures fetched by image_url, named by image_id.",
        Hub("sil-ai/bloom-captioning", "refs/convert/parquet", ("{locale}/*/*.parquet", "eng/*/*.parquet"), gated=True),
    ),
)


def spdx(licence: str) -> str | None:
    """The SPDX identifier of a row's licence, such as "cc-by-nc" or "CC BY-SA 4.0"; None if it is no known one.

    Bloom's licences are of version 4.0 where none is given, and 3.0 those for intergovernmental organisations (IGO).
    """
    text = re.sub(r"[\s_]+", "-", licence.strip().lower())
    if re.fullmatch(r"cc-?0(-1\.0)?", text):
        return "CC0-1.0"
    match = _LICENCE.fullmatch(text)
    if not match:
        return None
    version = match[2] or ""
    if version.endswith("-igo"):
        return f"CC-{match[1].upper()}-3.0-IGO"
    return f"CC-{match[1].upper()}{version or '-4.0'}"


class BloomCaptioning:
    """See the module's docstring."""

    about = _ABOUT

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        root = open_folder(NAME, _ABOUT, files)
        if not any(shards(root, f"{locale}/{split}/*.parquet") for split in _SPLITS):
            raise layout_error(NAME, _ABOUT, root, f"there is no {locale}/train/0000.parquet")
        if not (root / "images").is_dir():
            raise layout_error(NAME, _ABOUT, root, "there is no images/ with the pictures")
        return _read(root, locale, log)


def _read(root: Path, locale: str, log: DropLog) -> Iterator[Example]:
    english = {} if locale == "eng" else _english(root, log)
    for split in _SPLITS:
        pictures = Pictures(root, (f"images/{locale}/{split}", "images"))
        for path, number, row in rows(root, f"{locale}/{split}/*.parquet", _COLUMNS, NAME, log):
            key = row["image_id"]
            if not key:
                log.drop(NAME, f"{locale}/{split}/{path.name}:{number}", "the row has no image id")
                continue
            licence = spdx(row["license"] or "")
            if licence is None:
                log.drop(NAME, key, "the row's licence is not a known Creative Commons one")
                continue
            picture = pictures.find(key)
            if picture is None:
                log.drop(NAME, key, NO_PICTURE)
                continue
            own = captions(row["caption"])
            yield Example(
                picture=picture,
                captions=own,
                captions_en=own if locale == "eng" else english.get(key, ()),
                concept=f"{NAME}-{key}",
                source=NAME,
                licence=licence,
                attribution=f"Bloom Library (SIL International), book {row['album_id'] or 'unnamed'}",
                split=split,
            )


def _english(root: Path, log: DropLog) -> dict[str, tuple[str, ...]]:
    """English captions by image id, if the English tables are there: translated books share their pictures."""
    found: dict[str, tuple[str, ...]] = {}
    for split in _SPLITS:
        for _, _, row in rows(root, f"eng/{split}/*.parquet", ("image_id", "caption"), NAME, log):
            if own := captions(row["caption"]):
                found.setdefault(row["image_id"], own)
    return found


SOURCE = BloomCaptioning()
