"""Tasks: what a domain brings, from the form of its questions to the grade of an answer.

Imports `core` and `grading`.
"""
