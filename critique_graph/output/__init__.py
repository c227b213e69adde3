"""Text for people to read: console output, model text made safe to print, and the Markdown of cards.

Imports `core`.
"""
