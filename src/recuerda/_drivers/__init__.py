"""What several technologies share: how a driver's connections live, close and fork.

Nothing here is public. A technology's package imports from these modules, so that no technology imports another one.
"""
