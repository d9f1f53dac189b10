"""What features of pictures know by themselves: k-NN accuracy. Caron et al., DINO, ICCV 2021, section 4.1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DINO_TEMPERATURE = 0.07
_ROWS = 256


def accuracy(
    features: NDArray[np.floating[Any]],
    labels: NDArray[Any],
    groups: NDArray[Any],
    k: int = 20,
    temperature: float | None = DINO_TEMPERATURE,
) -> NDArray[np.float64]:
    """For each picture 1 if its k nearest neighbours vote for its label, else 0; shape (pictures,).

    A picture's own group, such as its concept, does not vote for it: else another drawing of the same thing would
    answer, and nothing be learned of the category. Of equally near neighbours those with another label come first, and
    a label that gets no more than another has lost. A group whose label no other group has is never right.

    Args:
        features: float of shape (pictures, dim), of any length but zero; compared by cosine.
        labels: of the pictures, numbers or text, shape (pictures,).
        groups: the same for groups.
        k: how many neighbours vote; all that may if they are fewer.
        temperature: a vote weighs exp(cosine / temperature), as in DINO; None for the majority of equal votes.

    Raises:
        ValueError: shapes do not fit, a feature is zero or not finite, k or the temperature is not positive, or a
            picture has no neighbour of another group.
    """
    count = len(features)
    if features.ndim != 2 or labels.shape != (count,) or groups.shape != (count,):
        raise ValueError(
            f"features, labels and groups have shapes {features.shape}, {labels.shape} and {groups.shape}, expected "
            "(pictures, dim), (pictures,) and (pictures,)"
        )
    if k < 1 or (temperature is not None and temperature <= 0):
        raise ValueError(f"k and the temperature must be positive, are {k} and {temperature}")
    length = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    if not (np.isfinite(length) & (length > 0)).all():
        raise ValueError("a feature is zero or not finite: its cosines are not known")
    unit = features / length
    _, label = np.unique(labels, return_inverse=True)
    _, group = np.unique(groups, return_inverse=True)
    if count and not group.any():
        raise ValueError("all pictures are of one group: none has a neighbour that may vote")
    right = np.empty(count)
    for one in range(count):
        if one % _ROWS == 0:
            cosines = unit[one : one + _ROWS] @ unit.T
        others = np.flatnonzero(group != group[one])
        cosine, voted = cosines[one % _ROWS, others], label[others]
        nearest = np.lexsort((voted == label[one], -cosine))[:k]
        weight = np.ones(len(nearest))
        if temperature is not None:
            weight = np.exp((cosine[nearest] - cosine[nearest[0]]) / temperature)
        votes = np.bincount(voted[nearest], weights=weight, minlength=label.max() + 1)
        own, votes[label[one]] = votes[label[one]], 0.0
        right[one] = own > votes.max()
    return right
