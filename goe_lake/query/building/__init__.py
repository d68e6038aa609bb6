"""The parts of the builder, each for one kind of thing that a SELECT may read or be.

`draft` holds what is collected. `sources` reads FROM; `person_joins`, `joined` and `nested` bring what
stands beside persons into a form that a node may be asked; `person_branches`, `merged`, `set_groups`,
`label_groups` and `asked` make releases of SELECTs over persons; `released` makes steps of all others.
"""
