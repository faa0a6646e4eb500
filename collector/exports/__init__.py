"""Writes what was recorded in the formats of other projects.

An export is a folder that is new: written under a temporary name, and renamed once it is whole. It is read with
`collector.read`, some thousand rows at a time.
"""
