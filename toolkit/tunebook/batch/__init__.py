"""Many runs as one: plans, executors, status, leaderboards."""
