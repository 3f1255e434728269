"""The studio: pages that show what an agent remembers, and why it was sent what it was sent."""
