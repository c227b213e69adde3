"""The verb `study`: the paper's figures for given models, in one folder; each part ends in findings.

Each part is a module with one function, which makes its runs by `shared_runs.py` and gives a `PartResult` (`part.py`);
`run.py` goes through the parts, and `readme.py` writes what was found as a results section.
"""
