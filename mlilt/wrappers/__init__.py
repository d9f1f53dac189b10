"""Runs as other benchmarks take their models: one module for each benchmark, named as its package is.

Nothing is imported until one of these modules is: each needs its own package, which mlilt does not bring.
"""
