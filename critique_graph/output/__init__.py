"""Text for people to read: console output, model text made safe to print, the Markdown of cards, and figures.

Imports `core`.
"""
