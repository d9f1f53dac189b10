"""Zero-shot classification: a picture is of the class whose text is nearest. Radford et al., CLIP, ICML 2021."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlilt.evaluation.retrieval import ranks


def ensemble(prompts: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """One vector a class: the mean of its prompts', L2-normalized again. Radford et al. 2021, section 3.1.4.

    Args:
        prompts: embeddings of shape (classes, prompts of each, dim), of any length: all count alike.

    Returns:
        Shape (classes, dim), of length 1.

    Raises:
        ValueError: the shape is another, there are no prompts, or a prompt or a class comes out without a direction.
    """
    if prompts.ndim != 3 or not prompts.size:
        raise ValueError(f"prompts have shape {prompts.shape}, expected (classes, prompts, dim), none of them zero")
    return _normalize(_normalize(prompts.astype(np.float64)).mean(axis=1))


def classify(image: NDArray[np.floating[Any]], classes: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """The class nearest to each picture; the first of equally near ones.

    Args:
        image: L2-normalized, shape (pictures, dim).
        classes: L2-normalized, shape (classes, dim), such as `ensemble` makes.

    Returns:
        Numbers of classes, shape (pictures,).

    Raises:
        ValueError: the shapes do not fit, or a similarity is not a number.
    """
    similarity = _similarity(image, classes)
    if np.isnan(similarity).any():
        raise ValueError("a similarity is not a number: there is no nearest class")
    return np.asarray(similarity.argmax(axis=1), dtype=np.int64)


def accuracy(
    image: NDArray[np.floating[Any]], classes: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]], k: int = 1
) -> NDArray[np.float64]:
    """For each picture 1 if its class is among the k nearest, else 0; shape (pictures,).

    Of equally near classes the wrong ones come first, as in retrieval: two classes of one name are both missed.

    Args:
        image, classes: as for `classify`.
        labels: the number of each picture's class, shape (pictures,).
        k: how many classes may be named.

    Raises:
        ValueError: the shapes do not fit, or a label is not a class.
    """
    if labels.shape != image.shape[:1]:
        raise ValueError(f"labels have shape {labels.shape}, expected one for each of {len(image)} pictures")
    if not ((labels >= 0) & (labels < len(classes))).all():
        raise ValueError(f"a label is not within 0 to {len(classes) - 1}, the numbers of the classes")
    right = labels[:, None] == np.arange(len(classes))
    return np.asarray(ranks(_similarity(image, classes), right) <= k, dtype=np.float64)


def _similarity(image: NDArray[np.floating[Any]], classes: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    if image.ndim != 2 or classes.ndim != 2 or image.shape[1] != classes.shape[1]:
        raise ValueError(
            f"pictures and classes have shapes {image.shape} and {classes.shape}, expected (pictures, dim) and "
            "(classes, dim)"
        )
    return image @ classes.T


def _normalize(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not (length > 0).all():
        raise ValueError("a vector has no direction: it is zero, or its prompts cancel each other out")
    return np.asarray(vectors / length)
