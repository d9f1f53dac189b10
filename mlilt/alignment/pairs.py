"""Which captions and pictures of a batch belong together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_ALL = slice(None)


@dataclass(frozen=True, slots=True)
class Pairs:
    """What is known of a batch's captions and pictures; int64, all on one device.

    Attributes:
        owner: for each picture the caption it came with, shape (pictures,).
        image: for each picture a number of its content, shape (pictures,).
        concept: for each caption a number of its concept, shape (captions,).
        caption: for each caption a number of its words, shape (captions,).
    """

    owner: Tensor
    image: Tensor
    concept: Tensor
    caption: Tensor

    def positive(self, captions: slice = _ALL, pictures: slice = _ALL) -> Tensor:
        """Bool of shape (captions, pictures): which of these pictures are right for which of these captions.

        A picture is right for a caption if it came with it, or shows the same concept, or came with a caption of the
        same words, or is the very same picture as one that came with it.
        """
        start, end, _ = captions.indices(len(self.concept))
        kinds, image = torch.unique(self.image, return_inverse=True)
        mine = (self.owner >= start) & (self.owner < end)
        shown = torch.zeros(end - start, len(kinds), dtype=torch.bool, device=self.owner.device)
        shown[self.owner[mine] - start, image[mine]] = True
        owner = self.owner[pictures]
        return (
            shown[:, image[pictures]]
            | (self.concept[captions, None] == self.concept[owner][None, :])
            | (self.caption[captions, None] == self.caption[owner][None, :])
        )

    def translations(self, captions: slice = _ALL, translations: slice = _ALL) -> Tensor:
        """Bool of shape (captions, translations): which of the captions' translations are right for which caption.

        There is one translation a caption, in the same order. Right are its own, and those of captions of the same
        concept or the same words.
        """
        return (self.concept[captions, None] == self.concept[None, translations]) | (
            self.caption[captions, None] == self.caption[None, translations]
        )
