"""The door for agents: tools and resources over the Model Context Protocol, in one workspace.

`workspace` says what may be touched, `tools` what can be called, `answers` how much of an answer is
given at once, `server` puts them on the wire. Only `server` needs the package `mcp`.
"""
