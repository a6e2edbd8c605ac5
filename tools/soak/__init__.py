"""``make soak``: random kills, signals and faults, world after world, until the time is up; nothing may be missing.

Each world is a separate sandbox. The pipeline runs, is disturbed, and runs again from the acknowledged state, several
times; then it finishes undisturbed, and everything that Pleo has must have arrived, to the last digit. In some worlds
the tap writes into PostgreSQL through mapper and target, in others into a file, including values that no target can
store. The seed repeats worlds and plans; the exact moments depend on the machine.
After each world, another one has its failing items reported back through tap, mapper and `target-pleo-export`, also
disturbed: each must be marked once, and no other.
"""
