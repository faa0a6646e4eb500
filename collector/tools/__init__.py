"""The commands that look after a recorder and its archive, one file each."""
