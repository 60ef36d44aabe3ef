/** The log: every block whole, every position there once, and the channels' figures. */

import { keyHash } from '@sluice/core/transport'
import { Block, type BlockRow } from '../log/block.ts'
import type { Database } from '../sqlite/connection.ts'
import { type Findings, saidBy } from './findings.ts'

interface Channel {
  readonly id: number
  readonly name: string
  readonly kind: string
  readonly next_position: number
  readonly first_position: number
  readonly last_stored_at_ms: number
  readonly kept_bytes: number
  readonly group_count: number
  readonly groups: number
}

const blocksPerRead = 16

export function checkLog(db: Database, commitSeq: number, findings: Findings): { messages: number; blocks: number; channels: number } {
  const channels = db.all<Channel>(
    `SELECT id, name, kind, next_position, first_position, last_stored_at_ms, kept_bytes, group_count,
       (SELECT count(*) FROM consumer_group WHERE channel_id = channel.id) AS groups FROM channel ORDER BY id`,
  )
  let messages = 0
  let blocks = 0
  for (const channel of channels) {
    if (!['events', 'commands', 'reply'].includes(channel.kind))
      findings.error('CHANNEL', channel.name, `carries ${JSON.stringify(channel.kind)}`, 'services cannot declare it')
    if (channel.groups !== channel.group_count)
      findings.error(
        'CHANNEL',
        channel.name,
        `counts ${channel.group_count} groups and has ${channel.groups}`,
        'messages count as unrouted that are not, or the reverse',
      )
    const walked = walk(db, channel, commitSeq, findings)
    messages += walked.messages
    blocks += walked.blocks
  }
  const orphans = db.one<{ blocks: number }>('SELECT count(*) AS blocks FROM block WHERE id >> 44 NOT IN (SELECT id FROM channel)')
  if (orphans.blocks > 0) findings.error('ORPHAN', 'block', `${orphans.blocks} blocks belong to no channel`, 'their messages are delivered to nobody')
  return { messages, blocks, channels: channels.length }
}

function walk(db: Database, channel: Channel, commitSeq: number, findings: Findings): { messages: number; blocks: number } {
  let expected = channel.first_position
  let messages = 0
  let blocks = 0
  let bytes = 0
  let storedAtMs = 0
  for (let from = 0; ; ) {
    const rows = db.all<BlockRow>(
      `SELECT id & 17592186044415 AS first, count, seq, stored_at_ms, bytes, data FROM block
       WHERE id >= ((?1 << 44) | ?2) AND id < ((?1 + 1) << 44) ORDER BY id LIMIT ?3`,
      channel.id,
      from,
      blocksPerRead,
    )
    for (const row of rows) {
      const where = `${channel.name}, positions ${row.first} to ${row.first + row.count - 1}`
      if (row.first !== expected)
        findings.error(
          'HOLE',
          channel.name,
          `position ${expected} is followed by ${row.first}`,
          row.first > expected ? 'messages are missing' : 'positions are there twice',
        )
      const block = new Block(row, channel.id)
      const why = block.fault === undefined ? wrongHash(block) : saidBy(block.fault)
      if (why !== undefined)
        findings.error(
          'BLOCK_DAMAGED',
          where,
          why,
          'groups stop in front of it; nothing of it is delivered',
          'Restore a backup; or forget the group (bus.groups.remove) and let it begin behind these messages (from: a date)',
        )
      if (row.seq > commitSeq) findings.error('BLOCK_SEQ', where, `was written by commit ${row.seq}, after the last one`, 'it is never delivered')
      if (row.stored_at_ms < storedAtMs) findings.error('BLOCK_TIME', where, 'is older than what is before it', 'seeking by time misses messages')
      storedAtMs = row.stored_at_ms
      expected = row.first + row.count
      messages += row.count
      bytes += row.bytes
      blocks++
    }
    const last = rows[rows.length - 1]
    if (last === undefined || rows.length < blocksPerRead) break
    from = last.first + 1
  }
  if (expected !== channel.next_position)
    findings.error('HOLE', channel.name, `ends before position ${expected}, should before ${channel.next_position}`, 'the newest messages are missing')
  if (bytes !== channel.kept_bytes)
    findings.error('CHANNEL', channel.name, `counts ${channel.kept_bytes} bytes and keeps ${bytes}`, 'it is trimmed too early or too late')
  if (storedAtMs > channel.last_stored_at_ms)
    findings.error('CHANNEL', channel.name, 'says that its last message is older than it is', 'seeking by time misses messages')
  return { messages, blocks }
}

/** A keyed message must be in the partition of its key. */
function wrongHash(block: Block): string | undefined {
  for (let index = 0; index < block.count; index++) {
    const { partitionkey: key } = block.envelopeAt(index)
    if (key !== undefined && keyHash(key) !== block.hashAt(index)) return `the message at position ${block.first + index} stands in another key's partition`
  }
  return undefined
}
