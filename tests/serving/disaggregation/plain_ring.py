"""The rules of the ring simulator request by request, as SimPy processes: slow and plain."""

from collections import deque

import simpy


class Rank:
    def __init__(self, env, instance, first, last):
        self.env, self.instance, self.first, self.last = env, instance, first, last
        self.prompts, self.decodes = deque(), deque()
        self.under_way = 0
        self.alarm = env.event()
        self.next = self
        self.after_prefill = None

    def wake(self):
        self.alarm.succeed()
        self.alarm = self.env.event()

    def run(self):
        while True:
            if not (self.prompts or self.decodes):
                yield self.alarm
            if self.prompts:
                yield from self.prefill()
            else:
                yield from self.decode()

    def prefill(self):
        batch = []
        if self.first:
            caps = (self.instance.tokens, self.instance.pack or self.instance.tokens)
            room = min(caps)
            while self.prompts and (not batch or self.prompts[0].prompt <= room):
                request = self.prompts.popleft()
                room -= request.prompt
                batch.append(request)
            for request in batch:
                request.chunk = batch[0]
        else:
            chunk = self.prompts[0].chunk
            while self.prompts and self.prompts[0].chunk is chunk:
                batch.append(self.prompts.popleft())
        tokens = sum(request.prompt for request in batch)
        a, b, c = self.instance.costs.prefill
        pp = self.instance.pp
        delay = (a + b * tokens + c * sum(request.prompt**2 for request in batch)) * (1 / pp) + pp
        if self.first:
            delay += 2 + tokens * 0.0001
        self.under_way = len(batch)
        yield self.env.timeout(delay)
        self.under_way = 0
        for request in batch:
            if self.last:
                request.first = self.env.now
                self.after_prefill(request)
            else:
                self.next.prompts.append(request)
                self.next.wake()

    def decode(self):
        batch, room = [], self.instance.context
        while self.decodes and self.decodes[0].context + 1 <= room:
            request = self.decodes.popleft()
            room -= request.context + 1
            batch.append(request)
        costs = self.instance.costs
        a, b, c = costs.small if len(batch) < costs.threshold else costs.large
        context = sum(request.context for request in batch)
        delay = (a + b * (context + len(batch)) + c * len(batch)) * (1 / self.instance.pp)
        if self.first:
            delay += 2 + context * 0.0001
        yield self.env.timeout(delay)
        for request in batch:
            request.done += self.last
            if request.done >= request.output:
                request.finish = self.env.now
            else:
                self.next.decodes.append(request)
                self.next.wake()


class Request:
    def __init__(self, prompt, output):
        self.prompt, self.output, self.done = prompt, output, 0
        self.first = self.finish = None

    @property
    def context(self):
        return self.prompt + self.done


def rings(env, instance):
    heads = []
    for _ in range(instance.instances):
        ranks = [Rank(env, instance, i == 0, i == instance.pp - 1) for i in range(instance.pp)]
        for i, rank in enumerate(ranks):
            rank.next = ranks[(i + 1) % instance.pp]
            env.process(rank.run())
        heads.append(ranks)
    return heads


def simulate(arrival, prompt, output, prefill, decode=None):
    """First token and last token of each request, in milliseconds."""
    env = simpy.Environment()
    requests = [Request(p, o) for p, o in zip(prompt, output, strict=True)]
    prefills = rings(env, prefill)
    decodes = prefills if decode is None else rings(env, decode)

    def to_decode(ranks):
        def send(request):
            if request.output == 0:
                request.finish = env.now
                return
            if decode is None:
                head = ranks[0]
            else:
                head = min((ring[0] for ring in decodes), key=lambda rank: len(rank.decodes))
            head.decodes.append(request)
            head.wake()

        return send

    for ranks in prefills:
        ranks[-1].after_prefill = to_decode(ranks)

    def arrive(request, at):
        yield env.timeout(at)
        heads = [ring[0] for ring in prefills]
        head = min(heads, key=lambda rank: rank.under_way + len(rank.prompts))
        head.prompts.append(request)
        head.wake()

    for request, at in zip(requests, arrival, strict=True):
        env.process(arrive(request, at))
    env.run()
    return [request.first for request in requests], [request.finish for request in requests]
