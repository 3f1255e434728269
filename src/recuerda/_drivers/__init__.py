"""Code that several technologies share: how a driver's connections are opened, closed and forked.

Nothing here is public. A technology's package imports from these modules, so that no technology imports another one.
"""
