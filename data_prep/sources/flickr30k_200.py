"""Flickr30k-200: the first captions of Flickr30k's 1,000 test pictures, translated by NLLB into 200 languages.

English is Flickr30k's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from data_prep.errors import UserError
from data_prep.records import DropLog, Example
from data_prep.sources._base import About, Pointed
from data_prep.sources._coco import FLICKR30K_LAYOUT, FLICKR30K_LICENCE, Flickr30kPictures
from data_prep.sources._flores import ENGLISH, LOCALES, NLLB
from data_prep.sources._layout import NO_PICTURE, first_file, layout_error, open_root, text_lines

NAME = "flickr30k-200"
_NAMES = "filenames.txt"
# The repository with the translations names no licence.
_TERMS = "LicenseRef-unstated"


class Flickr30k200:
    """See the module's docstring."""

    about = About(
        title="Flickr30k-200",
        homepage="https://github.com/visheratin/nllb-clip",
        licences=(FLICKR30K_LICENCE, _TERMS),
        citation="Alexander Visheratin. NLLB-CLIP: train performant multilingual image retrieval model on a budget. "
        "arXiv:2309.01859, 2023. Peter Young et al. From image descriptions to visual denotations. TACL 2, 2014.",
        pictures="Photographs of Flickr30k's test set, which the user has fetched, by their file names.",
        locales=LOCALES,
        pointed=Pointed(
            "folder",
            "the folder data/flickr30k-200 of github.com/visheratin/nllb-clip: filenames.txt, LANGUAGE.txt (such as "
            f"hau_Latn.txt; English: eng_captions.txt), lines aligned, and {FLICKR30K_LAYOUT}.",
        ),
    )

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        root = open_root(NAME, self.about, locale, files)
        index = first_file(root, _NAMES, f"flickr30k-200/{_NAMES}", f"data/flickr30k-200/{_NAMES}")
        if index is None:
            raise layout_error(NAME, self.about, root, f"there is no {_NAMES}")
        folder = index.parent
        names = text_lines(index)
        own = _captions(folder, locale, names)
        if own is None:
            raise layout_error(NAME, self.about, folder, f"there is no {locale}.txt")
        english = _captions(folder, ENGLISH, names) or [""] * len(names)
        places = [Flickr30kPictures(place) for place in dict.fromkeys((root, folder))]
        for name, caption, caption_en in zip(names, own, english, strict=True):
            path = next((path for place in places if (path := place.find(name))), None)
            if path is None:
                log.drop(NAME, name, NO_PICTURE)
                continue
            yield Example(
                picture=path,
                captions=(caption,) if caption else (),
                captions_en=(caption_en,) if caption_en else (),
                concept=f"{NAME}-{name.removesuffix('.jpg')}",
                source=NAME,
                licence=FLICKR30K_LICENCE if locale == ENGLISH else f"{FLICKR30K_LICENCE}+{_TERMS}",
                attribution="Flickr30k; NLLB-CLIP's evaluation data",
                split="test",
                origin="" if locale == ENGLISH else NLLB,
            )


def _captions(folder: Path, locale: str, names: list[str]) -> list[str] | None:
    """Captions line by line as the pictures' names; None if there is no such file.

    Raises:
        UserError: it has another number of lines, so that captions would go to the wrong pictures.
    """
    path = first_file(folder, f"{locale}.txt", *(["eng_captions.txt"] if locale == ENGLISH else []))
    if path is None:
        return None
    lines = text_lines(path)
    if len(lines) != len(names):
        raise UserError(
            f"{path} has {len(lines)} lines, {_NAMES} beside it {len(names)}: line n is the caption of picture n. "
            "Fetch both anew."
        )
    return lines


SOURCE = Flickr30k200()
