"""The pair as one model behind an OpenAI-compatible endpoint: the verb `serve`.

Imports `graphs`, `verbs` and what stands below them.
"""
