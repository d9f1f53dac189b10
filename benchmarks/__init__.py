"""Speed and quality, measured: each module prints its figures with the machine they were taken on.

`python -m benchmarks` runs all, `python -m benchmarks training` one. What is compared is interleaved, several rounds,
and given as medians and ratios, since machines are shared and noisy.
"""
