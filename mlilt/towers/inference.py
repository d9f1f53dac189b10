"""A vision tower made ready for inference alone: the same function, computed faster.

On a CPU by OpenVINO, which folds norms into convolutions, fuses what follows them and chooses layouts; a picture's
features do not depend on the pictures or threads that it is computed with. Elsewhere by torch.
"""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mlilt.towers.vision import VisionTower

# uint8 pixels of shape (n, 3, height, width) -> float32 features of shape (n, width), on the device of the pixels.
Encode = Callable[[Tensor], Tensor]


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


class Compiled:
    """A tower compiled by OpenVINO for as many calls at once as torch has threads.

    Raises:
        Exception: of many kinds, where the tower's model cannot be traced or does what OpenVINO does not know.
    """

    def __init__(self, tower: VisionTower, dtype: torch.dtype) -> None:
        import openvino

        threads = torch.get_num_threads()
        model = _converted(tower)
        model.reshape({model.inputs[0]: openvino.PartialShape([-1, 3, *tower.size])})
        self._compiled = openvino.Core().compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16" if dtype == torch.bfloat16 else "f32",
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": threads,
                # Other processes share the machine.
                "ENABLE_CPU_PINNING": False,
            },
        )
        # A request holds the tensors of one call.
        self._own = threading.local()

    def __call__(self, pixels: Tensor) -> Tensor:
        """uint8 pixels of shape (n, 3, height, width) -> float32 features of shape (n, width); from any thread."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        return torch.from_numpy(self._own.request.infer([pixels.contiguous().numpy()])[0])


class _Plain:
    """A tower computed by torch."""

    def __init__(self, tower: VisionTower) -> None:
        self._tower = tower

    def __call__(self, pixels: Tensor) -> Tensor:
        with torch.inference_mode():
            found: Tensor = self._tower(pixels)
            return found


def _converted(tower: VisionTower) -> Any:
    """The tower as a model of OpenVINO.

    By its frontend and not by `openvino.convert_model`, which reports its use to OpenVINO's makers.
    """
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with torch.no_grad(), warnings.catch_warnings():
        # Of shapes that are the same in every call.
        warnings.simplefilter("ignore")
        traced: Any = torch.jit.trace(  # type: ignore[no-untyped-call]
            tower, torch.zeros(2, 3, *tower.size, dtype=torch.uint8), check_trace=False
        )
    decoder = TorchScriptPythonDecoder(traced)
    frontend = FrontEndManager().load_by_framework("pytorch")
    return frontend.convert(frontend.load(decoder))
