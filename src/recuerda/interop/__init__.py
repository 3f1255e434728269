"""Our threads behind the memory contracts of other agent frameworks.

One package for each framework, named as its extra: `recuerda.interop.langgraph` needs `recuerda[langgraph]`. A package
imports its framework and nothing of another package.
"""
