"""The fault campaign: bad input, and near it good input, for every command of `rgmp`.

`case` says what a case is and judges what came of it, `workspace` is what each starts from,
`runner` runs them, `schema` finds what a model refuses; every other module is a family of cases.
"""
