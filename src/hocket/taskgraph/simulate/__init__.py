"""The world of task graphs on the kernel.

What happens, and in which order within one tick:

1. Running tasks finish. Each successor whose last input this was becomes ready; with shared memory
   only after ``floor(volume / bandwidth)`` ticks, when all its inputs have reached memory.
2. Jobs arrive, if the system is not full; their first tasks are ready at once.
3. The policy looks, if tasks are ready. An assigned task joins its processor's queue with the time
   at which its inputs will be there: ``finish + floor(volume / bandwidth)`` of the last one in
   direct mode, ``now + floor(volume / bandwidth to memory)`` with shared memory, now if it has no
   inputs.
4. Each processor walks its queue in order of assignment and starts, while it has capacity, the
   tasks whose inputs are there and whose `after`, if any, is done.

A task's real duration is ``max(round(N(mean, noise * mean)), 1)`` ticks at the highest frequency,
the same luck whichever processor and whichever policy; a task of mean 0 takes none. At a lower
frequency what is left is stretched by the ratio of the frequencies.

These are the rules of DS3 (Arda et al., IEEE Transactions on Computers 69, 2020) as its Gym version
plays them tick by tick. Two things are ours, where its order within a tick depends on the internals
of its event queue: a task of one tick is noticed when it ends, not a tick later, and a job that
arrives no tick after another is seen together with it.
"""
