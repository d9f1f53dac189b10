"""Steps between the sources and the data set, one module each, each with one function `apply`.

A step takes Examples and yields Examples; whatever it leaves out or changes it tells the DropLog.
`pipeline.py` alone knows their order.
"""
