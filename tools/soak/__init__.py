"""``make soak``: random kills, signals and faults, world after world, until the time is up; nothing may be missing.

Each world is a sandbox of its own. The pipeline is run, disturbed, and run again from the state that was acknowledged,
some times over; then it is left in peace to finish, and everything that Pleo has must have arrived, exact to the digit.
In some worlds the tap writes into PostgreSQL through mapper and target, in others into a file: there it may meet what
no target can store. The seed repeats worlds and plans; moments are the machine's.
After each world another one has its failing items reported back through tap, mapper and `target-pleo-export`, likewise
disturbed: each must be marked once, and no other.
"""
