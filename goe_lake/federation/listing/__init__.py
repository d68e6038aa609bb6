"""A round that lists the sites whose carriers reach the threshold in all nodes together.

Explained, with who learns what, in `docs/site-rounds.md`. The files, from the inside out: `field` and
`one_time_tables` are arithmetic and cryptography over arrays; `names` writes sites as numbers; `messages`
and `payloads` are what travels; `standing` is what a node holds of a round, `deciding` how nodes find which
places reach the threshold, `seat` a node's part, `search` the gateway's, and `kept` what a node remembers.
"""
