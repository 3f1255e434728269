"""Past turns as documents in Redis's query engine: what `RedisProvider` stores, asks and finds.

`words.py` makes texts into words, `scope.py` ids into tags, `documents.py` turns into documents. `schema.py` says what
the index looks like, `queries.py` how it is asked, and `engine.py` talks to the server.
"""
