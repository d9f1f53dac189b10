"""Builds a language's image-caption data set from public sources.

This package knows nothing of models or training and imports neither torch nor `mlilt`.
Data flows one way: languages/ -> carriers -> sources -> steps -> Parquet and a data-set card.
"""

from data_prep.errors import UserError
from data_prep.languages import Language, load_language, load_languages
from data_prep.pipeline import Prepared, prepare
from data_prep.records import Example

__all__ = ["Example", "Language", "Prepared", "UserError", "load_language", "load_languages", "prepare"]
