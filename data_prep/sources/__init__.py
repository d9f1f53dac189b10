"""Sources of captioned pictures, one module each; the file's name is the source's name.

A module holds one object named SOURCE that fulfils `base.Source`. To add a source, add a module.
"""
