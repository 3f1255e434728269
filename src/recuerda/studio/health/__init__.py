"""The page of a storage's health: damage, leftovers, sizes and growth."""

from recuerda.studio.health.checking import show_health
from recuerda.studio.page import page

ROUTES = (*page("/health", show_health, "health.html"),)

__all__ = ["ROUTES"]
