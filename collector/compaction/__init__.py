"""Day files: the rows that many segments have of one stream and date, in one object.

They stand in a tree of their own beside the archive, with the same keys and manifests. What is replaced stays where it is.
"""
