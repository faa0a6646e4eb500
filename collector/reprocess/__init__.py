"""What an older version stored, read again by the adapters of this one, into an archive of its own.

An object of the new archive takes the place of the one with the same key: it has the same rows, those read again as this
version reads them, and those that were not understood before where they belong. Nothing of the old archive is changed.
"""
