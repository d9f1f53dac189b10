"""Towers made ready for inference alone: the same functions, computed faster.

On a CPU by OpenVINO, which folds norms into convolutions, fuses what follows products and chooses layouts; a picture's
features do not depend on the pictures or threads that it is computed with. Elsewhere by torch.
"""

from __future__ import annotations

import copy
import importlib
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mlilt.towers.text import TextTower
from mlilt.towers.vision import VisionTower

# uint8 pixels of shape (n, 3, height, width) -> float32 features of shape (n, width), on the device of the pixels.
Encode = Callable[[Tensor], Tensor]
# Token ids of one caption -> its pooled vector, float32 of shape (1, width), on the tower's device.
EncodeCaption = Callable[[Sequence[int]], Tensor]
# Threads that compute one caption together; with more they would wait for each other.
_SHARING = 4
_IMPORTING = threading.Lock()


def for_inference(tower: VisionTower, device: torch.device, dtype: torch.dtype) -> Encode:
    """What encodes pixels on `device` as the tower does, its products in `dtype`; the tower stays as it is."""
    fast = copy.deepcopy(tower).eval().requires_grad_(False)
    # Parts of a tower that was trained may be in another precision.
    fast.model.float()
    if device.type == "cpu":
        try:
            return Compiled(fast.cpu(), dtype)
        except Exception:  # what a model does that OpenVINO has nothing for surfaces as many kinds
            pass
    fast.model.to(device=device, dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return _Plain(fast.to(device))


def caption_for_inference(tower: TextTower, device: torch.device, dtype: torch.dtype) -> EncodeCaption:
    """What encodes one caption at once with least delay, as the tower does, its products in `dtype` on a CPU.

    The tower stays as it is.

    For many captions the tower itself is better, which takes them together.
    """
    if device.type == "cpu":
        try:
            return CompiledText(tower, dtype)
        except Exception:  # as above
            pass
    return _PlainText(tower)


class Compiled:
    """A vision tower compiled by OpenVINO for as many calls at once as torch has threads.

    Raises:
        Exception: of many kinds, where the tower's model cannot be traced or does what OpenVINO does not know.
    """

    def __init__(self, tower: VisionTower, dtype: torch.dtype) -> None:
        pixels = torch.zeros(2, 3, *tower.size, dtype=torch.uint8)
        self._run = _Requests(tower, pixels, (-1, 3, *tower.size), dtype)

    def __call__(self, pixels: Tensor) -> Tensor:
        """uint8 pixels of shape (n, 3, height, width) -> float32 features of shape (n, width); from any thread."""
        return self._run(pixels.contiguous())


class CompiledText:
    """A text tower compiled by OpenVINO for one caption a call, of any length, from any number of threads.

    A few cores share each call: there is little to do, and its answer is waited for.

    Raises:
        Exception: of many kinds, as of `Compiled`.
    """

    def __init__(self, tower: TextTower, dtype: torch.dtype) -> None:
        whole = copy.deepcopy(tower).cpu().float().eval().requires_grad_(False)
        whole.settle(torch.device("cpu"), packed=False)
        self._run = _Requests(_OneCaption(whole), torch.ones(1, 7, dtype=torch.int64), (1, -1), dtype, sharing=_SHARING)

    def __call__(self, ids: Sequence[int]) -> Tensor:
        """See `EncodeCaption`; from any thread."""
        return self._run(torch.tensor([ids], dtype=torch.int64))


class _OneCaption(nn.Module):
    """A text tower as a function of the ids of one caption, none of which is padding."""

    def __init__(self, tower: TextTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, ids: Tensor) -> Tensor:
        return self.tower.pooled(ids, torch.ones_like(ids))


class _PlainText:
    """A text tower computed by torch."""

    def __init__(self, tower: TextTower) -> None:
        self._tower = tower

    def __call__(self, ids: Sequence[int]) -> Tensor:
        with torch.inference_mode():
            found: Tensor = self._tower([ids])
            return found


class _Requests:
    """A module of one input compiled by OpenVINO; each thread has a request of its own, which holds a call's tensors.

    Args:
        module: in eval mode, on the CPU.
        example: an input to trace it with.
        shape: of all inputs; -1 where sizes differ.
        dtype: of its products.
        sharing: so many threads compute one call.
    """

    def __init__(
        self, module: nn.Module, example: Tensor, shape: tuple[int, ...], dtype: torch.dtype, sharing: int = 1
    ) -> None:
        openvino = _openvino()
        threads = torch.get_num_threads()
        model = _converted(module, example)
        model.reshape({model.inputs[0]: openvino.PartialShape(list(shape))})
        self._compiled = openvino.Core().compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16" if dtype == torch.bfloat16 else "f32",
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": -(-threads // sharing),
                # Other processes share the machine.
                "ENABLE_CPU_PINNING": False,
            },
        )
        self._own = threading.local()

    def __call__(self, given: Tensor) -> Tensor:
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        return torch.from_numpy(self._own.request.infer([given.numpy()])[0])


class _Plain:
    """A vision tower computed by torch."""

    def __init__(self, tower: VisionTower) -> None:
        self._tower = tower

    def __call__(self, pixels: Tensor) -> Tensor:
        with torch.inference_mode():
            found: Tensor = self._tower(pixels)
            return found


def _openvino() -> Any:
    """The package `openvino`. Its import calls its makers, by a package that it also does without."""
    reporter = "openvino_telemetry"
    with _IMPORTING:
        before = sys.modules.get(reporter)
        sys.modules[reporter] = None  # type: ignore[assignment]
        try:
            return importlib.import_module("openvino")
        finally:
            sys.modules.pop(reporter, None)
            if before is not None:
                sys.modules[reporter] = before


def _converted(module: nn.Module, example: Tensor) -> Any:
    """A module as a model of OpenVINO.

    By its frontend and not by `openvino.convert_model`, which reports its use to OpenVINO's makers.
    """
    _openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with torch.no_grad(), warnings.catch_warnings():
        # Of shapes that are the same in every call.
        warnings.simplefilter("ignore")
        traced: Any = torch.jit.trace(module, example, check_trace=False)  # type: ignore[no-untyped-call]
    # Held: the frontend calls it while it converts.
    decoder = TorchScriptPythonDecoder(traced)
    frontend = FrontEndManager().load_by_framework("pytorch")
    return frontend.convert(frontend.load(decoder))
