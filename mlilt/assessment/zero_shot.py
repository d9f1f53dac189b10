"""Zero-shot classification of test pictures by their categories' names in a language (Unicode CLDR's)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data_prep import categories
from mlilt.assessment._base import Asked, Measured, Subject, refuse_trimmed
from mlilt.evaluation import zero_shot
from mlilt.record import RunRecord

# With fewer names there is little to tell apart.
FEWEST = 4


class _ZeroShot:
    before = False

    def things(self, subject: RunRecord, languages: Sequence[str]) -> list[tuple[str, ...]]:
        """Each language."""
        return [(language,) for language in languages]

    def measure(self, subject: Subject, asked: Sequence[Asked]) -> list[Measured]:
        """Accuracy over the pictures whose category has a name in the language; classes count by their pictures."""
        [one] = asked
        refuse_trimmed(subject.about, one.language)
        names = categories.names(one.language)
        shown = [categories.canonical(row.source, row.category) for row in one.split.rows]
        classes = sorted({name for name in shown if name in names})
        if len(classes) < FEWEST:
            return []
        places = [place for place, name in enumerate(shown) if name in names]
        labels = np.array([classes.index(str(shown[place])) for place in places])
        prompts = [categories.prompts(names[name], categories.templates(one.language)) for name in classes]
        encoded = np.stack([subject.text(texts) for texts in prompts])
        image = subject.image(one.split)[places]
        found = zero_shot.accuracy(image, zero_shot.ensemble(encoded), labels)
        rows = [one.split.rows[place] for place in places]
        return [
            Measured(
                test="zero-shot",
                on=one.language,
                items=[f"{row.source} {row.image_id}" for row in rows],
                clusters=[row.concept for row in rows],
                values={"accuracy": found.tolist()},
                chance={"accuracy": 1 / len(classes)},
                about={"classes": {name: names[name] for name in classes}},
            )
        ]


TEST = _ZeroShot()
