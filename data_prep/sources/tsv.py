"""The user's own table in TSV: --source tsv:FILE."""

from __future__ import annotations

from data_prep.sources._own import TableFile

NAME = "tsv"
SOURCE = TableFile(NAME, "TSV")
