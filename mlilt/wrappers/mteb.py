"""A run as MTEB takes its models: `mteb.evaluate(RunEncoder("runs/sw-layernorm-s0"), tasks)`.

Enevoldsen et al., "MMTEB: Massive Multilingual Text Embedding Benchmark", ICLR 2025 (arXiv:2502.13595); pictures and
texts as in Xiao et al., "MIEB: Massive Image Embedding Benchmark", 2025 (arXiv:2504.10471).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import langcodes
import numpy as np
from numpy.typing import NDArray

from data_prep.errors import UserError
from data_prep.progress import bar
from mlilt import model
from mlilt.record import RunRecord

try:
    from mteb.languages import check_language_code
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.model_meta import ModelMeta, ScoringFunction
except ModuleNotFoundError as error:
    raise UserError(f"There is no package {error.name}: pip install mteb") from error


class RunEncoder(AbsEncoder):  # type: ignore[misc]
    """Encodes MTEB's texts and pictures by a finished run.

    Args:
        model_name: the run's folder.
        revision: not used; the weights' digest is the revision.
        device: auto, cpu or cuda; by default as MTEB does, a GPU if there is one.
        offline: use only what is on this machine.

    Raises:
        UserError: no finished run there, or its weights or base weights are not those of its record.
    """

    def __init__(
        self,
        model_name: Path | str,
        revision: str | None = None,
        *,
        device: str | None = None,
        offline: bool = False,
        **_: Any,
    ) -> None:
        self.model = model.load(model_name, device or "auto", offline=offline)
        self.mteb_model_meta = meta(self.model.record)

    def encode(self, inputs: Any, *, show_progress_bar: bool = True, **_: Any) -> NDArray[np.float32]:
        """Batches of MTEB's inputs -> float32 of shape (n, dim), L2-normalized.

        What has both a text and a picture gets the direction of their vectors' sum, as MTEB's own CLIP models do.
        """
        kinds = [kind for kind in ("text", "image") if kind in inputs.dataset.features]
        if not kinds:
            raise ValueError(f"a run encodes texts and pictures, not {', '.join(inputs.dataset.features)}")
        encode = {"text": self.model.encode_text, "image": self.model.encode_image}
        found = []
        with bar("Encoding", len(inputs.dataset), unit="inputs", show=show_progress_bar) as running:
            for batch in inputs:
                found.append(np.sum([encode[kind](list(batch[kind])) for kind in kinds], axis=0))
                running.advance(len(found[-1]))
        vectors = np.concatenate(found)
        return vectors if len(kinds) == 1 else vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def meta(about: RunRecord) -> ModelMeta:
    """What MTEB keeps beside results."""
    towers = about.text.parameters + about.vision.parameters
    return ModelMeta(
        loader=RunEncoder,
        name=f"mlilt/{about.name}",
        revision=about.weights_sha256,
        release_date=about.finished[:10],
        languages=[code for code in map(_with_script, about.config.languages) if code is not None],
        n_parameters=towers + about.trained.projections,
        memory_usage_mb=round(4 * towers / 2**20),
        max_tokens=None,
        embed_dim=about.config.dim,
        license=None,
        open_weights=True,
        public_training_code=None,
        public_training_data=None,
        framework=["PyTorch"],
        similarity_fn_name=ScoringFunction.COSINE,
        use_instructions=False,
        # Whoever trained on one of its data sets knows.
        training_datasets=None,
        modalities=["image", "text"],
    )


def _with_script(code: str) -> str | None:
    """A language as MTEB writes it, such as "amh-Ethi"; None for one it does not list."""
    full = langcodes.Language.get(code).maximize()
    written = f"{full.to_alpha3()}-{full.script}"
    try:
        check_language_code(written)
    except ValueError:
        return None
    return written
