"""Auditions: strategies tried on one's own data under a budget, before one of them is chosen.

`plan` says what is tried, `halving` and `costs` how the budget is spent, `folder` what is on disk,
`opening` where; `driving` carries it out as a batch that grows by rungs; `reading`, `sentences`,
`drawing` and `as_data` show what came out.
"""
