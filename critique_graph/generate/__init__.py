"""The verbs `generate` and `show`: a critique data set (AutoMathCritique), made and read.

Imports `graphs`, `runs` and what stands below them.
"""
