"""The verbs `generate` and `show`: they make and print a critique data set (AutoMathCritique).

Imports `graphs`, `runs` and what stands below them.
"""
