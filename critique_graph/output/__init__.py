"""What people read: consoles, model text made safe to print, Markdown of cards.

Imports `core`.
"""
