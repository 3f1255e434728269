"""Past turns as documents in Redis's query engine, for `RedisProvider`.

`words.py` turns texts into words, `scope.py` turns ids into tags, and `documents.py` turns messages into documents.
`schema.py` defines the index, `queries.py` builds queries, and `engine.py` sends commands to the server.
"""
