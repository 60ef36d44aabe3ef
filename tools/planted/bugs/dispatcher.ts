/** Bugs planted in the dispatcher's shell; those of the lane machine are in packages/core/test/simulation/mutations.ts. */
import type { PlantedBug } from '../bug.ts'

const dispatcher = 'packages/core/src/endpoint/dispatch/dispatcher.ts'
const runner = 'packages/core/src/endpoint/dispatch/group-runner.test.ts'
const givenUp = 'packages/core/src/endpoint/dispatch/given-up.test.ts'
const members = 'packages/core/src/endpoint/dispatch/members.test.ts'

export const dispatcherBugs: readonly PlantedBug[] = [
  {
    bug: 'a message is accepted before its asynchronous handler has ended',
    file: dispatcher,
    find: '    if (result === undefined) {\n      this.#runEnded(run, undefined, event)\n      return\n    }',
    replace: '    if (run.entries.length > 0) {\n      this.#runEnded(run, undefined, event)\n      return\n    }',
    caughtBy: ['dispatcher simulation', runner],
  },
  {
    bug: 'a handler that is left to itself settles a second time when it ends',
    file: dispatcher,
    find: 'if (run.ended) return\n    this.lookAtClock()',
    replace: 'this.lookAtClock()',
    caughtBy: ['dispatcher simulation', `${runner} :: a handler that hangs`],
  },
  {
    bug: 'a message is tried once more than its policy allows',
    file: 'packages/core/src/policy/retry.ts',
    find: 'if (failed.attempt >= policy.attempts)',
    replace: 'if (failed.attempt > policy.attempts)',
    caughtBy: ['dispatcher simulation', 'packages/core/src/policy/policy.test.ts'],
  },
  {
    bug: 'a handler that was timed out is taken for done when it returns',
    file: dispatcher,
    find: 'const failure = run.cutShort === undefined ? thrown : { error: run.cutShort }',
    replace: 'const failure = thrown',
    caughtBy: ['dispatcher simulation', `${runner} :: a time-out aborts the signal`],
  },
  {
    bug: 'one handler too many runs at once',
    file: dispatcher,
    find: 'return !this.paused && this.slots < this.#options.concurrency',
    replace: 'return !this.paused && this.slots <= this.#options.concurrency',
    caughtBy: ['dispatcher simulation', `${runner} :: concurrency bounds handler calls`],
  },
  {
    bug: 'a paused group starts handlers',
    file: dispatcher,
    find: 'return !this.paused && this.slots < this.#options.concurrency',
    replace: 'return this.slots < this.#options.concurrency',
    caughtBy: ['dispatcher simulation', `${runner} :: pause starts nothing until resume`],
  },
  {
    bug: 'a partition is handed over while its handlers run',
    file: dispatcher,
    find: '    await done\n    await this.#consumer?.flush()',
    replace: '    await this.#consumer?.flush()',
    caughtBy: ['dispatcher simulation', members],
  },
  {
    bug: 'a partition is handed over before what was accepted is settled',
    file: dispatcher,
    find: '    await done\n    await this.#consumer?.flush()',
    replace: '    await done',
    caughtBy: ['dispatcher simulation', members],
  },
  {
    bug: 'gathered entries of a partition that is handed over run all the same',
    file: dispatcher,
    find: 'for (const entry of this.#batching.remove((entry) => entry.delivery.partition === partition)) this.machine.finish(entry, putBack)',
    replace: '',
    caughtBy: [`${givenUp} :: what a batch has gathered of a partition that is handed over goes back, at once and without a run`],
  },
  {
    bug: 'gathered entries whose delivery was lost run all the same',
    file: dispatcher,
    find: 'for (const gathered of this.#batching.remove((other) => other === entry)) this.machine.finish(gathered, putBack)',
    replace: '',
    caughtBy: ['dispatcher simulation'],
  },
  {
    bug: 'a call of an earlier ownership is carried out',
    file: dispatcher,
    find: '} else if (this.machine.isWanted(command)) {',
    replace: '} else {',
    caughtBy: [`${givenUp} :: a partition that is lost while a settlement is passed on: the attempt that would be recorded next is not`],
  },
  {
    bug: 'nobody wakes when a retry is due',
    file: dispatcher,
    find: 'const wakeMs = Math.min(this.machine.nextWakeMs, this.#timeOuts.nextMs',
    replace: 'const wakeMs = Math.min(this.#timeOuts.nextMs',
    caughtBy: ['dispatcher simulation', `${runner} :: a failing message holds its own lane only`],
  },
  {
    bug: 'a time-out never comes',
    file: 'packages/core/src/endpoint/dispatch/time-outs.ts',
    find: 'call.cutShort = timeoutError(call)\n      call.abort(call.cutShort)',
    replace: 'continue',
    caughtBy: ['dispatcher simulation', `${runner} :: a time-out aborts the signal`],
  },
  {
    bug: 'a record that failed is taken for durable',
    file: 'packages/core/src/endpoint/dispatch/requests.ts',
    find: '      () => this.#answers.done(request),\n      (error: unknown) => this.#answers.failed(request, toError(error)),\n    )\n  }\n\n  #read',
    replace: '      () => this.#answers.done(request),\n      () => this.#answers.done(request),\n    )\n  }\n\n  #read',
    caughtBy: ['dispatcher simulation'],
  },
  {
    bug: 'one lost delivery leaves all records of its call unanswered',
    file: 'packages/core/src/endpoint/dispatch/requests.ts',
    find: '      () => each(),',
    replace: '      () => undefined,',
    caughtBy: ['dispatcher simulation'],
  },
  {
    bug: 'a stop does not wait for what runs',
    file: 'packages/core/src/endpoint/dispatch/group-runner.ts',
    find: 'if (!(await this.#idleWithin(deadlineMs))) {',
    replace: 'if (deadlineMs >= 0) {',
    caughtBy: ['dispatcher simulation', `${runner} :: stop lets handlers finish`],
  },
  {
    bug: 'the receiver is not woken when there is room again',
    file: 'packages/core/src/endpoint/dispatch/group-runner.ts',
    find: 'if (this.#wakeReceiver !== undefined && this.#room() > 0) this.#wakeReceiver()',
    replace: '',
    caughtBy: ['dispatcher simulation', `${runner} :: back-pressure`],
  },
  {
    bug: 'a turn runs in every pass of the event loop while all slots are taken',
    file: dispatcher,
    find: 'if (this.#mayStart()) this.#turn()',
    replace: 'if (this.machine.readyCount > 0) this.#turn()',
    caughtBy: ['dispatcher simulation', 'packages/core/src/endpoint/dispatch/slots-taken.test.ts'],
  },
  {
    bug: 'a gathered batch runs although the group is paused',
    file: dispatcher,
    find: 'while (this.#batching.count > 0 && this.#hasSlot &&',
    replace: 'while (this.#batching.count > 0 && this.slots < this.#options.concurrency &&',
    caughtBy: ['dispatcher simulation'],
  },
  {
    bug: 'after a freeze handlers start before a lost lease is known',
    file: dispatcher,
    find: 'if (!this.#holdsSomething || (this.#nowMs - this.#lastTurnMs < this.#freezeMs && this.#consumer?.overdue !== true)) return true',
    replace: 'if (this.#thawing === false) return true',
    caughtBy: ['packages/core/src/endpoint/dispatch/thaw.test.ts'],
  },
  {
    bug: 'a filtered message is forgotten instead of accepted',
    file: dispatcher,
    find: "      else this.#skip(delivery, 'filter')",
    replace: '',
    caughtBy: ['dispatcher simulation', `${runner} :: expired messages, filtered ones`],
  },
]
