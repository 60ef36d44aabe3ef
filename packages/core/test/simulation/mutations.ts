/** Bugs planted in the machine: each replaces text that occurs exactly once in its source. The simulation must find each. */
export interface Mutation {
  readonly bug: string
  readonly find: string
  readonly replace: string
}

export const mutations: readonly Mutation[] = [
  {
    bug: 'a later message starts while the lane is held',
    find: 'this.heldCount += lane.queue.size\n    lane.dueMs = head.notBeforeMs',
    replace: "this.heldCount += lane.queue.size\n    lane.phase = 'open'\n    lane.dueMs = head.notBeforeMs",
  },
  {
    bug: 'the waiting head is started at once',
    find: 'if (head.notBeforeMs > this.#nowMs) this.#wait(lane, head)',
    replace: 'if (head.notBeforeMs > this.#nowMs) head.notBeforeMs = 0\n    if (head.notBeforeMs > this.#nowMs) this.#wait(lane, head)',
  },
  {
    bug: 'a failed message goes to the end of its lane',
    find: 'head.notBeforeMs = this.#nowMs + verdict.delayMs',
    replace:
      'if (lane.queue.size > 1 && !head.delivery.fromLot) lane.queue.push(lane.queue.shift() as LaneEntry<Route>)\n    head.notBeforeMs = this.#nowMs + verdict.delayMs',
  },
  {
    bug: 'arrivals overtake a suspended lane',
    find: "if (lane.lotRest || phase === 'suspended' || phase === 'parked'",
    replace: "if (lane.lotRest || phase === 'parked'",
  },
  { bug: 'arrivals overtake a lane that is being drained', find: "if (lane.lotRest || phase === 'suspended'", replace: "if (phase === 'suspended'" },
  { bug: 'arrivals overtake what is being read', find: "|| phase === 'parking' || phase === 'reading')", replace: "|| phase === 'parking')" },
  { bug: 'successors are not parked behind their dead letter', find: "    this.#retreat(lane)\n    lane.phase = 'parked'", replace: "    lane.phase = 'open'" },
  {
    bug: 'a parked lane is read when it is time',
    find: "} else if (lane.phase === 'suspended') {\n      if (lane.dueMs <= this.#nowMs && this.#read(lane)) return",
    replace: "} else if (lane.phase === 'suspended' || lane.phase === 'parked') {\n      if (lane.dueMs <= this.#nowMs && this.#read(lane)) return",
  },
  { bug: 'a full read is taken for the whole lot', find: 'lane.lotRest = deliveries.length >= countMax', replace: 'lane.lotRest = false' },
  {
    bug: 'successors that were not begun are forgotten when the lane is suspended',
    find: 'entries: lane.queue.toArray(), state',
    replace: 'entries: lane.queue.toArray().slice(0, 1), state',
  },
  {
    bug: 'read and unsettled ones of the lot are kept when the lane is rescheduled',
    find: '      if (entry.delivery.fromLot) this.#leave(entry)\n      else behind.push(entry)',
    replace: '      behind.push(entry)',
  },
  { bug: 'attempts are not counted', find: 'if (verdict.counted) head.attempt++', replace: 'if (false) head.attempt++' },
  { bug: 'attempts are not recorded', find: 'head.unrecorded = verdict.counted || verdict.delayMs > 0', replace: 'head.unrecorded = false' },
  {
    bug: 'a suspect message starts before its attempt is durable',
    find: 'else if (head.suspect || head.unrecorded) this.#recordFirst(lane, head)',
    replace: 'else if (((head.suspect = false), head.unrecorded)) this.#recordFirst(lane, head)',
  },
  {
    bug: 'a handler that lost its partition may overlap with its successor',
    find: 'if (this.#lostRunning.size > 0 && this.#blockedByLost(lane)) return',
    replace: '',
  },
  { bug: 'who waits for a lost handler is never woken', find: "heir.phase = 'open'\n      this.#next(heir)", replace: "heir.phase = 'open'" },
  {
    bug: 'a message is accepted although its handler failed',
    find: "verdict.kind === 'accept' && lane.verdict === undefined",
    replace: "(verdict.kind === 'accept' || (verdict.kind === 'retry' && verdict.delayMs > 200)) && lane.verdict === undefined",
  },
  {
    bug: 'a hand-over does not wait for running handlers',
    find: 'if (!partition.revoking || partition.laneCount > 0) return',
    replace: 'if (!partition.revoking) return',
  },
  {
    bug: 'a hand-over starts what was queued',
    find: 'if (lane.running === 0 && lane.io === undefined) this.#drop(lane)\n    }\n    this.#checkRevoked(partition)',
    replace: 'if (lane.running === 0 && lane.io === undefined && lane.queue.size === 0) this.#drop(lane)\n    }\n    this.#checkRevoked(partition)',
  },
  { bug: 'a revoked partition is never answered', find: 'if (partition.revoking) this.#checkRevoked(partition)', replace: '' },
  { bug: 'a request that failed is not tried again', find: 'lane.ioRetryAtMs = this.#nowMs + Math.min', replace: 'lane.ioRetryAtMs = 0 * Math.min' },
  {
    bug: 'the window leaks when a lane is suspended',
    find: '      for (const entry of request.entries) this.#leave(entry)\n      // Nobody',
    replace: '      // Nobody',
  },
  { bug: 'too much is held', find: 'this.heldCount + lane.queue.size <= this.#heldMax)', replace: 'true)' },
  { bug: 'too much is read from the lot', find: 'if (!this.#lotWindowFits(countMax))', replace: 'if (false)' },
  { bug: 'lanes that wait for room in the lot window are forgotten', find: 'if (!lane.gone) this.#lotStep(lane)\n    }', replace: '}' },
  {
    bug: 'a redrive is not noticed',
    find: 'lane.lotNews = { state, dueAtMs, dueMs: ',
    replace: "if (known === undefined || state === 'parked') lane.lotNews = { state, dueAtMs, dueMs: ",
  },
  {
    bug: 'a lost settlement of the lot is not noticed',
    find: 'if (partition === undefined || !delivery.fromLot || partition.stopping) continue',
    replace: 'continue',
  },
  {
    bug: 'a lost delivery stays in its lane',
    find: 'if (!entry.lost || asked) lane.queue.push(entry)',
    replace: 'if (true) lane.queue.push(entry)',
  },
  {
    bug: 'suspended lanes are never woken',
    find: "(lane.phase === 'held' || lane.phase === 'suspended' || lane.phase === 'suspending') && lane.dueMs > this.#nowMs",
    replace: "lane.phase === 'held' && lane.dueMs > this.#nowMs",
  },
  {
    bug: 'suspects on their last attempt run together',
    find: 'if (this.#isolated === undefined) {',
    replace: 'if (true) {',
  },
  {
    bug: 'who waits for a suspect to end is forgotten',
    find: "if (!lane.gone && lane.running === 0 && lane.phase === 'open') this.#next(lane)",
    replace: '',
  },
]
