import { createHash } from 'node:crypto'
import { countScript, discardScript, pauseScript, purgeScript, redriveScript, removeGroupScript, replayBeginScript, replayEndScript } from './administration.ts'
import { lanesScript, takeScript, tickScript } from './membership.ts'
import { prelude } from './prelude.ts'
import { cancelScript, dueScript, fireScheduleScript, putScheduleScript, removeScheduleScript, sendScript, trimScript } from './sending.ts'
import { readLaneScript, settleScript } from './settle.ts'
import { channelScript, groupScript } from './topology.ts'

/** A script as the server knows it. */
export interface Script {
  readonly name: string
  readonly source: string
  readonly sha: string
}

// A server at its maxmemory must still take what makes room: settlements, leases, trimming. New messages are refused.
const growing = new Set(['send', 'due', 'fireSchedule', 'putSchedule'])

function script(name: string, body: string): Script {
  const source = `#!lua${growing.has(name) ? '' : ' flags=allow-oom'}\n${prelude}${body}`
  return { name, source, sha: createHash('sha1').update(source).digest('hex') }
}

/** The name of a script. */
export type ScriptName =
  | 'channel'
  | 'group'
  | 'tick'
  | 'take'
  | 'lanes'
  | 'settle'
  | 'readLane'
  | 'send'
  | 'due'
  | 'cancel'
  | 'putSchedule'
  | 'removeSchedule'
  | 'fireSchedule'
  | 'trim'
  | 'pause'
  | 'removeGroup'
  | 'purge'
  | 'redrive'
  | 'discard'
  | 'replayBegin'
  | 'replayEnd'
  | 'count'

const bodies: Readonly<Record<ScriptName, string>> = {
  channel: channelScript,
  group: groupScript,
  tick: tickScript,
  take: takeScript,
  lanes: lanesScript,
  settle: settleScript,
  readLane: readLaneScript,
  send: sendScript,
  due: dueScript,
  cancel: cancelScript,
  putSchedule: putScheduleScript,
  removeSchedule: removeScheduleScript,
  fireSchedule: fireScheduleScript,
  trim: trimScript,
  pause: pauseScript,
  removeGroup: removeGroupScript,
  purge: purgeScript,
  redrive: redriveScript,
  discard: discardScript,
  replayBegin: replayBeginScript,
  replayEnd: replayEndScript,
  count: countScript,
}

/** Every script, by name. */
export const scripts: Readonly<Record<ScriptName, Script>> = Object.fromEntries(
  Object.entries(bodies).map(([name, body]) => [name, script(name, body)]),
) as Record<ScriptName, Script>
