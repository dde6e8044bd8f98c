"""The serving cluster as a discrete-event world.

Two replicas keep the same rules. `plain` walks through all requests at every iteration and is what
the rules mean; `fast` keeps the decoding requests in aggregates and leaps over iterations in which
nothing can change. Tests hold their timelines equal, byte for byte; those of whole clusters up to
the order in which what happens at one tick on different replicas is written down.

**Whose rules.** With the limits of ``serving/vllm-v1`` or ``serving/priority``, one engine without
pipeline composes as vLLM 0.32 does (``v1/core/sched/scheduler.py``, synchronous; policies fcfs and
priority, with and without prefix cache): the same tokens for the same requests in every iteration.
`kv_blocks` is then ``num_gpu_blocks - 1``, since vLLM keeps a block for itself, of which it takes
no account in its watermark. `hocket.serving.simulate.steps` lists the iterations of a run.

**An iteration.** It is composed at an instant once arrivals of that instant are in, lasts what the
cost model says, rounded to ticks (one at least), and at its end every request in it has its tokens.
A request whose prompt is complete gets its first token from the iteration that completes it; each
further token costs one decode. A request with output L so is in ``L - 1`` decodes. Before a decode
of a request that has `computed` tokens in memory, memory for ``computed + 1`` is taken; after it
`computed` is one more. `context` of the cost model is the sum of `computed` before the iteration.

**Composing, style mixed.**

1. Decodes, in order of admission: one token each; they are never left out for the budget. Who needs
   a block while none is free asks `victim`, again and again, until there is one, or it has given
   way itself: then nobody behind it gets anything in this iteration, in step 2 neither.
2. Prompts under way, in order of admission: each gets what it still needs, at most what is left of
   the budget (nothing left: it waits). Unless memory for its whole prompt was taken at admission
   (``allocate`` other than ``chunk``) it takes what the chunk needs, by the rule of step 1. What a
   victim had in this iteration goes back to the budget.
3. The queue, unless something was preempted in this iteration: its head comes in if fewer than
   `seqs` are running, the budget is not used up, the whole rest of its prompt fits the budget where
   prompts are not ``chunked``, its allocation fits and leaves the watermark free, and `admits` says
   so; then the next. The first that does not come in ends the step. A prompt that exceeds a whole
   budget and may not be cut comes in alone, when nothing else is in the iteration. The watermark
   does not count while nothing is running. With `urgent`, a head that lacks memory asks `victim`
   for room, comes in if it gets it, and ends the step; only who ran before the step can give way.

If somebody gave way and nothing is left in the iteration, it is composed anew at once.

**Other styles.** In ``prefill-first`` steps 2 and 3 alone make the iteration if they yield
anything; only otherwise step 1 does. ``alternate`` is the same, but after an iteration with prompts
comes one without if any request decodes. In ``static`` step 3 happens only when nothing is running;
prompts then run by step 2 until all are complete, and the requests decode together until the last
is done. With ``every`` above 1, step 3 takes place only when so many iterations with decodes have
passed since it last did (with whatever outcome), or when nothing is running.

**Allocation.** ``chunk``: blocks for the tokens computed after the iteration. ``prompt``: blocks
for the whole prompt (with what was generated before a preemption). ``longest``: for the prompt and
the longest answer that the request may have; such a request never needs another block. With `whole`
a request comes in only if its whole prompt would fit, whatever is taken at a time. All of a
request's blocks are freed when it finishes or gives way.

**Preemption.** ``recompute``: `computed` becomes 0, the request goes back to the queue, and its
prompt is now the prompt and all tokens generated; completing it yields the next token. ``swap``: if
it decodes and the host has room for its blocks they move there, otherwise it is recomputed. Swapped
requests come back at the start of a composition, in order of arrival, while fewer than `seqs` are
running and their blocks, and those that all decodes of this iteration need, fit above the
watermark; they decode in this very iteration. While any is swapped out, step 3 is left out. Moving
blocks either way adds ``blocks * bytes / bandwidth + latency`` of the host link to the iteration.

**Prefix cache.** A full block has content: in a prompt the one that the workload's ids tell, which
is the same for all who have that id; behind the ids, part of a prompt or of an answer, one that
nobody else has. It is known to the cache from the composition of the chunk, or decode, that fills
the block, so that who comes in later in the same iteration can have it. A waiting request shares
the blocks at its front whose content is in memory, and they need no computing, except that at least
one token is computed; so a request that was preempted finds its own blocks again, as far as they
have not been given up. Who computes content that is in memory already has a second copy; the copy
that was there first is shared. Blocks given back without content are taken first, then those with
content that nobody uses: the one unused for longest before the others, of a request's blocks the
last before the first. A victim's blocks that this very iteration would have filled have no content
(in vLLM's priority mode they keep it, though it is never computed), unless another request shares
them already. What comes from a host or another replica has no content, nor what follows it.
If the ids tell of several blocks at once, those are shared, copied and given up together, and
content behind the ids too: vLLM does all that block by block.

**Who is served.** Requests of a tenant go to pools that serve it; without one they are rejected.

**Too long.** A prompt that leaves no room for one token below `max_context` is rejected at arrival
(point ``reject``) and counted; an answer is cut off at `max_context` and at the request's `limit`.
`max_context` is that of the smallest pool, and never more than what memory holds.

**Clients that go.** A request whose client goes away, `cancel` ticks after its arrival, leaves: at
once while it waits, in a queue or on a host; while it runs, at the end of the iteration under way,
unless it finishes with that; while its memory is on its way, when that has come. Its memory is
freed, and its end releases requests that wait for it like any end.

**Pipeline.** With `pp` stages up to `pp` micro-batches are under way; a request stays in one, which
is composed as above when its latest iteration has left the last stage and the first is free: the
one at home for longest, or the next if it has nothing to do. A micro-batch admits at most
``ceil(seqs / pp)``; only its own requests can give way to one another. A stage takes the cost
model's time. Before a migration the pipeline runs empty.

**Prefill and decode apart.** A prefill replica keeps the memory of a request whose prompt is
complete. The request is dispatched again, waits in the queue of a decode replica, and once admitted
there (by the rules of step 3, without any budget) its memory is pulled over the link; then it
decodes from the next composition on. Until the memory has come `computed` reads 0 in views.

**Failures.** A replica that fails loses its memory; its requests are dispatched again, with the
tokens generated so far as part of their prompt. Requests that merely waited there to be decoded
still have their memory where they were prefilled.

**Reports.** A load shows the present: tokens of the iteration under way are not counted, blocks
taken for it are; of the queue those that the latest composition has seen.

**Records.** Points ``arrive``, ``dispatch``, ``reject``, ``preempt``, ``swap-in``, ``lost``,
``cancel``, ``finish`` (group request; lane replica, or ``""`` at the front end); the names of
``preempt``, ``lost`` and ``cancel`` end in the tokens of the answer so far. Spans ``run``:
``prefill N`` from the first iteration that has a chunk of it to the one that completes N tokens of
prompt, ``decode N`` while N further tokens come; both end at a preemption, failure, cancellation or
migration too. Spans ``migrate``, ``aborted``, ``transfer``, ``start``, ``drain``, ``down``. Gauges
per replica
``batch``, ``waiting``, ``kv`` (blocks used), ``wasted`` (tokens that fit in used blocks but are not
there), ``demand`` (blocks that the head of the queue asks for). Tallies: ``gap`` per replica (ticks
between two tokens of a request, in the bins of `core.tally`), ``longest gap`` per request,
``iterations`` and ``busy`` per replica, ``loss`` per request (ticks from a preemption to the next
token).
"""
