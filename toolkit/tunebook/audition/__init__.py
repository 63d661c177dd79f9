"""Auditions: strategies tried on one's own data under a budget, before one of them is chosen.

`plan` says what is tried, `halving` how the budget is spent, `folder` what is on disk, `driving`
carries it out as a batch that grows rung by rung, `reading` and `drawing` show what came out.
"""
